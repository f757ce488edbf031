"""Row 55 of the faults: what a model's program may not do, and that nothing of it is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from assistant.errors import ToolError
from assistant.messages import Message, Text, user
from assistant.tools import python
from tests.faults.sink import Sink
from tests.workbench import Workbench

CANARY = "sk-CANARY-code"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """After each program none of its processes is left."""
    (tmp_path / "canary.txt").write_text(CANARY)
    monkeypatch.setenv("HEARTH_CANARY", CANARY)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield Workbench(tmp_path)
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=5)
    assert alive == []


def outcome(bench: Workbench, code: str) -> str:
    """What the model is told."""
    try:
        return bench.call("run_python", code=code)
    except ToolError as error:
        return error.message


def test_an_endless_loop_is_stopped(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python, "_SECONDS", 1.0)
    began = time.monotonic()

    assert "TimeoutError" in outcome(bench, "while True:\n    pass")
    assert "TimeoutError" in outcome(bench, "def f(): pass\nwhile True:\n    try:\n        f()\n    except: pass")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "code",
    ["a = 'x' * 10_000_000_000", "a = [0] * 10**9", "a = []\nwhile True:\n    a.append('x' * 10**6)", "10 ** 10 ** 10"],
)
def test_gigabytes_are_refused(bench: Workbench, code: str) -> None:
    assert "MemoryError" in outcome(bench, code)


def test_a_hundred_megabytes_of_output_are_cut(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python, "_SECONDS", 3.0)
    said = outcome(bench, "for number in range(1000):\n    print('x' * 100_000)")

    assert len(said) < 25_000
    assert "more characters" in said


def test_a_value_of_megabytes_is_cut(bench: Workbench) -> None:
    assert len(outcome(bench, "'x' * 10_000_000")) < 25_000


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.fork()",
        "import subprocess\nsubprocess.run(['id'])",
        "import os\nos.system('touch escaped.txt')",
        "import ctypes",
        "import sys\nsys.modules['os'].system('id')",
        "().__class__.__base__.__subclasses__()",
        "eval(\"__import__('os').system('id')\")",
        "exec('import subprocess')",
        "__import__('os').system('id')",
        "import threading",
        "import multiprocessing",
    ],
)
def test_no_process_and_no_system_is_within_reach(bench: Workbench, code: str) -> None:
    with pytest.raises(ToolError):
        bench.call("run_python", code=code)


def test_no_file_and_no_environment_is_read(bench: Workbench) -> None:
    canary = bench.folder / "canary.txt"
    for code in (
        f"open({str(canary)!r}).read()",
        f"import pathlib\npathlib.Path({str(canary)!r}).read_text()",
        f"open({str(bench.root / 'new.txt')!r}, 'w').write('x')",
        "open('/proc/self/environ').read()",
        "import os\nos.environ['HEARTH_CANARY']",
        "import os\nos.getenv('HEARTH_CANARY')",
        "import os\nos.listdir('/')",
    ):
        said = outcome(bench, code)
        assert CANARY not in said
        assert "Error" in said, code
    assert list(bench.root.iterdir()) == []


def test_nothing_is_reached_over_the_network(bench: Workbench) -> None:
    sink = Sink()
    for code in (
        f"import socket\nsocket.create_connection(('127.0.0.1', {sink.port}))",
        f"import urllib.request\nurllib.request.urlopen('http://127.0.0.1:{sink.port}')",
        "import http.client",
        "import asyncio\nawait asyncio.open_connection('127.0.0.1', 80)",
    ):
        assert "Error" in outcome(bench, code)
    sink.close()

    assert sink.visitors == []


def test_sleeping_and_recursion_end(bench: Workbench) -> None:
    began = time.monotonic()
    assert outcome(bench, "import time\ntime.sleep(100)\n'awake'") == "awake"
    assert "RecursionError" in outcome(bench, "def f(n):\n    return f(n + 1)\nf(0)")
    assert time.monotonic() - began < 8


def test_the_chat_is_at_hand_as_data(tmp_path: Path) -> None:
    bench = Workbench(tmp_path, said=(user("1, 2, 3"), Message("assistant", (Text("Six."),))))

    assert bench.call("run_python", code="sum(int(n) for n in messages[0]['text'].split(','))") == "6"
    assert bench.call("run_python", code="[m['role'] for m in messages]") == "['user', 'assistant']"


def test_a_fault_is_told_with_its_line_and_what_was_printed(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as told:
        Workbench(tmp_path).call("run_python", code="print('so far')\n\n1 / 0")

    assert "line 3" in told.value.message
    assert "ZeroDivisionError: division by zero" in told.value.message
    assert "so far" in told.value.message


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("(3 + 4) * 12 / 5", "16.8"),
        ("0.1 + 0.2", "0.3"),
        ("15% of 80", "12"),
        ("80 * 15%", "12"),
        ("17 % 5", "2"),
        ("2^10", "1024"),
        ("1,234,567 + 1", "1234568"),
        ("12 × 3 =", "36"),
        ("12 x 3", "36"),
        ("5!", "120"),
        ("max(1,200)", "200"),
        ("sqrt(2)", "1.4142135623730951"),
        ("factorial(20)", "2432902008176640000"),
        ("10 / 4", "2.5"),
        ("2 != 3", "True"),
    ],
)
def test_sums_come_out_as_people_write_them(tmp_path: Path, expression: str, value: str) -> None:
    assert Workbench(tmp_path).call("calculate", expression=expression) == value


@pytest.mark.parametrize(
    "expression", ["10 / 0", "two plus two", "(1,5)", "3 +", "10 ** 10 ** 10", "open('/etc/passwd')"]
)
def test_what_is_no_sum_is_said(tmp_path: Path, expression: str) -> None:
    with pytest.raises(ToolError):
        Workbench(tmp_path).call("calculate", expression=expression)
