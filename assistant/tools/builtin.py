"""Every tool that Hearth brings along, and what each may touch, on one screen."""

from __future__ import annotations

from assistant.tools.clock import now
from assistant.tools.tool import Tool, tool

BUILTIN_TOOLS: tuple[Tool, ...] = (tool(now, approval="never"),)
