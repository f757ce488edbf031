"""What several tests need: a Hearth that really runs, and a browser that really looks at it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM_FLAGS = [
    "--no-sandbox",  # the tests may run as root in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Served:
    """A `hearth serve` in a process of its own."""

    data_dir: Path
    process: subprocess.Popen[str]
    address: str
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.data_dir / "logs" / "hearth.log"

    def fresh_address(self) -> str:
        """Another one-time address of the same server, as a second `hearth serve` prints it."""
        second = hearth("serve", "--data-dir", str(self.data_dir))
        assert second.returncode == 0, second.stderr
        return second.stdout.strip()

    def stop(self) -> int:
        """Ends it as a service manager would; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)


def hearth_command(*arguments: str) -> list[str]:
    """Hearth from source, or the executable that HEARTH_EXECUTABLE names."""
    executable = os.environ.get("HEARTH_EXECUTABLE")
    return [*([executable] if executable else [sys.executable, "-m", "launcher"]), *arguments]


def hearth(*arguments: str, timeout_seconds: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a `hearth` command to its end."""
    return subprocess.run(
        hearth_command(*arguments),
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts `hearth serve` with the given arguments, by default on a data dir of the test's own."""
    with ExitStack() as stack:

        def start(*arguments: str, data_dir: Path = tmp_path / "data", **environment: str) -> Served:
            process = subprocess.Popen(
                hearth_command("serve", "--data-dir", str(data_dir), *arguments),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                text=True,
                env=os.environ | environment,
            )
            stack.callback(_end, process)
            assert process.stdout is not None
            return Served(data_dir, process, process.stdout.readline().strip())

        yield start


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
    if process.stdout is not None:
        process.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium. Not for the whole session: its driver runs an event loop in this thread, where no test
    after it could run one of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a size people use, in a profile of its own."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    page.set_default_timeout(30_000)
    expect.set_options(timeout=20_000)  # a claim that holds is seen at once; a busy machine may take its time
    yield page
    context.close()


def settings_of(served: Served) -> dict[str, object]:
    """The settings on disk."""
    return json.loads((served.data_dir / "settings.json").read_text(encoding="utf-8"))


def eventually(claim: Callable[[], bool], *, within_seconds: float = 10) -> bool:
    """Whether the claim comes true in time."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if claim():
            return True
        time.sleep(0.05)
    return claim()
