"""The person's own functions: nothing of a file runs before it is allowed, and then only as far as it should."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from assistant.egress import Egress
from assistant.errors import ToolError
from assistant.kept_file import KeptFile
from assistant.tools.hands import Hands
from assistant.tools.own.allowed import LARGEST_FILE_BYTES, Allowed
from assistant.tools.own.functions import Outcome, OwnFile, OwnFunctions
from assistant.tools.own.new_file import write_example
from assistant.tools.own.source import LARGEST_BYTES
from assistant.tools.tool import Tool
from tests.conftest import eventually

HANDS = Hands("", (), Egress())


class Folder:
    """A folder of functions, as Hearth has it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.tools = place / "tools"
        self.tools.mkdir()
        self.own = self.opened()

    def opened(self, **limits: float) -> OwnFunctions:
        """As after a start."""
        return OwnFunctions(
            self.tools,
            workspace=lambda: self.place / "workspace",
            allowed=Allowed(KeptFile(self.place / "functions.json", most_bytes=LARGEST_FILE_BYTES)),
            taken=lambda: ["now"],
            **limits,
        )

    def file(self, name: str = "mine") -> OwnFile:
        return next(each for each in self.own.files() if each.name == name)

    def put(self, source: str, name: str = "mine") -> None:
        (self.tools / f"{name}.py").write_text(source, encoding="utf-8")

    def allow(self, source: str, name: str = "mine") -> dict[str, Tool]:
        self.put(source, name)
        asyncio.run(self.own.allow(name, self.file(name).source.digest))
        return dict(self.file(name).tools)

    def call(self, tool: Tool, **arguments: object) -> str:
        return asyncio.run(tool.run(tool.check(json.dumps(arguments)), HANDS))

    def outcomes(self, function: str, **arguments: object) -> list[Outcome]:
        async def collect() -> list[Outcome]:
            digest = self.file().source.digest
            return [each async for each in self.own.call("mine.py", function, digest, arguments)]

        return asyncio.run(collect())


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def fault(claim: Callable[[], object]) -> ToolError:
    with pytest.raises(ToolError) as raised:
        claim()
    return raised.value


TRACE = """
from pathlib import Path
Path({trace!r}).write_text("it ran")

def greet(name: str) -> str:
    '''Greets somebody.'''
    return f"Hello {{name}}"
"""


def test_nothing_of_a_file_runs_before_it_is_allowed_and_a_changed_one_asks_again(folder: Folder) -> None:
    trace = folder.place / "trace"
    folder.put(TRACE.format(trace=str(trace)))
    assert folder.file().outline.functions == ("greet",)
    assert (folder.own.tools(), trace.exists()) == ((), False)

    tools = folder.allow(TRACE.format(trace=str(trace)))
    assert trace.exists()
    assert (tools["greet"].description, tools["greet"].approval, tools["greet"].risk) == (
        "Greets somebody.",
        "ask",
        "own",
    )
    assert folder.call(tools["greet"], name="Ada") == "Hello Ada"
    assert [each.name for each in folder.opened().tools()] == ["greet"]

    trace.unlink()
    folder.put(TRACE.format(trace=str(trace)) + "\n# changed\n")
    assert (folder.own.tools(), folder.file().was_allowed) == ((), True)
    assert fault(lambda: folder.call(tools["greet"], name="Ada")).key == "own-changed"
    assert not trace.exists()


def test_what_is_allowed_is_what_was_seen_and_not_what_the_file_says_by_then(folder: Folder) -> None:
    folder.put("def one() -> int:\n    return 1\n")
    seen = folder.file().source.digest
    folder.put("def two() -> int:\n    return 2\n")
    assert fault(lambda: asyncio.run(folder.own.allow("mine", seen))).key == "own-changed"
    assert not folder.file().is_allowed


def test_an_encoding_that_a_file_claims_makes_nothing_else_of_what_was_seen(folder: Folder) -> None:
    tools = folder.allow("# coding: rot13\ndef plain() -> str:\n    return 'as seen'\n")
    assert folder.call(tools["plain"]) == "as seen"


