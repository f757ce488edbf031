"""The tool calls of one step of a turn: checked, decided about, and run side by side.

Whatever a tool does (raise, hang, return megabytes) becomes a text that the model can read. Closing the stream leaves
every tool that is at work to itself: nothing of what it brings later is heard.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from assistant.errors import ToolError
from assistant.events import ApprovalNeeded, ToolCallFinished, ToolRunBegun
from assistant.messages import Message, ToolCall, ToolOffer, ToolResult
from assistant.tools.hands import Hands
from assistant.tools.tool import Arguments, Tool

log = logging.getLogger(__name__)

MOST_ARGUMENT_CHARACTERS = 1_000_000
MOST_AT_ONCE = 16  # calls of one step; a model that asks for more is told so
_MOST_UNREADABLE = 0.1  # of a text, beyond which it is binary

AllowedBy = Literal["itself", "rule", "chat", "once"]
"""Why a tool ran: it never asks, the person's rule says so, it was allowed in this chat, or this one call was."""
Outcome = Literal["running", "done", "failed"]


@dataclass(frozen=True)
class Decision:
    """What the person said about one call; `word` is for the model, or for the tool where the call is allowed. `mark`
    is of what they were shown (see `assistant.approvals`)."""

    is_allowed: bool
    word: str = ""
    by: AllowedBy = "once"
    mark: str = ""


@dataclass(frozen=True)
class ToolRun:
    """One run of a tool, for the log: told when it begins and, with the same id, when it has ended."""

    tool: Tool
    call: ToolCall
    allowed_by: AllowedBy
    outcome: Outcome = "running"
    result: str = ""
    id: str = field(default_factory=lambda: uuid4().hex)
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))


async def _unheard(_: ToolRun) -> None:
    pass


@dataclass(frozen=True)
class TurnTools:
    """What a turn may use. `tools` can be called, and those that the model is told of are `offered`; `hands` makes
    their surroundings from what was said. `allowed` says why a tool runs without being asked about, None where the
    person has to decide; `decisions` are theirs, by the id of the call. `heard` is told of every run."""

    tools: tuple[Tool, ...] = ()
    offered: tuple[ToolOffer, ...] = ()
    hands: Callable[[Sequence[Message]], Hands] | None = None
    allowed: Callable[[Tool], AllowedBy | None] = lambda _: None
    decisions: Mapping[str, Decision] = field(default_factory=dict[str, Decision])
    heard: Callable[[ToolRun], Awaitable[None]] = _unheard

    def named(self, name: str) -> Tool | None:
        """The tool with this name."""
        return next((one for one in self.tools if one.name == name), None)

    def checked(self, call: ToolCall) -> tuple[Tool, Arguments]:
        """The tool and the arguments of a call. Raises ToolError with a sentence that a model can mend it by."""
        if is_overlong(call):
            raise ToolError("tool-arguments-too-long", most=f"{MOST_ARGUMENT_CHARACTERS:,}")
        if (found := self.named(call.name)) is None:
            raise ToolError("tool-unknown", tool=call.name[:100])
        return found, found.check(call.arguments)


NO_TOOLS = TurnTools()


def distinct(calls: Sequence[ToolCall], messages: Sequence[Message]) -> list[ToolCall]:
    """The calls, each with an id that nothing else in the chat has, and none longer than can be kept."""
    known = {call.id for message in messages for call in message.tool_calls}
    made: list[ToolCall] = []
    for call in calls:
        call_id = call.id if call.id and call.id not in known else f"call_{uuid4().hex}"
        known.add(call_id)
        made.append(_short(replace(call, id=call_id, name=call.name[:100])))
    return made


@dataclass(frozen=True)
class Ready:
    """A call that may run, checked."""

    call: ToolCall
    tool: Tool
    arguments: Arguments
    by: AllowedBy
    word: str = ""


async def answer_calls(
    calls: Sequence[ToolCall], tools: TurnTools, said: Sequence[Message]
) -> AsyncGenerator[ToolRunBegun | ToolCallFinished | ApprovalNeeded]:
    """Gives a result for each call that may run, or never will; then says which the person has to decide about."""
    ready: list[Ready] = []
    asked: list[ToolCall] = []
    for place, call in enumerate(calls):
        decision = tools.decisions.get(call.id)
        if decision is not None and not decision.is_allowed:
            yield ToolCallFinished(denied(call, decision.word))
            continue
        try:
            if place >= MOST_AT_ONCE:
                raise ToolError("tool-too-many", most=MOST_AT_ONCE)
            tool, arguments = tools.checked(call)
        except ToolError as error:
            yield ToolCallFinished(ToolResult(call.id, f"{error.message} {error.hint}".strip(), is_error=True))
            continue
        by = decision.by if decision is not None else tools.allowed(tool)
        if by is None:
            asked.append(call)
        else:
            ready.append(Ready(call, tool, arguments, by, decision.word if decision is not None else ""))
    async with aclosing(run_calls(ready, tools, said)) as events:
        async for event in events:
            yield event
    if asked:
        yield ApprovalNeeded(tuple(asked))


