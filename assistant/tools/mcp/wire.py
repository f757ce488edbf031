"""The two ways to a server, as streams of messages for the `mcp` library: its keeper's pipes, and HTTP through egress.

Imported late, by `session` alone: the library takes half a second to load.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any, cast

import anyio
import httpx2
import mcp_types
from mcp.client.client import Client
from mcp.client.session import MessageHandlerFnT
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from assistant.egress import Egress, Visit
from assistant.engines.transport import proxy_for, transport_for
from assistant.errors import ToolError
from assistant.tools.mcp import keeper
from assistant.tools.mcp.launch import Launch

LINE_BYTES = 16 * 1024**2
ANSWER_BYTES = 32 * 1024**2
MOST_JUNK_LINES = 500
_SHOWN_JUNK_LINES = 20
_END_SECONDS = 4.0  # the keeper takes two of its own
_INHERITED = frozenset(
    (
        *("HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TERM", "TZ", "TMPDIR", "TEMP", "TMP"),
        *("XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "NODE_EXTRA_CA_CERTS"),
        *("APPDATA", "LOCALAPPDATA", "USERPROFILE", "USERNAME", "HOMEDRIVE", "HOMEPATH", "PATHEXT", "COMSPEC"),
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "PROGRAMFILES", "PROGRAMDATA"),
        *("PROCESSOR_ARCHITECTURE", "NUMBER_OF_PROCESSORS"),
    )
)
Streams = tuple[Any, Any]


@dataclass(frozen=True)
class Start:
    """A program to run: its whole command, and the PATH it is run with."""

    command: list[str]
    search_path: str
    log_file: Path


def client(streams: Any, *, on_message: MessageHandlerFnT) -> Client:
    """A client of the library on one of the ways below, to be entered and left by one task."""
    try:
        number = version("hearth-assistant")
    except PackageNotFoundError:  # a checkout that was never installed
        number = "0"
    about = mcp_types.Implementation(name="hearth", title="Hearth", version=number)
    return Client(streams, client_info=about, message_handler=on_message, cache=None)


@asynccontextmanager
async def pipes(launch: Launch, start: Start, *, on_end: Callable[[ToolError], None]) -> AsyncGenerator[Streams]:
    """The way to a program of this machine, which is started, and has ended afterwards. `on_end` is told when it ends
    by itself. Raises ToolError."""
    order = keeper.Order(start.command, _environment(launch, start), _folder(launch), list(launch.secrets.values()))
    with log_of(start.log_file) as log:
        process = await _spawned(log)
    read_writer, read = anyio.create_memory_object_stream[Any](0)
    write, write_reader = anyio.create_memory_object_stream[Any](0)
    try:
        await _told(process, order, launch)
        tasks = [
            asyncio.create_task(_read(process, read_writer, launch, start.log_file, on_end)),
            asyncio.create_task(_write(process, write_reader)),
        ]
        try:
            yield read, write
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
    finally:
        await _ended(process)
        for stream in (read, write, read_writer, write_reader):
            stream.close()


def _environment(launch: Launch, start: Start) -> dict[str, str]:
    """Only what any program needs, and what the server was given: nothing of ours."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if (name.upper() in _INHERITED or name.upper().startswith("LC_")) and not value.startswith("()")
    }
    return inherited | dict(launch.secrets) | {"PATH": start.search_path}


def _folder(launch: Launch) -> str:
    folder = Path(launch.folder).expanduser() if launch.folder else Path.home()
    if not folder.is_dir():
        raise ToolError("mcp-folder", name=launch.name, folder=launch.folder or folder)
    return str(folder)


