"""What this build is called: its version, the platform in the archive's name, the icon, the metadata it carries."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from pathlib import Path

# Packages whose version is asked for at run time: by `hearth --version` and `hearth doctor`, and by one another.
NAMED_AT_RUN_TIME = (
    *("hearth-assistant", "gradio", "gradio_client", "openai", "xllamacpp", "pywebview", "pydantic", "uvicorn"),
    *("huggingface_hub", "fastapi", "starlette", "httpx"),
)


def number() -> str:
    return version("hearth-assistant")


def platform_name() -> str:
    """As in `linux-x86_64`, `macos-arm64`, `windows-amd64`."""
    system = {"linux": "linux", "darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    return f"{system}-{platform.machine().lower()}"


def icon(folder: Path) -> str | None:
    """The icon in the system's own format, where there is one (Linux has none in its executables)."""
    suffix = {"win32": "ico", "darwin": "icns"}.get(sys.platform)
    found = sorted(folder.glob(f"*.{suffix}")) if suffix else []
    return str(found[0]) if found else None
