"""The running answer: a pure fold of a turn's events into the messages it will leave in the chat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar, assert_never

from assistant.errors import HearthError
from assistant.events import (
    Event,
    FinishReason,
    PromptRead,
    QuestionQueued,
    ReasoningDelta,
    RoomMade,
    SummaryBegun,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
    TurnFailed,
    TurnFinished,
    UsageReported,
)
from assistant.messages import Message, Part, Reasoning, Text

Words = TypeVar("Words", Text, Reasoning)


@dataclass(frozen=True)
class Answer:
    """What a turn has brought so far. `messages` alternate between the assistant's and, after tool calls, tool results;
    `ahead` is how many others are answered first, `read` what share of the prompt the engine is known to have read, and
    `is_summarising` whether it reads the oldest part of its chat before it; `finished` and `error` are None while it
    runs, and one of them is set when it has ended."""

    messages: tuple[Message, ...] = ()
    ahead: int = 0
    read: float = 0.0
    is_summarising: bool = False
    usage: UsageReported | None = None
    finished: FinishReason | None = None
    error: HearthError | None = None

    def after(self, event: Event) -> Answer:
        """The answer with one more event."""
        match event:
            case QuestionQueued(ahead):
                return replace(self, ahead=ahead)
            case PromptRead(share):
                return replace(self, read=share)
            case SummaryBegun():
                return replace(self, is_summarising=True)
            case RoomMade():
                return replace(self, is_summarising=False)
            case TextDelta(text):
                return self._with_words(Text(text))
            case ReasoningDelta(text):
                return self._with_words(Reasoning(text))
            case ToolCallStarted(call):
                return self._with_part("assistant", call)
            case ToolCallFinished(result):
                return self._with_part("tool", result)
            case UsageReported():
                return replace(self, usage=event)
            case TurnFinished(reason):
                return replace(self, finished=reason)
            case TurnFailed(error):
                return replace(self, error=error)
            case _:
                assert_never(event)

    def after_all(self, events: Iterable[Event]) -> Answer:
        """The answer with many more events. Words that follow one another are joined first: the text grows once."""
        answer = self
        for kind, run in groupby(events, key=type):
            if issubclass(kind, TextDelta | ReasoningDelta):
                joined = "".join(event.text for event in run if isinstance(event, TextDelta | ReasoningDelta))
                answer = answer.after(kind(joined))
                continue
            for event in run:
                answer = answer.after(event)
        return answer

    def _with_words(self, more: Words) -> Answer:
        """Words lengthen the last part when it is of their kind, else they begin a new one."""
        last = self.messages[-1] if self.messages else None
        if last is None or last.role != "assistant" or not last.parts or type(last.parts[-1]) is not type(more):
            return self._with_part("assistant", more)
        tail = last.parts[-1]
        assert isinstance(tail, Text | Reasoning)  # noqa: S101  # for the type checker: it has the type of `more`
        grown = replace(tail, text=tail.text + more.text)
        return replace(self, messages=(*self.messages[:-1], Message("assistant", (*last.parts[:-1], grown))))

    def _with_part(self, role: str, part: Part) -> Answer:
        last = self.messages[-1] if self.messages else None
        if role == "assistant":
            if last is None or last.role != "assistant":
                return replace(self, messages=(*self.messages, Message("assistant", (part,))))
            return replace(self, messages=(*self.messages[:-1], Message("assistant", (*last.parts, part))))
        return replace(self, messages=(*self.messages, Message("tool", (part,))))
