"""A screen of one's own: Xvfb with a window manager."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Screen:
    """An Xvfb with openbox."""

    display: str

    def xdotool(self, *arguments: str) -> str:
        done = subprocess.run(
            ["xdotool", *arguments],
            env=os.environ | {"DISPLAY": self.display},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        return done.stdout.strip()


@contextmanager
def running_screen(*options: str) -> Iterator[Screen]:
    """A screen of 1400 x 900, with these options for Xvfb beside ours."""
    read, write = os.pipe()
    # -r: no key repeats. A Return pressed in one test would go on by itself, and answer the questions of later ones.
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp", "-r", *options],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as told:
        screen = Screen(f":{told.readline().strip()}")
    manager = subprocess.Popen(
        ["openbox"], env=os.environ | {"DISPLAY": screen.display}, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    time.sleep(0.5)
    try:
        yield screen
    finally:
        for process in (manager, server):
            process.terminate()
            process.wait(timeout=10)
