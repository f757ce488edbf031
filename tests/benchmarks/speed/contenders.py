"""Who is measured: how each is started on a chat of so many messages, and what of it is looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.profiles import make_one
from tests.benchmarks.speed.processes import ended, launched, module_command
from tests.benchmarks.speed.text import history
from tests.conftest import hearth_command


@dataclass(frozen=True)
class Served:
    """A contender that runs: where its page is, and its main process."""

    address: str
    pid: int


@dataclass(frozen=True)
class Contender:
    """`roots` are the selectors of what its answers appear in, `settled` of where they stay; `command` gets the address
    of the endpoint, the number of messages and a folder of its own, and gives what prints its address first."""

    name: str
    command: Callable[[str, int, Path], list[str]]
    input: str
    roots: str
    settled: str

    @contextmanager
    def serving(self, endpoint: str, messages: int) -> Iterator[Served]:
        with tempfile.TemporaryDirectory() as folder:
            process = launched(self.command(endpoint, messages, Path(folder)))
            try:
                assert process.stdout is not None
                address = process.stdout.readline().strip()
                assert address.startswith("http"), f"{self.name} did not start"
                yield Served(address, process.pid)
            finally:
                ended(process)


def _floor(endpoint: str, messages: int, folder: Path) -> list[str]:
    return module_command("tests.benchmarks.speed.floor", endpoint, str(messages))


def _stock(endpoint: str, messages: int, folder: Path) -> list[str]:
    return module_command("tests.benchmarks.speed.stock", endpoint, str(messages))


def _hearth(endpoint: str, messages: int, folder: Path) -> list[str]:
    make_one(folder / "data", history(messages))
    return hearth_command("serve", "--data-dir", str(folder / "data"), "--endpoint", endpoint, "--model", "fake")


FLOOR = Contender("floor", _floor, "#input", "#chat", "#chat")
STOCK = Contender("stock", _stock, "[data-testid=textbox], textarea", "#chat", "#chat")
HEARTH = Contender("hearth", _hearth, "#chat-input textarea", "#chat-live, #chat-settled", "#chat-settled")
CONTENDERS = {contender.name: contender for contender in (FLOOR, STOCK, HEARTH)}