def denied(call: ToolCall, word: str = "") -> ToolResult:
    """What the model reads of a call that the person did not want."""
    said = f" They said: {word.strip()}" if word.strip() else ""
    return ToolResult(call.id, f"{_DENIED}{said}", is_error=True)


def is_denial(result: ToolResult) -> bool:
    """Whether a result says that the person did not allow the call."""
    return result.is_error and result.text.startswith(_DENIED)


_DENIED = "The user did not allow this call, and nothing was done."


async def run_calls(
    ready: Sequence[Ready], tools: TurnTools, messages: Sequence[Message]
) -> AsyncGenerator[ToolRunBegun | ToolCallFinished]:
    """Runs the calls side by side and tells of each as it ends."""
    if not ready or tools.hands is None:
        return
    hands = tools.hands(messages)
    runs = {asyncio.create_task(_run(one, replace(hands, word=one.word), tools.heard)) for one in ready}
    try:
        for one in ready:
            yield ToolRunBegun(one.call.id)
        while runs:
            done, runs = await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield ToolCallFinished(task.result())
    finally:
        for task in runs:
            task.cancel()


async def _run(one: Ready, hands: Hands, heard: Callable[[ToolRun], Awaitable[None]]) -> ToolResult:
    """The result of one call. The tool is a task of its own: it may be slow to notice that it was cancelled, and nobody
    waits for that."""
    run = ToolRun(one.tool, one.call, one.by)
    await heard(run)
    work = asyncio.ensure_future(_contained(one.tool.run(one.arguments, hands)))
    try:
        await asyncio.wait({work}, timeout=one.tool.timeout_seconds)
    except asyncio.CancelledError:
        await heard(replace(run, outcome="failed", result="Stopped by the user."))
        raise
    finally:
        is_late = not work.done()
        if is_late:
            work.add_done_callback(_forget)
            work.cancel()
    if is_late:
        text = f"The tool did not finish within {one.tool.timeout_seconds:g} seconds. What it has done by then is done."
        result = ToolResult(one.call.id, text, is_error=True)
    else:
        result = _result(one, work)
    await heard(replace(run, outcome="failed" if result.is_error else "done", result=result.text))
    return result


async def _contained(work: Awaitable[str]) -> str:
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:  # they would end the event loop
        raise RuntimeError(repr(error)) from None


def _forget(work: asyncio.Future[str]) -> None:
    if not work.cancelled() and (error := work.exception()) is not None:
        log.info("a tool that nobody waited for failed: %s", type(error).__name__)


def _result(one: Ready, work: asyncio.Future[str]) -> ToolResult:
    try:
        text, is_error = work.result(), False
    except ToolError as error:
        text, is_error = f"{error.message} {error.hint}".strip(), True
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # a border: whatever a tool raises, the model reads it
        log.warning("the tool %s failed: %s", one.tool.name, type(error).__name__)
        text, is_error = f"The tool failed: {type(error).__name__}: {error}", True
    return readable(ToolResult(one.call.id, text, is_error), most=one.tool.output_characters)


def readable(result: ToolResult, *, most: int) -> ToolResult:
    """The result as a model may read it: its beginning and end where it is longer, and nothing that is no text."""
    text = result.text
    size = len(text)
    if size > most:
        head, tail = text[: most * 3 // 4], text[-(most // 4) :]
        text = f"{head}\n[... {size - len(head) - len(tail):,} characters are left out here ...]\n{tail}"
    odd = sum(not (one.isprintable() or one in "\n\r\t") for one in text)
    if odd > _MOST_UNREADABLE * len(text):
        return replace(result, text=f"The result is no text: {size:,} characters of binary data.", is_error=True)
    return replace(result, text=text.replace("\0", "").encode("utf-8", "replace").decode("utf-8"))


def is_overlong(call: ToolCall) -> bool:
    """Whether the arguments of a call were too long to be kept."""
    return call.arguments == _TOO_LONG


def _short(call: ToolCall) -> ToolCall:
    return call if len(call.arguments) <= MOST_ARGUMENT_CHARACTERS else replace(call, arguments=_TOO_LONG)


_TOO_LONG = '{"too long": true}'
