"""The parent's side of a person's function: a child for each call, with a time limit, ended with all it has started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import psutil
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from assistant.errors import ToolError

LONGEST_LINE_BYTES = 32_000_000
MOST_PRINTED_BYTES = 200_000
_END_SECONDS = 5.0
_MARK = "OWN_FUNCTION_CALL"  # in the environment of all that a call starts, however far away it moves
_MOST_ROUNDS = 20  # of looking for what is left, which may start others meanwhile
# What a program needs to find its libraries, its home and its temporary files. None of Hearth's keys, nor of others'.
_ENVIRONMENT = frozenset(
    {"PATH", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "USER", "USERNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ"}
    | {"TEMP", "TMP", "TMPDIR", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT"}
)


class Shown(BaseModel):
    """One thing that a function gave: `text` of text, Markdown and JSON; `columns`, `rows` and the whole `count` of a
    table; `mime` and base64 `data` of an image."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["text", "markdown", "json", "table", "image"]
    text: str = ""
    columns: list[str] = []
    rows: list[list[str | int | float | bool | None]] = []
    count: int = 0
    mime: Literal["", "image/png", "image/jpeg", "image/gif", "image/webp"] = ""
    data: str = ""


class Fault(BaseModel):
    """What went wrong in the child: `line` of the person's file, 0 where it is not known."""

    kind: Literal["raised", "arguments"]
    what: str
    line: int = 0
    code: str = ""
    trace: list[str] = []


class Said(BaseModel):
    """One line of the child."""

    piece: list[Shown] | None = None
    shown: list[Shown] | None = None
    fault: Fault | None = None
    functions: list[dict[str, Any]] | None = None
    left_out: list[dict[str, str]] = []


@dataclass
class Printed:
    """What the child prints, as far as it is kept."""

    content: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


_said = TypeAdapter(Said)


async def run(
    order: dict[str, Any], *, workspace: Path, timeout_seconds: float, printed: Printed
) -> AsyncGenerator[Said]:
    """Gives what the child says, up to its last word. Whatever happens, the child is gone afterwards, and what it has
    started. Raises ToolError where it could not be started, takes too long or ends without a word."""
    mark = secrets.token_hex(16)
    process = await _spawn(workspace, mark)
    listening = asyncio.create_task(_listen(process, printed))
    until = monotonic() + timeout_seconds
    try:
        await asyncio.wait_for(_tell(process, order), timeout_seconds)
        while True:  # no `asyncio.timeout` around a yield: it belongs to a task, and each step may be in another
            said = await asyncio.wait_for(_heard(process), until - monotonic())
            if said.piece is None:
                break
            yield said
    except TimeoutError:
        raise ToolError("own-too-long", seconds=f"{timeout_seconds:g}") from None
    finally:
        await asyncio.shield(_end(process, mark))
        await asyncio.wait({listening}, timeout=_END_SECONDS)
        listening.cancel()
    yield said


async def _spawn(workspace: Path, mark: str) -> asyncio.subprocess.Process:
    is_frozen = bool(getattr(sys, "frozen", False))
    module = "assistant.tools.own.child"
    command = [sys.executable, "own-function"] if is_frozen else [sys.executable, "-P", "-m", module]
    try:
        await asyncio.to_thread(workspace.mkdir, mode=0o700, parents=True, exist_ok=True)
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=workspace,
            env=environment() | {_MARK: mark},
            limit=LONGEST_LINE_BYTES,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            start_new_session=os.name == "posix",  # a group of its own, which is ended as one
        )
    except OSError as error:
        raise ToolError("own-not-started", why=error.strerror or "?") from error


def environment() -> dict[str, str]:
    """What the child inherits of our environment."""
    return {name: value for name, value in os.environ.items() if name.upper() in _ENVIRONMENT}


async def _tell(process: asyncio.subprocess.Process, order: dict[str, Any]) -> None:
    assert process.stdin is not None  # noqa: S101  # for the type checker: it is a pipe
    with contextlib.suppress(ConnectionError):  # it ended already: its silence will say so
        process.stdin.write(json.dumps(order).encode() + b"\n")
        await process.stdin.drain()


async def _heard(process: asyncio.subprocess.Process) -> Said:
    assert process.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
    try:
        line = await process.stdout.readline()
    except ValueError:  # longer than the limit
        raise ToolError("own-too-much", most=f"{LONGEST_LINE_BYTES // 1_000_000} MB") from None
    if not line.endswith(b"\n"):
        raise ToolError("own-died")
    try:
        return _said.validate_json(line)
    except ValidationError:
        raise ToolError("own-died") from None


async def _listen(process: asyncio.subprocess.Process, printed: Printed) -> None:
    """Reads all that is printed, so that the child is never held up, and keeps what fits."""
    assert process.stderr is not None  # noqa: S101  # for the type checker: it is a pipe
    while content := await process.stderr.read(65_536):
        printed.content += content[: max(0, MOST_PRINTED_BYTES - len(printed.content))]


async def _end(process: asyncio.subprocess.Process, mark: str) -> None:
    """Kills the child, its group, and those of its descendants that left the group, or have no parent any more."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    for one in family:
        with contextlib.suppress(psutil.Error):
            one.kill()
    if process.stdin is not None:
        process.stdin.close()
    await asyncio.to_thread(_end_marked, mark)
    await process.wait()


def _end_marked(mark: str) -> None:
    """Kills what a call has started and left behind: it has the call's mark, whoever is its parent by now."""
    for _ in range(_MOST_ROUNDS):
        left = [each for each in psutil.process_iter() if _has(each, mark)]
        for one in left:
            with contextlib.suppress(psutil.Error):
                one.kill()
        if not left:
            return


def _has(process: psutil.Process, mark: str) -> bool:
    """Whether it is ours and lives. What belongs to others does not say."""
    try:
        return process.environ().get(_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError, ValueError):
        return False
