"""Every tool that Hearth brings along, and what each may touch, on one screen.

"never": it touches nothing but the chat it is asked in, so there is nothing to ask. Everything else asks first: even to
look into the workspace or the notes shows private words to whatever model answers, which may be somebody else's.
"""

from __future__ import annotations

from assistant.tools.clock import now
from assistant.tools.files import (
    edit_file,
    find_files,
    list_files,
    move_file,
    preview_edit,
    preview_write,
    read_file,
    search_files,
    write_file,
)
from assistant.tools.memory import forget, recall, remember
from assistant.tools.python import calculate, preview_python, run_python
from assistant.tools.tool import Tool, tool
from assistant.tools.user import ask_user, preview_choice
from assistant.tools.web import fetch_page, preview_page, preview_search, web_search

BUILTIN_TOOLS: tuple[Tool, ...] = (
    tool(now, approval="never"),
    tool(calculate, approval="never", timeout_seconds=8),  # a sum of so many seconds, in a sandbox that has nothing
    tool(run_python, risk="code", asks_each_time=True, preview=preview_python),
    tool(list_files, risk="files"),
    tool(find_files, risk="files"),
    tool(read_file, risk="files"),
    tool(search_files, risk="files"),
    tool(write_file, risk="files", preview=preview_write),
    tool(edit_file, risk="files", preview=preview_edit),
    tool(move_file, risk="files"),
    tool(remember),
    tool(recall),
    tool(forget),
    tool(ask_user, asks_each_time=True, preview=preview_choice),  # to be asked is what it does
    tool(web_search, risk="web", asks_each_time=True, preview=preview_search),
    tool(fetch_page, risk="web", asks_each_time=True, preview=preview_page),
)
