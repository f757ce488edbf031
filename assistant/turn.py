"""A turn as a function: messages and an engine in, a stream of events out. It knows no page, no database, no window."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from assistant.answer import Answer
from assistant.engines import AnswerFinished, Engine, GenerationOptions
from assistant.errors import EngineError, HearthError, Interrupted
from assistant.events import Event, ToolCallFinished, ToolCallStarted, TurnFailed, TurnFinished
from assistant.messages import Message, ToolCall, ToolResult

log = logging.getLogger(__name__)


async def run_turn(
    messages: Sequence[Message], engine: Engine, *, options: GenerationOptions, step_limit: int = 8
) -> AsyncGenerator[Event]:
    """Answers `messages`; see `assistant.events` for what comes, in which order.

    Never raises: whatever goes wrong is the last event, TurnFailed. Closing the generator ends the engine's request.
    An engine may be asked `step_limit` times, in case a model calls tools for ever.
    """
    answer = Answer()
    for _ in range(step_limit):
        said: list[Event] = []
        finished: AnswerFinished | None = None
        try:
            async with aclosing(engine.stream([*messages, *answer.messages], options)) as stream:
                async for event in stream:
                    if isinstance(event, AnswerFinished):
                        finished = event
                    else:
                        said.append(event)
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
            return
        if finished.reason != "tool_calls":
            yield TurnFinished(finished.reason)
            return
        answer = answer.after_all(said)
        for call in finished.tool_calls:
            for event in (ToolCallStarted(call), ToolCallFinished(_refusal(call))):
                answer = answer.after(event)
                yield event
    yield TurnFinished("tool_limit")


def _refusal(call: ToolCall) -> ToolResult:
    """No tools are offered yet; a model that calls one is told so, and answers in words."""
    return ToolResult(call.id, f"There is no tool named {call.name!r}. Answer without it.", is_error=True)
