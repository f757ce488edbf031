"""A turn as a function: messages, an engine and tools in, a stream of events out. It knows no page, no database, no
window."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from assistant.answer import Answer
from assistant.calls import NO_TOOLS, TurnTools, answer_calls, distinct
from assistant.engines import AnswerFinished, Engine, GenerationOptions
from assistant.errors import EngineError, HearthError, Interrupted
from assistant.events import (
    ApprovalNeeded,
    Event,
    ToolCallFinished,
    ToolCallStarted,
    ToolRunBegun,
    TurnFailed,
    TurnFinished,
)
from assistant.messages import Message, unanswered

log = logging.getLogger(__name__)

MOST_MISTAKES = 2  # steps in a row in which nothing that the model asked for could be done


async def run_turn(
    messages: Sequence[Message],
    engine: Engine,
    *,
    options: GenerationOptions,
    tools: TurnTools = NO_TOOLS,
    step_limit: int = 16,
) -> AsyncGenerator[Event]:
    """Answers `messages`; see `assistant.events` for what comes, in which order.

    The messages are the only state: where they end in calls that wait, and `tools` bring decisions about them, the turn
    goes on from there. Never raises: whatever goes wrong is the last event, TurnFailed. Closing the generator ends the
    engine's request and leaves the tools that are at work. An engine may be asked `step_limit` times for one question,
    in case a model calls tools for ever.
    """
    answer, mistakes, goes_on = Answer(), 0, bool(tools.decisions)
    options = replace(options, tools=tools.offered)
    while True:
        said = [*messages, *answer.messages]
        calls = unanswered(said) if goes_on else ()
        if not calls and (mistakes >= MOST_MISTAKES or _steps(said) >= step_limit):
            yield TurnFinished("tool_limit")
            return
        arrived: list[Event] = []
        async with aclosing(answer_calls(calls, tools, said) if calls else _ask(said, engine, options)) as step:
            async for event in step:
                arrived.append(event)
                yield event
        if arrived and isinstance(arrived[-1], ApprovalNeeded | TurnFinished | TurnFailed):
            return
        answer, goes_on = answer.after_all(arrived), True
        if calls:
            mistakes = mistakes + 1 if _is_mistake(arrived, tools) else 0


async def _ask(said: Sequence[Message], engine: Engine, options: GenerationOptions) -> AsyncGenerator[Event]:
    """One answer of the engine: its words, then the calls it ends in, or the end of the turn."""
    finished: AnswerFinished | None = None
    try:
        async with aclosing(engine.stream(said, options)) as stream:
            async for event in stream:
                if isinstance(event, AnswerFinished):
                    finished = event
                else:
                    yield event
    except EngineError as error:
        yield TurnFailed(error)
        return
    except Exception:  # a border: a bug in an engine must not take the chat with it
        log.exception("an engine raised what it should not")
        yield TurnFailed(HearthError("bug"))
        return
    if finished is None:
        yield TurnFailed(Interrupted("engine-ended-early"))
    elif finished.reason != "tool_calls":
        yield TurnFinished(finished.reason)
    elif not finished.tool_calls:
        yield TurnFinished("stop")
    else:
        for call in distinct(finished.tool_calls, said):
            yield ToolCallStarted(call)


def _steps(said: Sequence[Message]) -> int:
    """How often the engine has asked for tools since the last question."""
    last = max((place for place, message in enumerate(said) if message.role == "user"), default=-1)
    return sum(bool(message.tool_calls) for message in said[last + 1 :])


def _is_mistake(arrived: Sequence[Event], tools: TurnTools) -> bool:
    """Whether nothing of what the model asked for could be done; what the person refused is no mistake."""
    refused = {event.result.call_id for event in arrived if isinstance(event, ToolCallFinished)}
    return not any(isinstance(event, ToolRunBegun) for event in arrived) and bool(refused - tools.decisions.keys())
