"""A screen of the test's own, with a window manager, and Hearth's window on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.conftest import eventually, hearth_command
from tests.desktop.screen import Screen, running_screen


@dataclass
class Opened:
    """A `hearth` with its window."""

    process: subprocess.Popen[str]
    screen: Screen
    data_dir: Path

    @property
    def log(self) -> str:
        return (self.data_dir / "logs" / "hearth.log").read_text(encoding="utf-8")

    def window(self) -> str:
        return self.screen.xdotool("search", "--onlyvisible", "--name", "Hearth$").split("\n")[-1]

    def has_window(self) -> bool:
        return bool(self.window())

    def has_page(self) -> bool:
        """Whether the page was asked for: it is served only when the window has gone to it."""
        return "page ready" in self.log

    def family(self) -> list[psutil.Process]:
        """This process and all below it."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def close_as_a_person(self) -> None:
        self.screen.xdotool("windowactivate", "--sync", self.window())
        self.screen.xdotool("key", "alt+F4")


@pytest.fixture(scope="session")
def screen() -> Iterator[Screen]:
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb")
    with running_screen() as screen:
        yield screen


@pytest.fixture
def open_window(screen: Screen, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Starts `hearth` on the screen, by default on a data dir of the test's own."""
    with ExitStack() as stack:

        def start(
            *arguments: str, data_dir: Path = tmp_path / "data", command: Sequence[str] = (), **environment: str
        ) -> Opened:
            process = subprocess.Popen(
                [*(command or hearth_command()), "--data-dir", str(data_dir), *arguments],
                env=os.environ | {"DISPLAY": screen.display} | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.callback(_end, process)
            return Opened(process, screen, data_dir)

        yield start


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        if not eventually(lambda: process.poll() is not None, within_seconds=10):
            process.kill()
    process.communicate()