TYPES = '''
from __future__ import annotations
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal
from pydantic import Field
from PIL import Image

class Size(Enum):
    small = "s"
    large = "l"

def takes(
    day: date,
    at: datetime,
    size: Size,
    way: Literal["up", "down"],
    file: Path,
    picture: Image.Image,
    times: Annotated[int, Field(ge=1, le=9)] = 2,
    names: list[str] = [],
    schema: Annotated[str, "a name that pydantic would not like"] = "",
) -> str:
    """Takes all kinds.

    Args:
        file: where it is
    """
    return repr((day, at, size, way, file, picture.size, times, names, schema))

def silent(): pass
def untyped(one): pass
def many(*all: int): pass
def _hidden(): pass
'''


def test_the_types_of_a_function_become_its_parameters_and_arguments_arrive_as_those_types(folder: Folder) -> None:
    from PIL import Image

    Image.new("RGB", (3, 2)).save(folder.place / "picture.png")
    tools = folder.allow(TYPES)
    takes = tools["takes"]
    properties = takes.parameters["properties"]
    assert properties["file"]["description"] == "where it is"
    assert properties["schema"]["description"] == "a name that pydantic would not like"
    assert takes.parameters["required"] == ["day", "at", "size", "way", "file", "picture"]
    given = {"day": "2024-02-29", "at": "2024-02-29 10:00:00", "size": "l", "way": "up", "file": "a/b"}
    said = folder.call(takes, **given, picture=str(folder.place / "picture.png"), names=["x"])
    assert said == (
        "(datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 10, 0), <Size.large: 'l'>, 'up', "
        f"{Path('a/b')!r}, (3, 2), 2, ['x'], '')"
    )
    wrong = fault(lambda: folder.call(takes, **given, picture="none.png", times=10))
    assert "times" in str(wrong.values["why"])
    assert "picture: Value error, not a picture" in str(wrong.values["why"])
    assert sorted(tools) == ["silent", "takes"]
    assert {each.name for each in folder.file().left_out} == {"untyped", "many"}


GIVES = """
from pathlib import Path
import pandas
from PIL import Image

def text() -> str: return "plain"
def markdown() -> str: return "# Title"
def table() -> list[dict]: return [{"a": 1}, {"b": Path("x")}]
def frame() -> pandas.DataFrame: return pandas.DataFrame({"a": [1.5, None]})
def picture() -> Image.Image: return Image.new("CMYK", (2, 2))
def data() -> dict: return {"set": {2, 1}, "é": None}
def growing():
    for text in ("H", "He", "Hey"): yield text
def steps():
    for number in range(3): yield f"step {number}"
async def slow():
    yield 1
def prints() -> None: print("seen")
"""


def test_what_a_function_gives_is_shown_as_what_it_is(folder: Folder) -> None:
    folder.allow(GIVES)

    called = ("text", "markdown", "table", "frame", "picture", "data", "growing", "steps", "slow", "prints")
    outcomes = {name: folder.outcomes(name) for name in called}
    assert len([each for each in outcomes["steps"] if not each.is_done]) == 3

    def last(function: str) -> Outcome:
        assert outcomes[function][-1].is_done
        return outcomes[function][-1]

    assert [last(name).shown[0].kind for name in ("text", "markdown", "table", "picture", "data")] == [
        "text",
        "markdown",
        "table",
        "image",
        "json",
    ]
    assert last("table").shown[0].rows == [[1, None], [None, "x"]]
    assert last("frame").shown[0].rows == [[1.5], [None]]
    assert json.loads(last("data").shown[0].text) == {"set": [1, 2], "é": None}
    assert [each.text for each in last("growing").shown] == ["Hey"]
    assert [each.text for each in last("steps").shown] == ["step 0\nstep 1\nstep 2"]
    assert last("slow").shown[0].text == "1"
    assert (last("prints").shown, last("prints").printed) == ((), "seen\n")


def test_a_fault_names_the_line_of_the_file(folder: Folder) -> None:
    tools = folder.allow("def breaks(by: int) -> float:\n    print('before')\n    return (\n        1 / by\n    )\n")
    told = fault(lambda: folder.call(tools["breaks"], by=0))
    assert (told.key, told.values["line"], told.values["code"]) == ("own-raised-at", 4, "1 / by")
    assert "mine.py, line 4: ZeroDivisionError: division by zero" in told.message


@pytest.mark.parametrize("how", ["raise SystemExit(3)", "import os; os._exit(3)", "raise KeyboardInterrupt"])
def test_a_function_that_ends_its_process_is_a_fault_that_a_model_can_read(folder: Folder, how: str) -> None:
    tools = folder.allow(f"def ends() -> None:\n    {how}\n")
    assert fault(lambda: folder.call(tools["ends"])).message


