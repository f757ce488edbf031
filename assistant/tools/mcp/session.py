"""One MCP server, as it is used: started when it is needed, called, stopped; what goes wrong with it stays here.

The library wants a connection to be opened and closed by one task. So each has a task of its own, which lasts as long
as the connection; everybody else calls through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assistant.egress import Egress
from assistant.errors import HearthError, ToolError
from assistant.tools.mcp.launch import Launch
from assistant.tools.mcp.offers import MOST_TOOLS, Offered, in_words, offered
from assistant.tools.mcp.programs import Program

log = logging.getLogger(__name__)

State = Literal["stopped", "starting", "running", "failed"]
START_SECONDS = 180.0  # npx and uvx fetch the server the first time
LIST_SECONDS = 30.0
MOST_LISTED = 500
_PAGES = 50


@dataclass(frozen=True)
class Prompt:
    """A text that a server writes, from arguments: their names, and which of them have to be there."""

    name: str
    about: str
    arguments: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resource:
    """A text or file that a server gives out, by its address there."""

    uri: str
    name: str
    about: str = ""


@dataclass(frozen=True)
class Surround:
    """What a session works with: the way out, the log's file, and where programs are."""

    egress: Egress
    log_file: Path
    find: Callable[[Launch], Program]
    start_seconds: float = START_SECONDS


