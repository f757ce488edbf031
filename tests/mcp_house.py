"""MCP servers of a profile, without a page: what the tests of them begin with."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from assistant.configuration import Configuration, ThisRun
from assistant.egress import Egress
from assistant.keyrings import SystemKeyring
from assistant.keys import Keys
from assistant.servers import Servers
from assistant.settings import SettingsFile
from assistant.tools.hands import Hands
from assistant.tools.mcp.launch import Launch

HANDS = Hands("chat", (), Egress())


@asynccontextmanager
async def house(folder: Path, *launches: Launch, start_seconds: float = 20) -> AsyncGenerator[Servers]:
    """Servers of a profile, all allowed and not started."""
    keys = Keys(folder / "keys.json", SystemKeyring())
    configuration = Configuration(SettingsFile(folder / "settings.json"), keys, this_run=ThisRun())
    servers = Servers(
        configuration,
        keys,
        egress=Egress(),
        tools_file=folder / "server-tools.json",
        logs=folder / "logs",
        start_seconds=start_seconds,
    )
    try:
        for each in launches:
            await servers.save(each, place="file")
        yield servers
    finally:
        await servers.aclose()


async def allowed(servers: Servers, name: str = "demo") -> None:
    await servers.allow(name, servers.view(name).launch.fingerprint)


async def called(servers: Servers, name: str = "demo__echo", arguments: str = '{"text": "tea"}') -> str:
    tool = next(tool for tool in servers.tools() if tool.name == name)
    return await tool.run(tool.check(arguments), HANDS)
