"""The MCP servers of this person: which there are, what of each was allowed, and their tools for a chat.

Nothing of a server runs before its command was allowed; then it is started by the first call of one of its tools. What
its tools are is remembered from the last time. Where they are not what they were, none of them is offered until the
person has seen the new ones: a server must not become another one behind somebody's back.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from assistant.configuration import Configuration
from assistant.egress import Egress
from assistant.errors import SettingsError, ToolError
from assistant.kept_file import KeptFile
from assistant.keys import KeyPlace, Keys
from assistant.redaction import conceal
from assistant.settings import Server
from assistant.tools.mcp.launch import Launch, checked
from assistant.tools.mcp.offers import Offered, as_tool, full_names
from assistant.tools.mcp.programs import Program, Surroundings, find
from assistant.tools.mcp.session import START_SECONDS, Prompt, Resource, Session, State, Surround
from assistant.tools.tool import Tool

log = logging.getLogger(__name__)

MOST_SERVERS = 50
LOG_SHOWN_BYTES = 40_000
_LARGEST_FILE_BYTES = 50_000_000


@dataclass(frozen=True)
class Change:
    """How a server's tools differ from those that were allowed, by their own names."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """A server as it stands. `tools` are those it has said it has, by the names that a model uses; `change` is there
    while they wait for the person's word. `doing` are calls that run."""

    launch: Launch
    is_allowed: bool
    state: State
    tools: Mapping[str, Offered]
    change: Change | None
    fault: Exception | None
    server: str
    doing: tuple[str, ...]
    key_place: KeyPlace | None


