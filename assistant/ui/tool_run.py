"""A call that a person makes by hand: the same checks, the same limits as a model's, and what came of it as HTML."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from assistant.errors import HearthError, ToolError
from assistant.i18n import Translator
from assistant.tools.hands import Hands
from assistant.tools.own.functions import Outcome
from assistant.tools.own.process import Shown
from assistant.tools.tool import Arguments, Tool
from assistant.ui import tool_result

log = logging.getLogger(__name__)

FRAME_SECONDS = 0.1

Call = Callable[[Arguments], AsyncGenerator[Outcome]]
Words = Callable[[], str]
"""What is to be shown, made when it is: a function may give more, and faster, than can be."""


def call_of(tool: Tool, hands: Callable[[], Hands]) -> Call:
    """How a tool that gives one text is called: within its time, and cut to its length."""

    async def call(arguments: Arguments) -> AsyncGenerator[Outcome]:
        try:
            async with asyncio.timeout(tool.timeout_seconds):
                text = await tool.run(arguments, hands())
        except TimeoutError:
            raise ToolError("own-too-long", seconds=f"{tool.timeout_seconds:g}") from None
        yield Outcome((Shown(kind="text", text=text[: tool.output_characters]),), is_done=True)

    return call


async def run_by_hand(tool: Tool, text: str, call: Call, t: Translator) -> AsyncGenerator[Words]:
    """Checks the arguments and calls; gives what is to be shown, each time that is more. Never raises."""
    outcome = Outcome()

    def given(outcome: Outcome) -> Words:
        return lambda: tool_result.output(outcome.shown, outcome.printed, t)

    def broken(error: HearthError, outcome: Outcome) -> Words:
        return lambda: failed(error, outcome, t)

    try:
        arguments = tool.check(text)
        yield lambda: tool_result.said(t("tools.running"), "plain")
        async with aclosing(call(arguments)) as outcomes:
            async for outcome in outcomes:
                if outcome.shown or outcome.printed:
                    yield given(outcome)
        if not (outcome.shown or outcome.printed):
            yield lambda: tool_result.said(t("tools.nothing-given"), "good")
    except HearthError as error:
        yield broken(error, outcome)
    except Exception:  # the border to tools of others: one calm sentence, and the log has the rest
        log.exception("the tool %s failed", tool.name)
        yield broken(ToolError("tool-bug", name=tool.name), outcome)


class Running:
    """What runs of one form, which can be stopped at any time."""

    def __init__(self, t: Translator) -> None:
        self._t = t
        self._task: asyncio.Task[None] | None = None

    async def follow(self, given: AsyncGenerator[Words]) -> AsyncGenerator[str]:
        """What is given, the latest of what comes faster than it can be shown; and that it was stopped, if it was."""
        words: asyncio.Queue[Words | None] = asyncio.Queue()
        task = self._task = asyncio.create_task(_pour(given, words))
        try:
            while (latest := await words.get()) is not None:
                while not words.empty() and (newer := words.get_nowait()) is not None:
                    latest = newer
                yield latest()
                if task.done() and words.empty():  # its end may be what came last
                    break
                await asyncio.sleep(FRAME_SECONDS)
        finally:
            task.cancel()
            await asyncio.wait({task})
        if task.cancelled():
            yield tool_result.said(self._t("tools.stopped"), "plain")

    async def stop(self) -> None:
        """Ends it; `follow` says so. A coroutine, because a task belongs to its loop."""
        if self._task is not None:
            self._task.cancel()


async def _pour(given: AsyncGenerator[Words], words: asyncio.Queue[Words | None]) -> None:
    try:
        async with aclosing(given):
            async for each in given:
                words.put_nowait(each)
    finally:
        words.put_nowait(None)


def failed(error: HearthError, outcome: Outcome, t: Translator) -> str:
    """Why a call did not work, below what it had given by then."""
    code = str(error.values.get("code", ""))
    words = error.message_in(t) if code else f"{error.message_in(t)} {error.hint_in(t)}"
    if error.key == "tool-arguments":  # the hint is for a model
        words = error.message_in(t)
    before = tool_result.output(outcome.shown, outcome.printed, t)
    return "\n\n".join(each for each in (before, tool_result.said(words, "bad", code=code)) if each)