HOLDS = """
import subprocess, sys, time

def holds(file: str) -> None:
    for apart in (False, True):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", file], start_new_session=apart)
    time.sleep(600)
"""


def named(mark: str) -> list[psutil.Process]:
    return [
        each
        for each in psutil.process_iter(["cmdline", "status"])
        if mark in (each.info["cmdline"] or ()) and each.info["status"] != psutil.STATUS_ZOMBIE
    ]


def test_one_that_takes_too_long_is_ended_with_all_that_it_has_started(folder: Folder) -> None:
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    folder.own = folder.opened(call_seconds=4)
    tools = folder.allow(HOLDS)
    assert fault(lambda: folder.call(tools["holds"], file=mark)).key == "own-too-long"
    assert named(mark) == []


LEAVES = """
import os, subprocess, sys

def leaves(file: str) -> str:
    if os.fork() == 0:
        os.setsid()
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", file], stderr=subprocess.DEVNULL)
        os._exit(0)
    os.wait()
    return "done"
"""


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_what_a_function_leaves_behind_without_a_parent_ends_with_it(folder: Folder) -> None:
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    tools = folder.allow(LEAVES)
    assert folder.call(tools["leaves"], file=mark) == "done"
    assert named(mark) == []


def test_a_generator_without_an_end_is_ended_before_it_fills_the_memory(folder: Folder) -> None:
    source = "def more():\n    while True:\n        yield {'a': 'x' * 100_000}\n"
    tools = folder.allow(source)
    assert fault(lambda: folder.call(tools["more"])).key == "own-too-much"


def test_a_generator_that_gives_its_text_again_each_time_may_go_on_long(folder: Folder) -> None:
    tools = folder.allow("def grows():\n    for n in range(1, 400):\n        yield 'x' * 1000 * n\n")
    assert len(folder.call(tools["grows"])) == 399_000


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Color.RED", "red"),
        ("datetime.date(2026, 1, 2)", "2026-01-02"),
        ("Decimal('1.10')", "1.10"),
        ("'half \\ud800 of a letter'", "half ? of a letter"),
        ("{(1, 2): 'a pair'}", '{\n  "(1, 2)": "a pair"\n}'),
        ("{Color.RED: [Color.RED]}", '{\n  "red": [\n    "red"\n  ]\n}'),
    ],
)
def test_what_json_has_no_word_for_is_given_as_one_would_write_it(folder: Folder, value: str, shown: str) -> None:
    before = "import datetime\nfrom decimal import Decimal\nfrom enum import Enum\n"
    color = "class Color(Enum):\n    RED = 'red'\n"
    tools = folder.allow(f"{before}{color}def gives():\n    return {value}\n")
    assert folder.call(tools["gives"]) == shown


def test_the_whole_of_a_fault_is_told_and_not_its_last_line(folder: Folder) -> None:
    tools = folder.allow(
        "def fails() -> None:\n    error = ValueError('the town is unknown\\nto all of us')\n"
        "    error.add_note('a note')\n    raise error\n"
    )
    told = fault(lambda: folder.call(tools["fails"]))
    assert (told.values["what"], told.values["line"]) == ("ValueError: the town is unknown to all of us", 4)


def test_a_stop_ends_it_too(folder: Folder) -> None:
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    tools = folder.allow(HOLDS)

    async def stopped() -> None:
        call = asyncio.create_task(tools["holds"].run({"file": mark}, HANDS))
        assert await asyncio.to_thread(eventually, lambda: len(named(mark)) == 2)
        call.cancel()
        await asyncio.wait({call})

    asyncio.run(asyncio.wait_for(stopped(), 30))
    assert named(mark) == []


def test_a_file_that_loops_when_it_is_loaded_is_ended_and_not_allowed(folder: Folder) -> None:
    folder.own = folder.opened(describe_seconds=1.5)
    folder.put("while True: pass\ndef never() -> None: ...\n")
    digest = folder.file().source.digest
    assert fault(lambda: asyncio.run(folder.own.allow("mine", digest))).key == "own-too-long"
    assert not folder.file().is_allowed