class Servers:
    """Use from one event loop. `logs` is the folder of their logs."""

    def __init__(
        self,
        configuration: Configuration,
        keys: Keys,
        *,
        egress: Egress,
        tools_file: Path,
        logs: Path,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self._configuration, self._keys, self._egress = configuration, keys, egress
        self._tools_file, self._logs = KeptFile(tools_file, most_bytes=_LARGEST_FILE_BYTES), logs
        self._start_seconds = start_seconds
        self._sessions: dict[str, Session] = {}
        self._found: dict[str, tuple[Offered, ...]] = {}  # what a server said last, where that is not what is known
        self._known = self._read()

    @property
    def notice(self) -> SettingsError | None:
        """What to tell about the file of their tools as it was found; None when it is in order."""
        kept = self._tools_file.set_aside
        return SettingsError("server-tools.corrupt", kept=kept) if kept else None

    def names(self) -> list[str]:
        """All of them, in the order in which they were added."""
        return [server.name for server in self._configuration.settings.servers]

    def view(self, name: str) -> View:
        """Raises ToolError where there is none."""
        server = self._server(name)
        launch, session = self._launch(server), self._sessions.get(name)
        tools = self._found.get(name, self._known.get(name, ()))
        return View(
            launch,
            is_allowed=server.allowed == launch.fingerprint,
            state=session.state if session else "stopped",
            tools=full_names(name, tools),
            change=self._change(name),
            fault=session.fault if session else None,
            server=session.server if session else "",
            doing=tuple(session.doing.values()) if session else (),
            key_place=self._keys.place(_key_of(name)) if launch.secrets else None,
        )

    def tools(self) -> tuple[Tool, ...]:
        """What a model may be offered: the tools of all servers that were allowed, and are as they were."""
        offered: list[Tool] = []
        for server in self._configuration.settings.servers:
            if server.allowed != self._launch(server).fingerprint or server.name in self._found:
                continue
            for name, tool in full_names(server.name, self._known.get(server.name, ())).items():
                call = partial(self._call, server.name, tool.fingerprint)
                seconds = float(server.timeout_seconds)
                offered.append(as_tool(name, tool, server=server.name, timeout_seconds=seconds, call=call))
        return tuple(offered)

    async def _call(self, name: str, fingerprint: str, tool: str, arguments: Mapping[str, Any]) -> str:
        session = self._session(name)
        await session.started()
        known = {each.name: each.fingerprint for each in self._known.get(name, ())}
        if name in self._found or known.get(tool) != fingerprint:
            raise ToolError("mcp-changed", name=name)
        return await session.call(tool, arguments)

    async def save(self, launch: Launch, *, place: KeyPlace) -> KeyPlace | None:
        """Adds a server, or changes the one of the same name. A secret without a value keeps the one it had. Gives the
        place where its secrets are now. Raises SettingsError, and then nothing changed."""
        new = checked(launch)
        others = [each for each in self._configuration.settings.servers if each.name != new.name]
        if any(each.name.lower() == new.name.lower() for each in others):
            raise SettingsError("mcp-name-taken", name=new.name)
        if len(others) >= MOST_SERVERS:
            raise SettingsError("mcp-many", count=MOST_SERVERS)
        before = self._secrets(new.name)
        secrets = {key: value or before.get(key, "") for key, value in new.secrets.items()}
        was = next((each for each in self._configuration.settings.servers if each.name == new.name), None)
        entry = _entry(new, allowed=was.allowed if was else "")
        await self.stop(new.name)
        kept = await asyncio.to_thread(self._keep, new.name, secrets, place)
        self._put(entry)
        return kept

    def _keep(self, name: str, secrets: Mapping[str, str], place: KeyPlace) -> KeyPlace | None:
        if not secrets:
            self._keys.remove(_key_of(name))
            return None
        self._keys.hide(*secrets.values())
        words = base64.urlsafe_b64encode(json.dumps(dict(secrets)).encode("utf-8", "replace")).decode("ascii")
        try:
            return self._keys.put(_key_of(name), words, place=place)
        except SettingsError as error:
            raise SettingsError("mcp-secrets-long") if error.key == "key.long" else error from None

    async def remove(self, name: str) -> None:
        """Takes a server away, with its secrets and its log. Raises SettingsError."""
        await self.stop(name)
        await asyncio.to_thread(self._keys.remove, _key_of(name))
        left = [each for each in self._configuration.settings.servers if each.name != name]
        self._configuration.set_servers(left)
        self._accept(name, None)
        await asyncio.to_thread(self._log_file(name).unlink, missing_ok=True)

    async def allow(self, name: str, fingerprint: str) -> None:
        """The command that was shown may be started, and is. Raises HearthError: for one that has changed since it was
        shown, too."""
        server = self._server(name)
        if self._launch(server).fingerprint != fingerprint:
            raise ToolError("mcp-shown-is-old", name=name)
        if server.allowed != fingerprint:
            self._put(server.model_copy(update={"allowed": fingerprint}))
            self._accept(name, None)  # another command: its tools are new
        await self.start(name)

    def accept_tools(self, name: str, shown: Sequence[str]) -> None:
        """The tools that the server has now are the ones to offer. `shown` are the fingerprints of those that the
        person saw. Raises ToolError where they are others by now."""
        found = self._found.get(name)
        if found is not None:
            if sorted(shown) != sorted(tool.fingerprint for tool in found):
                raise ToolError("mcp-shown-is-old", name=name)
            self._accept(name, found)

    async def start(self, name: str) -> None:
        """Raises HearthError where it cannot be started."""
        await self._session(name).started()

    async def stop(self, name: str) -> None:
        """Ends it, if it runs; what is known of its tools stays."""
        if session := self._sessions.pop(name, None):
            await session.stop()

    async def prompts(self, name: str) -> tuple[Prompt, ...]:
        """Raises HearthError."""
        return await self._session(name).prompts()

    async def prompt(self, name: str, prompt: str, arguments: Mapping[str, str]) -> str:
        """Raises HearthError."""
        return await self._session(name).prompt(prompt, arguments)

    async def resources(self, name: str) -> tuple[Resource, ...]:
        """Raises HearthError."""
        return await self._session(name).resources()

    async def read(self, name: str, uri: str) -> str:
        """Raises HearthError."""
        return await self._session(name).read(uri)

    def log(self, name: str) -> str:
        """The last lines that the server wrote beside its messages."""
        try:
            words = self._log_file(name).read_bytes()[-LOG_SHOWN_BYTES:]
        except OSError:
            return ""
        return conceal(words.decode("utf-8", "replace"), self._keys.seen())

    async def aclose(self) -> None:
        """Ends all of them."""
        sessions, self._sessions = list(self._sessions.values()), {}
        await asyncio.gather(*(session.stop() for session in sessions))

    def _server(self, name: str) -> Server:
        found = next((each for each in self._configuration.settings.servers if each.name == name), None)
        if found is None:
            raise ToolError("mcp-gone", name=name)
        return found

    def _launch(self, server: Server) -> Launch:
        known = self._secrets(server.name)
        return Launch(
            server.name,
            server.command,
            server.arguments,
            server.folder,
            server.url,
            {name: known.get(name, "") for name in server.secret_names},
            server.timeout_seconds,
        )

    def _secrets(self, name: str) -> dict[str, str]:
        words = self._keys.get(_key_of(name))
        try:
            found: dict[str, str] = json.loads(base64.urlsafe_b64decode(words)) if words else {}
        except ValueError:
            log.warning("what is kept for an MCP server cannot be read")
            return {}
        self._keys.hide(*found.values())
        return found

    def _session(self, name: str) -> Session:
        """The server's, for what was allowed and for nothing else. Raises ToolError."""
        server = self._server(name)
        launch = self._launch(server)
        if server.allowed != launch.fingerprint:
            raise ToolError("mcp-not-allowed", name=name)
        if gone := [each for each in server.secret_names if each not in self._secrets(name)]:
            raise ToolError("mcp-values-gone", name=name, names=", ".join(gone))
        if name not in self._sessions:
            around = Surround(self._egress, self._log_file(name), _program, self._start_seconds)
            self._sessions[name] = Session(launch, around, on_tools=partial(self._listed, name))
        return self._sessions[name]

    def _listed(self, name: str, tools: tuple[Offered, ...]) -> None:
        """What the server has now. The first time it is taken as it is: nobody has seen another list. Where what was
        seen is lost with its file, the person sees it anew."""
        if name not in self._known and not self._tools_file.set_aside:
            self._accept(name, tools)
        elif set(tools) == set(self._known.get(name, ())):
            self._found.pop(name, None)
        else:
            self._found[name] = tools
            log.warning("the tools of the MCP server %s are not what they were", name)

    def _change(self, name: str) -> Change | None:
        if name not in self._found:
            return None
        old = {tool.name: tool for tool in self._known.get(name, ())}
        new = {tool.name: tool for tool in self._found[name]}
        return Change(
            tuple(each for each in new if each not in old),
            tuple(each for each in new if each in old and old[each] != new[each]),
            tuple(each for each in old if each not in new),
        )

    def _put(self, entry: Server) -> None:
        servers = self._configuration.settings.servers
        if any(each.name == entry.name for each in servers):
            self._configuration.set_servers([entry if each.name == entry.name else each for each in servers])
        else:
            self._configuration.set_servers([*servers, entry])

    def _accept(self, name: str, tools: tuple[Offered, ...] | None) -> None:
        """Keeps what is known of a server's tools; on a full disk until Hearth ends."""
        known = {each: offered for each, offered in self._known.items() if each != name}
        self._known = known if tools is None else {**known, name: tools}
        self._found.pop(name, None)
        try:
            words = {each: [asdict(tool) for tool in offered] for each, offered in self._known.items()}
            self._tools_file.write(json.dumps(words))
        except SettingsError as error:
            log.warning("the tools of an MCP server could not be kept: %s", error)

    def _read(self) -> dict[str, tuple[Offered, ...]]:
        try:
            return self._tools_file.read(_understood) or {}
        except OSError as error:
            log.warning("what was known of the tools of MCP servers cannot be read: %s", error)
            return {}

    def _log_file(self, name: str) -> Path:
        return self._logs / f"mcp-{name}.log"


def _understood(content: bytes) -> dict[str, tuple[Offered, ...]]:
    """Raises ValueError, TypeError for what is none."""
    kept: object = json.loads(content)
    if not isinstance(kept, dict):
        raise TypeError("no servers")
    servers = cast("dict[str, Any]", kept)
    return {name: tuple(_offered(tool) for tool in tools) for name, tools in servers.items()}


def _offered(kept: Mapping[str, Any]) -> Offered:
    """Raises ValueError, TypeError for what is no tool."""
    tool = Offered(**kept)
    if not all(isinstance(value, str) for value in kept.values()) or not isinstance(json.loads(tool.parameters), dict):
        raise TypeError("no tool")
    return tool


def _entry(launch: Launch, *, allowed: str) -> Server:
    """A server as it is saved: without what it is given. Raises SettingsError."""
    try:
        return Server(
            name=launch.name,
            command=launch.command,
            arguments=launch.arguments,
            folder=launch.folder,
            url=launch.url,
            secret_names=tuple(launch.secrets),
            timeout_seconds=launch.timeout_seconds,
            allowed=allowed,
        )
    except ValidationError:
        raise SettingsError("settings.servers") from None


def _key_of(name: str) -> str:
    """Where `keys` keeps what a server is given."""
    return f"mcp://{name.lower()}"


def _program(launch: Launch) -> Program:
    return find(launch.command, Surroundings.here(), own_path=launch.secrets.get("PATH", ""))