def log_of(path: Path) -> IO[bytes]:
    """The server's log, empty and for this user only; nowhere where there cannot be one (a full disk)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # an older one may be open to others, or a link
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
        return os.fdopen(os.open(path, flags, 0o600), "a+b", buffering=0)
    except OSError:
        return Path(os.devnull).open("ab")


async def _spawned(log: IO[bytes]) -> asyncio.subprocess.Process:
    is_frozen = bool(getattr(sys, "frozen", False))
    command = [sys.executable, "keeper"] if is_frozen else [sys.executable, "-I", "-S", str(Path(keeper.__file__))]
    named = ("SYSTEMROOT", "WINDIR", "TEMP", "TMP", *(("LD_LIBRARY_PATH",) if is_frozen else ()))
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={name: os.environ[name] for name in named if name in os.environ},
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        limit=LINE_BYTES,
    )


async def _told(process: asyncio.subprocess.Process, order: keeper.Order, launch: Launch) -> None:
    """Hands the order over. Raises ToolError where the program cannot be started."""
    into, out = _ends(process)
    with suppress(ConnectionError):  # it has ended already: its empty answer will say so
        into.write(json.dumps(asdict(order)).encode() + b"\n")
        await into.drain()
    line = await out.readline()
    answer = json.loads(line) if line.endswith(b"\n") else {"fault": "?"}
    if fault := answer.get("fault"):
        raise ToolError("mcp-not-started", name=launch.name, reason=fault)


def _ends(process: asyncio.subprocess.Process) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    return cast("asyncio.StreamWriter", process.stdin), cast("asyncio.StreamReader", process.stdout)


async def _read(
    process: asyncio.subprocess.Process,
    messages: Any,
    launch: Launch,
    log_file: Path,
    on_end: Callable[[ToolError], None],
) -> None:
    """Hands on what the server writes, one message a line. What is none is noted in its log; too much of it ends it."""
    out = _ends(process)[1]
    junk_lines = 0
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        while junk_lines <= MOST_JUNK_LINES:
            try:
                line = await out.readline()
            except ValueError:  # longer than LINE_BYTES; what has come of it is gone
                line = b"(a line without an end)\n"
            if not line:
                break
            try:
                message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                if line.strip():
                    junk_lines += 1
                    _note(log_file, line, junk_lines)
                continue
            await messages.send(SessionMessage(message))
    if junk_lines > MOST_JUNK_LINES:
        on_end(ToolError("mcp-junk", name=launch.name))
    else:
        on_end(ToolError("mcp-ended", name=launch.name))
    messages.close()


def _note(log_file: Path, line: bytes, number: int) -> None:
    """In the log: what a server writes beside its messages tells why it does not work."""
    if number > _SHOWN_JUNK_LINES:
        return
    with suppress(OSError), log_file.open("ab") as log:
        log.write(b"[not a message] " + line[:500].rstrip(b"\n") + b"\n")


async def _write(process: asyncio.subprocess.Process, messages: Any) -> None:
    into = _ends(process)[0]
    with suppress(ConnectionError):  # told by `_read`
        async for each in messages:
            text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
            into.write(text.encode() + b"\n")
            await into.drain()
    messages.close()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Ends the keeper, and with it the server. Whoever waits for this is not let go before."""
    waiting = asyncio.ensure_future(_end(process))
    while not waiting.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(waiting)


async def _end(process: asyncio.subprocess.Process) -> None:
    into, out = _ends(process)
    into.close()
    try:
        async with asyncio.timeout(_END_SECONDS):
            while process.returncode is None:  # not `wait`: it waits for the pipes too, which others may hold
                with suppress(TimeoutError, ValueError):
                    async with asyncio.timeout(0.02):
                        await out.read(65536)  # a server that writes and writes must not be kept from ending
                await asyncio.sleep(0.01)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
    cast("Any", process)._transport.close()


@asynccontextmanager
async def http(launch: Launch, *, egress: Egress, on_status: Callable[[int], None]) -> AsyncGenerator[Streams]:
    """The way to a server at an address. `on_status` is told each status that is no success: the library keeps it to
    itself. Raises what httpx2 raises, and Unreachable where Offline forbids it."""
    transport = _Passing(launch.url, egress, on_status)
    seconds = httpx2.Timeout(30, read=None)  # how long a call may take is counted by who calls
    async with (
        httpx2.AsyncClient(transport=transport, headers=dict(launch.secrets), timeout=seconds) as http_client,
        streamable_http_client(launch.url, http_client=http_client) as streams,
    ):
        yield streams


class _Passing(httpx2.AsyncBaseTransport):
    """Sends through egress, and takes nothing packed and no endless answer."""

    def __init__(self, url: str, egress: Egress, on_status: Callable[[int], None]) -> None:
        self._proxy, self._on_status = proxy_for(url), on_status
        self._inner, self._egress = transport_for(url, proxy=self._proxy), egress

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["user-agent"] = "Hearth"
        request.headers["accept-encoding"] = "identity"
        with self._egress.passage(str(request.url), "server", via=self._proxy or "") as visit:
            visit.sent_bytes = int(request.headers.get("content-length", 0))
            response = await self._inner.handle_async_request(request)
        if response.status_code >= 300 and request.method == "POST":
            self._on_status(response.status_code)
        stream = _Counted(cast("httpx2.AsyncByteStream", response.stream), visit)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Counted(httpx2.AsyncByteStream):
    """A body, counted; one of more than ANSWER_BYTES breaks off."""

    def __init__(self, inner: httpx2.AsyncByteStream, visit: Visit) -> None:
        self._inner, self._visit = inner, visit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for block in self._inner:
            self._visit.received_bytes += len(block)
            if self._visit.received_bytes > ANSWER_BYTES:
                raise httpx2.ReadError("more than can be taken")
            yield block

    async def aclose(self) -> None:
        await self._inner.aclose()