def test_the_child_is_told_no_key_works_in_the_workspace_and_has_no_input(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HEARTH_API_KEY", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "SOME_TOKEN"):
        monkeypatch.setenv(name, "sk-CANARY-own")
    source = "import os, sys\ndef looks() -> list: return [dict(os.environ), os.getcwd(), sys.stdin.read(), sys.argv]\n"
    said = folder.call(folder.allow(source)["looks"])
    assert "CANARY" not in said
    environment, place, read, _ = json.loads(said)
    assert "PATH" in environment
    assert (Path(place), read) == (folder.place / "workspace", "")


def test_more_output_than_fits_is_cut(folder: Folder) -> None:
    tools = folder.allow(
        "def floods() -> list: return ['x' * 1000] * 60_000\n"
        "def prints() -> str:\n    print('x' * 10_000_000)\n    return 'done'\n"
    )
    assert len(folder.call(tools["floods"])) <= 1_000_000
    folder.call(tools["prints"])
    assert len(folder.outcomes("prints")[-1].printed) == 200_000


def test_no_function_takes_the_name_of_a_tool_of_hearths_own_nor_of_another_file(folder: Folder) -> None:
    folder.allow("def now() -> str: return 'never'\n", "clock")
    folder.allow("def same() -> str: return 'a'\n", "a")
    folder.allow("def same() -> str: return 'b'\n", "b")
    assert [each.name for each in folder.own.tools()] == ["same", "b_same", "clock_now"]


@pytest.mark.skipif(os.name != "posix", reason="pipes and links")
def test_a_file_that_is_none_is_said_to_be_none_and_keeps_nobody_waiting(folder: Folder) -> None:
    secret = folder.place / "secret.py"
    secret.write_text("def leak() -> None: ...\n")
    (folder.tools / "link.py").symlink_to(secret)
    (folder.tools / "dangling.py").symlink_to(folder.place / "nothing")
    os.mkfifo(folder.tools / "pipe.py")
    (folder.tools / "folder.py").mkdir()
    (folder.tools / "huge.py").write_bytes(b"#" * (LARGEST_BYTES + 1))
    (folder.tools / "latin.py").write_bytes(b"# caf\xe9\n")
    (folder.tools / "two words.py").write_text("")
    (folder.tools / "_hidden.py").write_text("")
    folder.put("def fine() -> str: return 'fine'\n", "fine")
    found = {each.source.path.name: each.source.fault and each.source.fault.key for each in folder.own.files()}
    assert found == {
        "link.py": "own-link",
        "dangling.py": "own-link",
        "pipe.py": "own-no-file",
        "folder.py": "own-unreadable" if found["folder.py"] == "own-unreadable" else "own-no-file",
        "huge.py": "own-too-large",
        "latin.py": "own-not-text",
        "two words.py": "own-name",
        "fine.py": None,
    }
    assert all(not each.source.text for each in folder.own.files() if each.source.fault)


@pytest.mark.parametrize("source", ["def f(:\n", "x = 1\0\n", "(" * 5000 + ")" * 5000, "raise ValueError('no')\n", ""])
def test_a_file_that_is_not_python_or_has_no_function_is_told_and_not_allowed(folder: Folder, source: str) -> None:
    folder.put(source)
    digest = folder.file().source.digest
    assert fault(lambda: asyncio.run(folder.own.allow("mine", digest))).message
    assert not folder.file().is_allowed


def test_modules_that_are_not_here_are_named_before_anything_runs(folder: Folder) -> None:
    folder.put("import json, pandas, not_here.deep\nfrom nowhere import x\ndef f() -> None: ...\n")
    assert folder.file().outline.missing == ("not_here", "nowhere")


def test_what_was_allowed_and_cannot_be_read_counts_for_nothing(folder: Folder) -> None:
    folder.allow("def f() -> None: ...\n")
    for content in (b"", b"\xff", b"[]", b'{"files": {"mine.py": 7}}'):
        (folder.place / "functions.json").write_bytes(content)
        assert folder.opened().tools() == ()


def test_the_example_is_one_that_works_and_never_takes_the_place_of_a_file(folder: Folder) -> None:
    first, second = write_example(folder.tools), write_example(folder.tools)
    assert (first.name, second.name) == ("my_function.py", "my_function_2.py")
    tools = folder.allow(first.read_text(encoding="utf-8"), "my_function")
    said = folder.call(tools["split_the_bill"], total=100, people=2)
    assert json.loads(said) == [{"person": 1, "pays": 55.0}, {"person": 2, "pays": 55.0}]
