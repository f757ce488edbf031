"""How long a window takes until its start page can be seen, told from the pixels of a screen of its own (X11)."""

from __future__ import annotations

import mmap
import re
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from assistant.paths import asset
from tests.benchmarks.speed.processes import ended, launched, module_command
from tests.conftest import hearth_command
from tests.desktop.screen import Screen, running_screen

PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.02
PIXELS = 8  # of the colour, side by side


class Pixels:
    """What a screen shows, as Xvfb keeps it in a file (XWD)."""

    def __init__(self, screen: Screen, memory: mmap.mmap) -> None:
        self.screen, self._memory = screen, memory
        fields = struct.unpack(">20I", memory[:80])
        self._begin = fields[0] + 12 * fields[19]  # behind the header and the table of colours
        self._is_little_endian = fields[7] == 0

    def shows(self, colour: str) -> bool:
        """Whether a patch of the colour (`#rrggbb`) is there."""
        pixel = bytes.fromhex(colour.removeprefix("#"))
        one = re.escape(pixel[::-1]) + b"." if self._is_little_endian else b"." + re.escape(pixel)
        return bool(re.compile(b"(?:%s){%d}" % (one, PIXELS), re.DOTALL).search(self._memory, self._begin))

    def seen(self, colour: str) -> float | None:
        """The moment (as `time.time` tells it) at which the colour could first be seen; None: not in time."""
        deadline = time.time() + PATIENCE_SECONDS
        while (now := time.time()) < deadline:
            if self.shows(colour):
                return now
            time.sleep(LOOK_SECONDS)
        return None


@contextmanager
def pixels() -> Iterator[Pixels]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_screen("-fbdir", folder) as screen,
        (Path(folder) / "Xvfb_screen0").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory,
    ):
        yield Pixels(screen, memory)


def accent() -> str:
    """The colour of the flame on Hearth's start page, when the system has a light theme."""
    found = re.search(r"--accent: (#\w{6})", asset("start.html").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def shown(command: list[str], colour: str, **environment: str) -> float | None:
    """Seconds from the start of a process until the colour can be seen. Ends the process."""
    with pixels() as looked_at:
        began = time.time()
        process = launched(command, DISPLAY=looked_at.screen.display, **environment)
        try:
            at = looked_at.seen(colour)
        finally:
            ended(process)
    return at and at - began


Twice = tuple[float | None, float | None]
"""A first start and a second one. In the first, the graphics driver compiles what it keeps for the second."""


def bare_window() -> Twice:
    command = module_command("tests.benchmarks.speed.bare", accent())
    with tempfile.TemporaryDirectory() as cache:
        return _twice(lambda: shown(command, accent(), MESA_SHADER_CACHE_DIR=cache))


def hearth_window(executable: Path | None = None) -> Twice:
    """Hearth's own, on a profile that is new, and then on the same."""
    with tempfile.TemporaryDirectory() as data:
        arguments = ("--data-dir", data)
        command = [str(executable), *arguments] if executable else hearth_command(*arguments)
        return _twice(lambda: shown(command, accent()))


def _twice(show: Callable[[], float | None]) -> Twice:
    return show(), show()