class Session:
    """A server's connection, opened by `started`. `on_tools` is told its tools each time they were listed. After a
    fault, `fault` says what it was, and the next `started` tries anew."""

    def __init__(self, launch: Launch, around: Surround, *, on_tools: Callable[[tuple[Offered, ...]], None]) -> None:
        self.launch = launch
        self._around, self._on_tools = around, on_tools
        self.fault: HearthError | None = None
        self.server = ""  # what it calls itself, with its version
        self.doing: dict[int, str] = {}  # calls that run, and how far they say they are
        self._calls = 0
        self._status: int | None = None  # the last one over HTTP that was no success
        self._client: Any = None
        self._task: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._starting, self._listing = asyncio.Lock(), asyncio.Lock()
        self._news = 0  # how often it said that its tools have changed

    @property
    def state(self) -> State:
        if self._client is not None:
            return "running"
        if self.fault is not None:
            return "failed"
        return "starting" if self._task is not None and not self._task.done() else "stopped"

    async def started(self) -> Any:
        """The library's client, of a server that runs. Raises HearthError, and then it does not run."""
        async with self._starting:
            if self._client is not None:
                return self._client
            await self._stop()
            self.fault, self._status, self._end = None, None, asyncio.Event()
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._run(ready))
            try:
                async with asyncio.timeout(self._around.start_seconds):
                    await asyncio.shield(ready)
            except TimeoutError:
                self.fault = ToolError("mcp-silent", name=self.launch.name, seconds=round(self._around.start_seconds))
                await self._stop()
            except HearthError as error:
                self.fault = error
                await self._stop()
            except asyncio.CancelledError:
                await self._stop()
                raise
            if self._client is None:
                raise self.fault or ToolError("mcp-ended", name=self.launch.name)
            return self._client

    async def stop(self) -> None:
        """Ends the connection, and the program with it; within a few seconds."""
        if self._task is not None:  # who waits for its start is told
            self._end.set()
            self._task.cancel()
        async with self._starting:
            await self._stop()
            self.fault = None

    async def _stop(self) -> None:
        task, self._task, self._client = self._task, None, None
        if task is None:
            return
        self._end.set()
        task.cancel()
        await asyncio.wait({task})

    async def _run(self, ready: asyncio.Future[None]) -> None:
        """The connection's whole life. A server may make the library raise anything: the border is here."""
        try:
            await self._connected(ready)
        except Exception as error:  # noqa: BLE001  # a border; groups of exceptions come too
            self._failed(self._told(error), ready)
        finally:
            self._client = None
            self.doing.clear()
            if not ready.done():
                ready.set_exception(self.fault or ToolError("mcp-ended", name=self.launch.name))
                ready.exception()  # whoever started it may be gone

    async def _connected(self, ready: asyncio.Future[None]) -> None:
        wire = await asyncio.to_thread(importlib.import_module, "assistant.tools.mcp.wire")
        if self.launch.url:
            self._around.egress.check(self.launch.url)
            with contextlib.suppress(OSError):
                await asyncio.to_thread(wire.log_of(self._around.log_file).close)
            streams = wire.http(self.launch, egress=self._around.egress, on_status=self._refused)
        else:
            program = await asyncio.to_thread(self._around.find, self.launch)
            command = [program.path, *self.launch.arguments]
            start = wire.Start(command, program.search_path, self._around.log_file)
            streams = wire.pipes(self.launch, start, on_end=lambda fault: self._failed(fault, ready))
        client = wire.client(streams, on_message=self._heard)
        async with client:
            info = client.server_info
            self.server = f"{info.title or info.name} {info.version}"[:200] if info else ""
            await self._list_tools(client)
            if self._end.is_set():
                return
            self._client, self._status = client, None
            if not ready.done():
                ready.set_result(None)
            await self._end.wait()

    def _failed(self, fault: HearthError, ready: asyncio.Future[None]) -> None:
        if self._end.is_set():  # it was asked to end
            return
        if self.fault is None:
            self.fault = fault
            log.warning("an MCP server: %s", fault)
        self._client = None
        self._end.set()
        if not ready.done():
            ready.set_exception(fault)
            ready.exception()

    def _told(self, error: Exception) -> HearthError:
        """What a person can be told of whatever went wrong."""
        name = self.launch.name
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, HearthError):
            return error
        if (status := self._status) is not None:
            return ToolError("mcp-refused-key" if status in (401, 403) else "mcp-status", name=name, status=status)
        if type(error).__module__.startswith("httpx2") or isinstance(error, OSError):
            return ToolError("mcp-unreachable", name=name, address=self.launch.shown)
        said = getattr(error, "message", None)
        if not isinstance(said, str):
            log.info("an MCP server's fault: %s: %s", type(error).__name__, str(error)[:300])
        return ToolError("mcp-protocol", name=name, why=str(said or type(error).__name__)[:300])

    def _refused(self, status: int) -> None:
        self._status = status

    async def _heard(self, message: Any) -> None:
        """What the server says by itself. New tools are listed anew; of many such words at once the last counts."""
        if type(message).__name__ != "ToolListChangedNotification" or self._client is None:
            return
        self._news += 1
        news = self._news
        async with self._listing:
            if news != self._news or self._client is None:
                return
            try:
                await self._list_tools(self._client)
            except HearthError as error:
                log.warning("an MCP server's new tools were not listed: %s", error)

    async def _list_tools(self, client: Any) -> None:
        listed = await self._all(lambda cursor: client.list_tools(cursor=cursor), "tools")
        made = [offered(each.name, each.description or each.title, each.input_schema) for each in listed[:MOST_TOOLS]]
        self._on_tools(tuple(each for each in made if each is not None))

    async def _all(self, page: Callable[[str | None], Awaitable[Any]], field: str) -> list[Any]:
        """All pages of a list; none of a server that has no such thing. Raises ToolError."""
        found: list[Any] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            try:
                async with asyncio.timeout(LIST_SECONDS):
                    result = await page(cursor)
            except TimeoutError:
                raise ToolError("mcp-silent", name=self.launch.name, seconds=round(LIST_SECONDS)) from None
            except Exception as error:  # noqa: BLE001  # whatever the library raises for a server's nonsense
                if getattr(error, "code", None) == -32601:  # there is no such method
                    return found
                raise self._told(error) from None
            found += getattr(result, field)
            cursor = result.next_cursor
            if not cursor or len(found) > MOST_LISTED:
                break
        return found

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Calls a tool, by the server's own name of it; the server is told when the caller is cancelled. Raises
        ToolError, with the server's own words where it says that it failed."""
        client = await self.started()
        self._calls, self._status = self._calls + 1, None
        number = self._calls
        self.doing[number] = tool

        async def progress(done: float, total: float | None, message: str | None) -> None:
            far = f"{done:g} / {total:g}" if total else f"{done:g}"
            self.doing[number] = " ".join(part for part in (tool, far, (message or "")[:200]) if part)

        try:
            result = await client.call_tool(tool, dict(arguments), progress_callback=progress)
        except Exception as error:  # noqa: BLE001  # whatever the library raises for a server's nonsense
            raise self.fault or self._told(error) from None
        finally:
            self.doing.pop(number, None)
        said = in_words(result.content, result.structured_content)
        if result.is_error:
            raise ToolError("mcp-tool-failed", why=said[:5000] or "?")
        return said or "(The tool gave nothing back.)"

    async def prompts(self) -> tuple[Prompt, ...]:
        """The prompts that the server has. Raises HearthError."""
        client = await self.started()
        found = await self._all(lambda cursor: client.list_prompts(cursor=cursor), "prompts")
        return tuple(
            Prompt(
                each.name,
                each.description or each.title or "",
                tuple(argument.name for argument in each.arguments or ()),
                tuple(argument.name for argument in each.arguments or () if argument.required),
            )
            for each in found
        )

    async def prompt(self, name: str, arguments: Mapping[str, str]) -> str:
        """A prompt's text. Raises HearthError."""
        client = await self.started()
        try:
            async with asyncio.timeout(self.launch.timeout_seconds):
                result = await client.get_prompt(name, dict(arguments))
        except Exception as error:  # noqa: BLE001  # whatever the library raises for a server's nonsense
            raise self.fault or self._told(error) from None
        return in_words(message.content for message in result.messages)

    async def resources(self) -> tuple[Resource, ...]:
        """The resources that the server lists. Raises HearthError."""
        client = await self.started()
        found = await self._all(lambda cursor: client.list_resources(cursor=cursor), "resources")
        return tuple(Resource(str(each.uri), each.title or each.name, each.description or "") for each in found)

    async def read(self, uri: str) -> str:
        """A resource's text. Raises HearthError."""
        client = await self.started()
        try:
            async with asyncio.timeout(self.launch.timeout_seconds):
                result = await client.read_resource(uri)
        except Exception as error:  # noqa: BLE001  # whatever the library raises for a server's nonsense
            raise self.fault or self._told(error) from None
        return in_words(result.contents)
