"""The running answer is a fold of events."""

from functools import reduce

from assistant.answer import Answer
from assistant.errors import Interrupted
from assistant.events import (
    Event,
    ReasoningDelta,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
    TurnFailed,
    TurnFinished,
    UsageReported,
)
from assistant.messages import Message, Reasoning, Text, ToolCall, ToolResult


def fold(*events: Event) -> Answer:
    return reduce(Answer.after, events, Answer())


def test_words_of_a_kind_grow_together() -> None:
    answer = fold(ReasoningDelta("a"), ReasoningDelta("b"), TextDelta("c"), TextDelta("d"))
    assert answer.messages == (Message("assistant", (Reasoning("ab"), Text("cd"))),)


def test_a_tool_call_splits_the_answer_into_messages_an_engine_understands() -> None:
    call, result = ToolCall("1", "now", "{}"), ToolResult("1", "noon")
    answer = fold(TextDelta("let me look"), ToolCallStarted(call), ToolCallFinished(result), TextDelta("it is noon"))
    assert answer.messages == (
        Message("assistant", (Text("let me look"), call)),
        Message("tool", (result,)),
        Message("assistant", (Text("it is noon"),)),
    )


def test_a_failure_keeps_what_had_come() -> None:
    answer = fold(TextDelta("half"), TurnFailed(Interrupted("engine-ended-early")))
    assert answer.messages[0].text == "half"
    assert answer.error is not None


def test_usage_and_the_end_are_remembered() -> None:
    answer = fold(TextDelta("x"), UsageReported(3, 1, 9.5), TurnFinished("length"))
    assert (answer.usage, answer.finished) == (UsageReported(3, 1, 9.5), "length")
