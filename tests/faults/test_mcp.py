"""Row 59: an MCP server that exits, talks junk, is silent, floods, changes its tools, takes others' names, or stays."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from assistant.errors import HearthError, ToolError
from assistant.tools.builtin import BUILTIN_TOOLS
from assistant.tools.mcp.launch import Launch
from assistant.tools.mcp.offers import Offered, full_names
from assistant.tools.tool import Tool
from assistant.tools.toolbox import Toolbox
from tests.conftest import eventually
from tests.mcp_house import HANDS, allowed, called, house

SERVER = Path(__file__).resolve().parents[1] / "mcp_server.py"
TOKEN = "canary-7d1f0a8b6c5e"


def launch(name: str = "demo", *, secrets: dict[str, str] | None = None, **order: Any) -> Launch:
    return Launch(name, sys.executable, (str(SERVER), json.dumps(order)), secrets=secrets or {})


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not claim():  # noqa: ASYNC110  # a server does it
            await asyncio.sleep(0.01)


def files_with(words: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and words in path.read_text(encoding="utf-8")]


def notes(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_nothing_of_a_server_runs_before_its_command_was_allowed(tmp_path: Path) -> None:
    async def run() -> None:
        async with house(tmp_path, launch(notes=str(tmp_path / "notes"))) as servers:
            assert servers.tools() == ()
            for attempt in (servers.start, servers.prompts):
                with pytest.raises(ToolError) as refused:
                    await attempt("demo")
                assert refused.value.key == "mcp-not-allowed"
            assert notes(tmp_path / "notes") == []
            await allowed(servers)
            assert await called(servers) == "You said tea"
            await servers.save(launch(notes=str(tmp_path / "notes"), other=1), place="file")  # another command
            assert servers.tools() == ()
            with pytest.raises(ToolError):
                await servers.start("demo")
            assert len([line for line in notes(tmp_path / "notes") if "started" in line]) == 1

    asyncio.run(run())


def test_what_was_shown_is_what_is_allowed(tmp_path: Path) -> None:
    async def run() -> None:
        async with house(tmp_path, launch()) as servers:
            seen = servers.view("demo").launch.fingerprint
            await servers.save(launch(at_start=["exit"]), place="file")  # from another page, meanwhile
            with pytest.raises(ToolError) as refused:
                await servers.allow("demo", seen)
            assert refused.value.key == "mcp-shown-is-old"
            assert not servers.view("demo").is_allowed

    asyncio.run(run())


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ({"at_start": ["exit"]}, "mcp-ended"),
        ({"at_start": ["close"]}, "mcp-ended"),
        ({"at_start": ["sleep"]}, "mcp-silent"),
        ({"at_start": ["endless junk"]}, "mcp-junk"),
    ],
)
def test_row_59_a_server_that_cannot_be_talked_to_is_told_and_ended(
    tmp_path: Path, order: dict[str, Any], key: str
) -> None:
    async def run() -> None:
        bad = launch("bad", notes=str(tmp_path / "notes"), **order)
        async with house(tmp_path, bad, launch(), start_seconds=3) as servers:
            await allowed(servers)
            with pytest.raises(HearthError) as fault:
                await allowed(servers, "bad")
            assert fault.value.key == key
            assert servers.view("bad").state == "failed"
            process = int(notes(tmp_path / "notes")[0].split()[1])
            assert eventually(lambda: not psutil.pid_exists(process))
            assert await called(servers) == "You said tea"  # the other one lives

    asyncio.run(run())


@pytest.mark.parametrize("deed", ["junk", "bytes", "flood stderr"])
def test_row_59_noise_beside_the_messages_does_no_harm(tmp_path: Path, deed: str) -> None:
    async def run() -> None:
        async with house(tmp_path, launch(at_start=[deed], tool={"echo": deed})) as servers:
            await allowed(servers)
            assert await called(servers) == "You said tea"
            assert (tmp_path / "logs" / "mcp-demo.log").stat().st_size < 400_000
            assert servers.log("demo")

    asyncio.run(run())


def test_row_59_a_server_that_ends_in_mid_call_is_told_and_started_again(tmp_path: Path) -> None:
    async def run() -> None:
        tools = [["echo", "Says it again."], ["leave", "Ends."]]
        async with house(tmp_path, launch(tools=tools, tool={"leave": "exit"})) as servers:
            await allowed(servers)
            with pytest.raises(ToolError) as fault:
                await called(servers, "demo__leave")
            assert fault.value.key == "mcp-ended"
            assert servers.view("demo").state == "failed"
            assert await called(servers) == "You said tea"

    asyncio.run(run())


def test_row_59_tools_that_change_are_not_offered_until_they_were_seen(tmp_path: Path) -> None:
    file = tmp_path / "tools"
    file.write_text(json.dumps([["echo", "Says it again."], ["change", "Changes."]]), encoding="utf-8")
    order = launch(tools_file=str(file), tool={"change": "change"}, notes=str(tmp_path / "notes"))

    async def run() -> None:
        async with house(tmp_path, order) as servers:
            await allowed(servers)
            old = next(tool for tool in servers.tools() if tool.name == "demo__echo")
            await called(servers, "demo__change")
            await until(lambda: servers.view("demo").change is not None)
            assert servers.tools() == ()
            with pytest.raises(ToolError) as refused:
                await old.run({"text": "tea"}, HANDS)  # allowed in a chat before
            assert refused.value.key == "mcp-changed"
            assert notes(tmp_path / "notes").count("call echo") == 0
            change = servers.view("demo").change
            assert change is not None
            assert (change.changed, change.removed) == (("echo",), ("change",))
            with pytest.raises(ToolError):
                servers.accept_tools("demo", [old.name])  # others than were shown
            servers.accept_tools("demo", [tool.fingerprint for tool in servers.view("demo").tools.values()])
            assert await called(servers) == "You said tea"

    asyncio.run(run())


def test_row_59_tools_that_changed_between_two_starts_are_noticed_before_the_call(tmp_path: Path) -> None:
    file = tmp_path / "tools"
    file.write_text(json.dumps([["echo", "Says it again."]]), encoding="utf-8")
    order = launch(tools_file=str(file), notes=str(tmp_path / "notes"))

    async def run() -> None:
        async with house(tmp_path, order) as servers:
            await allowed(servers)
        file.write_text(json.dumps([["echo", "Says it to everybody."]]), encoding="utf-8")
        async with house(tmp_path) as servers:
            with pytest.raises(ToolError) as refused:
                await called(servers)
            assert refused.value.key == "mcp-changed"
            assert "call echo" not in notes(tmp_path / "notes")

    asyncio.run(run())


def test_row_59_no_server_takes_the_place_of_another_tool(tmp_path: Path) -> None:
    async def run() -> None:
        tools = [["now", "Ours?"], ["b__echo", "x"], ["now", "twice"], ["bad name!", "x"], ["n" * 200, "x"]]
        async with house(tmp_path, launch("a", tools=tools), launch("b")) as servers:
            await allowed(servers, "a")
            await allowed(servers, "b")
            box = Toolbox(lambda: BUILTIN_TOOLS)
            box.add(servers.tools)
            by_name: dict[str, Tool] = {tool.name: tool for tool in box.tools()}
            assert by_name["now"].origin.kind == "built-in"
            assert by_name["b__echo"].origin.name == "b"
            assert len(by_name) == len(BUILTIN_TOOLS) + 5
            assert all(0 < len(name) <= 64 and name.replace("_", "").replace("-", "").isalnum() for name in by_name)

    asyncio.run(run())
    same = full_names("s", [Offered("x" * 100 + end, "", "{}") for end in "ab"])
    assert len(same) == 2


def test_row_59_a_cancelled_call_is_told_to_the_server_and_the_next_one_works(tmp_path: Path) -> None:
    async def run() -> None:
        tools = [["echo", "Says it again."], ["wait", "Waits."]]
        order = launch(tools=tools, tool={"wait": "progress"}, notes=str(tmp_path / "notes"))
        async with house(tmp_path, order) as servers:
            await allowed(servers)
            waiting = asyncio.create_task(called(servers, "demo__wait"))
            await until(lambda: servers.view("demo").doing == ("wait 1 / 4",))
            waiting.cancel()
            await asyncio.wait({waiting})
            assert await called(servers) == "You said tea"
            assert any(line.startswith("cancelled") for line in notes(tmp_path / "notes"))
            assert servers.view("demo").doing == ()

    asyncio.run(run())


def test_a_fault_of_the_tool_and_a_picture_are_words_for_the_model(tmp_path: Path) -> None:
    async def run() -> None:
        tools = [["echo", "x"], ["show", "x"]]
        async with house(tmp_path, launch(tools=tools, tool={"echo": "fail", "show": "picture"})) as servers:
            await allowed(servers)
            with pytest.raises(ToolError) as fault:
                await called(servers)
            assert fault.value.message == "no such town"
            said = await called(servers, "demo__show", "{}")
            assert said.startswith("Here:") and "image/png" in said and "cannot be shown" in said
            with pytest.raises(ToolError) as unfit:
                await called(servers, arguments='{"text": 1, "more": 2}')
            assert "text: 1 is not of type 'string'" in unfit.value.message

    asyncio.run(run())


def test_a_server_is_given_what_it_needs_and_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_API_KEY", TOKEN)
    monkeypatch.setenv("OPENAI_API_KEY", TOKEN)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))

    async def run() -> None:
        order = launch(secrets={"MINE": "given-to-it"}, tool={"echo": "environment"})
        async with house(tmp_path, order) as servers:
            await allowed(servers)
            environment, folder = json.loads(await called(servers))
            assert environment["MINE"] == "given-to-it"
            assert TOKEN not in str(environment)
            assert not [name for name in environment if name.startswith(("HEARTH", "GRADIO", "PYTHON", "OPENAI"))]
            assert folder == str(Path.home())

    asyncio.run(run())


def test_what_a_server_is_given_is_in_no_settings_log_or_list_of_processes(tmp_path: Path) -> None:
    async def run() -> None:
        order = launch(secrets={"TOKEN": TOKEN}, at_start=["secret"])
        async with house(tmp_path, order) as servers:
            await allowed(servers)
            assert eventually(lambda: "the token is [hidden]" in servers.log("demo"))
            for child in psutil.Process().children(recursive=True):
                assert TOKEN not in " ".join(child.cmdline())
            assert TOKEN not in repr(servers.view("demo"))
            assert files_with(TOKEN, tmp_path) == []
            assert (tmp_path / "keys.json").exists()
            await servers.remove("demo")
            assert not (tmp_path / "keys.json").exists()

    asyncio.run(run())


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX has them")
@pytest.mark.parametrize(
    "deed",
    [
        "child",
        pytest.param("child apart", marks=pytest.mark.skipif(sys.platform != "linux", reason="only there it is told")),
    ],
)
def test_a_server_and_what_it_started_end_with_hearth(tmp_path: Path, deed: str) -> None:
    async def run() -> None:
        order = launch(at_start=[deed], stays=True, notes=str(tmp_path / "notes"))
        async with house(tmp_path, order) as servers:
            await allowed(servers)
            assert await called(servers) == "You said tea"

    asyncio.run(run())
    assert_gone(tmp_path / "notes")


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX has them")
def test_a_server_does_not_outlive_a_hearth_that_is_killed(tmp_path: Path) -> None:
    order = {"at_start": ["child"], "stays": True, "notes": str(tmp_path / "notes")}
    program = (
        "import asyncio, sys, json; from pathlib import Path\n"
        "from tests.faults.test_mcp import launch; from tests.mcp_house import allowed, house\n"
        "async def run():\n"
        "    async with house(Path(sys.argv[1]), launch(**json.loads(sys.argv[2]))) as servers:\n"
        "        await allowed(servers); print('runs', flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(run())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path), json.dumps(order)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=SERVER.parents[1]) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().strip() == "runs"
        parent.send_signal(signal.SIGKILL)
    assert_gone(tmp_path / "notes")


def assert_gone(path: Path) -> None:
    """That no process is left which a test's server noted: its own and its child's."""
    processes = [int(line.split()[1]) for line in notes(path) if line.startswith(("started", "child"))]
    assert len(processes) == 2
    assert eventually(lambda: not any(_lives(process) for process in processes))


def _lives(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
