"""What the assistant notes across chats, in a plain file that the person can read and edit: one note a line."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

from assistant.errors import ToolError

MOST_NOTES, LONGEST_NOTE = 1000, 2000
_MOST_BYTES = 4_000_000


class Notes:
    """The notes of one file, `- NOTE` on each line; other lines are the person's own and stay. Read anew each time, so
    that what an editor has changed holds. `write` puts bytes into a file whole or not at all, and may raise OSError.
    Any thread may call; all may raise ToolError."""

    def __init__(self, path: Path, write: Callable[[Path, bytes], None]) -> None:
        self.path, self._write_file = path, write
        self._lock = threading.Lock()

    def all(self) -> list[str]:
        """Every note, the oldest first."""
        with self._lock:
            return [note for line in self._lines() if (note := _note_in(line))]

    def add(self, note: str) -> bool:
        """Adds a note behind the others; whether it was not there yet."""
        with self._lock:
            lines = self._lines()
            known = [each for line in lines if (each := _note_in(line))]
            if (plain := one_line(note)) in known:
                return False
            if not plain:
                raise ToolError("tool-note-empty")
            if len(known) >= MOST_NOTES:
                raise ToolError("tool-notes-full", count=MOST_NOTES)
            self._write([*lines, f"- {plain}"])
            return True

    def remove(self, note: str) -> bool:
        """Takes a note out, for good; whether it was there."""
        with self._lock:
            lines = self._lines()
            left = [line for line in lines if _note_in(line) != one_line(note)]
            if len(left) == len(lines):
                return False
            self._write(left)
            return True

    def replace_all(self, text: str, *, seen: str | None = None) -> None:
        """Puts the person's own text in the place of the whole file. Where they saw that as `seen`, what was noted
        since then stays, behind it."""
        with self._lock:
            known = {*(seen or "").splitlines(), *text.splitlines()}
            since = [] if seen is None else [line for line in self._lines() if line not in known]
            self._write([*text.splitlines(), *since])

    def text(self) -> str:
        """The file as it is."""
        with self._lock:
            return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        try:
            if self.path.stat().st_size > _MOST_BYTES:
                raise ToolError("tool-notes-large", path=self.path)
            return self.path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise ToolError("tool-notes-no-text", path=self.path) from None  # whatever it is, it stays as it is
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ToolError("tool-notes-fault", path=self.path, reason=error.strerror or "?") from error

    def _write(self, lines: list[str]) -> None:
        """Whole or not at all, and for this user only."""
        try:
            self._write_file(self.path, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
        except OSError as error:
            raise ToolError("tool-notes-fault", path=self.path, reason=error.strerror or "?") from error


def one_line(text: str) -> str:
    """A note as it stands in the file."""
    return " ".join(text.split())


def _note_in(line: str) -> str:
    found = re.fullmatch(r"\s*[-*]\s+(.*\S)\s*", line)
    return one_line(found[1]) if found else ""
