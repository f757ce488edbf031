"""A person before a Mac: keys and the page's texts through System Events, which needs leave under Accessibility.

Written from Apple's documentation; nobody has run it there yet.
"""

from __future__ import annotations

import subprocess

from person import eventually

_PROCESS = 'tell application "System Events" to tell (first process whose name is "hearth")'


class MacPerson:
    """The one who is logged in."""

    display = ""

    def window(self, *, within_seconds: float = 90) -> str:
        """Waits for the window. Raises TimeoutError."""
        if not eventually(lambda: _run("get name of window 1"), within_seconds=within_seconds, every_seconds=1):
            raise TimeoutError("no window came")
        return "Hearth"

    def types(self, text: str) -> None:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        _run("set frontmost to true", f'keystroke "{quoted}"')

    def presses_enter(self) -> None:
        _run("key code 36")

    def reads(self) -> str:
        """The values of all texts in the window."""
        return _run(
            "set found to {}",
            "repeat with one in (entire contents of window 1)",
            'if role of one is in {"AXStaticText", "AXHeading"} then set end of found to (value of one as text)',
            "end repeat",
            "return found as text",
        )

    def closes_window(self) -> None:
        _run('click (first button of window 1 whose subrole is "AXCloseButton")')


def _run(*lines: str) -> str:
    script = "\n".join([_PROCESS, *lines, "end tell"])
    told = subprocess.run(["osascript", "-e", script], capture_output=True, text=True, check=False, timeout=120)
    return told.stdout.strip()
