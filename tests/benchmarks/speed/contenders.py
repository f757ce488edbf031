"""Who is measured: how each is started on a chat of so many messages, and what of it is looked at."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.profiles import make_one
from tests.benchmarks.speed.processes import ended, launched, module_command
from tests.benchmarks.speed.text import history
from tests.conftest import hearth_command

ENGINE_TOKENS = 200  # the longest answer of the built-in engine


@dataclass(frozen=True)
class Served:
    """A contender that runs: where its page is, its main process, when that was started (as `time.time` tells it), and
    the folders of its data (Hearth's) and of its temporary files."""

    address: str
    pid: int
    began: float
    data: Path
    temporary: Path


@dataclass(frozen=True)
class Contender:
    """`roots` are the selectors of what its answers appear in, `settled` of where they stay, `answers` of the words of
    answers alone; `command` gets the address
    of the endpoint ("": the built-in engine), the number of messages and a folder of its own, and gives what prints its
    address first."""

    name: str
    command: Callable[[str, int, Path], list[str]]
    input: str
    roots: str
    settled: str
    answers: str
    is_over: str = "true"  # in JavaScript, once words have come: whether no more will

    @contextmanager
    def serving(self, endpoint: str, messages: int = 0) -> Iterator[Served]:
        with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory() as temporary:
            command = self.command(endpoint, messages, Path(data))
            began = time.time()
            process = launched(command, TMPDIR=temporary, TEMP=temporary)
            try:
                assert process.stdout is not None
                address = process.stdout.readline().strip()
                assert address.startswith("http"), f"{self.name} did not start"
                yield Served(address, process.pid, began, Path(data) / "data", Path(temporary))
            finally:
                ended(process)


def _floor(endpoint: str, messages: int, folder: Path) -> list[str]:
    return module_command("tests.benchmarks.speed.floor", endpoint, str(messages))


def _stock(endpoint: str, messages: int, folder: Path) -> list[str]:
    return module_command("tests.benchmarks.speed.stock", endpoint, str(messages))


def _hearth(endpoint: str, messages: int, folder: Path) -> list[str]:
    return hearth_command(*_hearth_arguments(endpoint, messages, folder))


def bundle(executable: Path) -> Contender:
    """Hearth as it is handed out."""
    return replace(HEARTH, name="bundle", command=lambda *given: [str(executable), *_hearth_arguments(*given)])


def _hearth_arguments(endpoint: str, messages: int, folder: Path) -> list[str]:
    data = folder / "data"
    make_one(data, history(messages))
    settings = {
        "version": 1,
        "temperature": 0.0,
        "max_tokens": ENGINE_TOKENS,
    }  # the built-in engine says the same each time
    (data / "settings.json").write_text(json.dumps({} if endpoint else settings), encoding="utf-8")
    return ["serve", "--data-dir", str(data), *(["--endpoint", endpoint, "--model", "fake"] if endpoint else [])]


FLOOR = Contender("floor", _floor, "#input", "#chat", "#chat", "#chat p:nth-of-type(even)")
STOCK = Contender("stock", _stock, "[data-testid=textbox], textarea", "#chat", "#chat", "#chat [data-testid=bot]")
HEARTH = Contender(
    "hearth",
    _hearth,
    "#chat-input textarea",
    "#chat-live, #chat-settled",
    "#chat-settled",
    "[data-testid=bot] .hearth-prose, [data-testid=bot] .hearth-plain",
    "!document.querySelector('#chat-live').textContent && !document.querySelector('#chat-stop')?.offsetParent",
)
CONTENDERS = {contender.name: contender for contender in (FLOOR, STOCK, HEARTH)}
