"""What a person does at a screen: looks for the window, types, reads, closes it.

Needs Xvfb, openbox, xdotool and xprop.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import Image, ImageChops, ImageGrab

T = TypeVar("T")
SIZE = "1280x900"
STILL_PIXELS = 60  # a blinking caret
_READ_CLIPBOARD = """
from PySide6.QtGui import QGuiApplication
application = QGuiApplication([])
print(application.clipboard().text())
"""


@dataclass(frozen=True)
class Person:
    """Somebody before one display, such as `:7`."""

    display: str

    def window(self, *, within_seconds: float = 60) -> str:
        """The window's number, once it is on the screen. Raises TimeoutError."""
        search = ("search", "--onlyvisible", "--name", "Hearth$")
        found = eventually(lambda: self._x(*search), within_seconds=within_seconds)
        if not found:
            raise TimeoutError("no window came")
        return found.splitlines()[0]

    def types(self, text: str) -> None:
        self._x("type", "--delay", "15", text)

    def presses(self, *keys: str) -> None:
        self._x("key", "--delay", "40", *keys)

    def closes_window(self) -> None:
        """As Alt+F4 does: the window manager asks the window to close."""
        self.presses("alt+F4")

    def sees(self) -> Image.Image:
        return ImageGrab.grab(xdisplay=self.display).convert("RGB")

    def sees_after(self, before: Image.Image) -> int:
        """How many pixels are not what they were."""
        difference = ImageChops.difference(before, self.sees()).convert("L").point(lambda value: 255 if value else 0)
        return difference.histogram()[255]

    def waits_for_stillness(self, *, within_seconds: float = 20) -> bool:
        """Until nothing but a caret moves."""

        def still() -> bool:
            before = self.sees()
            time.sleep(0.5)
            return self.sees_after(before) < STILL_PIXELS

        return eventually(still, within_seconds=within_seconds)

    def reads(self) -> str:
        """All the text that is on the page: selected and copied. Not while a text field has the focus."""
        self.presses("ctrl+a", "ctrl+c")
        time.sleep(0.3)
        environment = os.environ | {"DISPLAY": self.display, "QT_QPA_PLATFORM": "xcb", "QT_LOGGING_RULES": "*=false"}
        command = [sys.executable, "-c", _READ_CLIPBOARD]
        told = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)
        return told.stdout

    def clicks(self, x: int, y: int) -> None:
        self._x("mousemove", str(x), str(y), "click", "1")

    def keeps_picture(self, path: Path) -> None:
        self.sees().save(path)

    def _x(self, *arguments: str) -> str:
        told = subprocess.run(
            ["xdotool", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=os.environ | {"DISPLAY": self.display},
        )
        return told.stdout.strip()


@contextmanager
def screen() -> Generator[Person]:
    """A display of its own with a window manager on it."""
    reading, writing = os.pipe()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # -ac: the bundle is also run as another user. -r: on a busy machine a key would repeat before it is let go.
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{SIZE}x24", "-nolisten", "tcp", "-ac", "-r"]
    server = subprocess.Popen(command, pass_fds=[writing], **quiet)
    os.close(writing)
    with os.fdopen(reading) as told:
        display = f":{told.readline().strip()}"
    manager = subprocess.Popen(["openbox"], env=os.environ | {"DISPLAY": display}, **quiet)
    try:
        if not eventually(lambda: _is_managed(display), within_seconds=20):
            raise TimeoutError("the window manager did not start")
        yield Person(display)
    finally:
        for process in (manager, server):
            process.terminate()
            process.wait(timeout=10)


def keep_displays_apart() -> None:
    """For a process with mounts of its own: X servers of other networks would take the same numbers for their sockets,
    since they see each other's only where sockets have no file."""
    place = Path("/tmp/.X11-unix")
    place.mkdir(mode=0o1777, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(place)], check=True)


def _is_managed(display: str) -> bool:
    command = ["xprop", "-display", display, "-root", "_NET_SUPPORTING_WM_CHECK"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return "window id" in told.stdout


def eventually(look: Callable[[], T], *, within_seconds: float, every_seconds: float = 0.05) -> T:
    """What `look` finds, once it finds something; else what it found last."""
    deadline = time.monotonic() + within_seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(every_seconds)
    return found
