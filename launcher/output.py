"""Where a command's words go on Windows, whose executable has a window and therefore no terminal of its own.

Written from Microsoft's documentation of AttachConsole and CONOUT$; nobody has run it there yet.
"""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

_PARENT = -1  # ATTACH_PARENT_PROCESS


def find_terminal() -> None:
    """Gives a Windows executable the terminal that it was started from. Streams that lead somewhere stay."""
    if not _is_windows_executable() or (sys.stdout is not None and sys.stderr is not None):
        return
    import ctypes  # late: elsewhere nothing needs it

    if not ctypes.windll.kernel32.AttachConsole(_PARENT):  # type: ignore[attr-defined]  # pyright: ignore
        return  # it was double-clicked
    with suppress(OSError):
        terminal = _written(Path("CONOUT$"))
        sys.stdout, sys.stderr = sys.stdout or terminal, sys.stderr or terminal


def log_output(file: Path) -> None:
    """Keeps what this command prints in `file` as well, on Windows only; the next command begins it anew."""
    if not _is_windows_executable():
        return
    with suppress(OSError):  # a disk that is full is told elsewhere
        log = _written(file)
        sys.stdout, sys.stderr = Both(sys.stdout, log), Both(sys.stderr, log)


class Both(io.TextIOBase):
    """A stream that leads to a terminal, a pipe or nowhere, and to a file as well."""

    def __init__(self, stream: TextIO | None, log: TextIO) -> None:
        self._stream, self._log = stream, log

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def write(self, text: str) -> int:
        self._log.write(text)
        return self._stream.write(text) if self._stream is not None else len(text)

    def flush(self) -> None:
        self._log.flush()
        if self._stream is not None:
            self._stream.flush()

    def fileno(self) -> int:
        return (self._stream or self._log).fileno()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def reconfigure(self, **choices: str) -> None:
        """As a file's own: the terminal's encoding; the log's is UTF-8."""
        if isinstance(self._stream, io.TextIOWrapper):
            self._stream.reconfigure(**choices)  # type: ignore[arg-type]  # pyright: ignore


def _written(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", errors="replace", buffering=1)


def _is_windows_executable() -> bool:
    return sys.platform == "win32" and bool(getattr(sys, "frozen", False))
