"""The running answer: a pure fold of a turn's events into the messages it will leave in the chat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import assert_never

from assistant.errors import HearthError
from assistant.events import (
    ApprovalNeeded,
    Event,
    FinishReason,
    ModelLoading,
    PromptRead,
    QuestionQueued,
    ReasoningDelta,
    RoomMade,
    SummaryBegun,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
    ToolRunBegun,
    TurnFailed,
    TurnFinished,
    UsageReported,
)
from assistant.messages import Message, Part, Reasoning, Text


@dataclass(frozen=True)
class Answer:
    """What a turn has brought so far. `messages` alternate between the assistant's and, after tool calls, tool results;
    `ahead` is how many others are answered first, `loading` how far the model has come into the memory, `read` what
    share of the prompt the engine is known to have read, and `is_summarising` whether it reads the oldest part of its
    chat before it; `running` are the calls whose tools are at work. `finished` and `error` are None while it runs, and
    one of them is set when it has ended, unless it `is_waiting`: then it ended because the person has to decide about
    its calls."""

    messages: tuple[Message, ...] = ()
    ahead: int = 0
    loading: ModelLoading | None = None
    read: float = 0.0
    is_summarising: bool = False
    running: tuple[str, ...] = ()
    is_waiting: bool = False
    usage: UsageReported | None = None
    finished: FinishReason | None = None
    error: HearthError | None = None

    def after(self, event: Event) -> Answer:
        """The answer with one more event."""
        match event:
            case QuestionQueued(ahead):
                return replace(self, ahead=ahead)
            case ModelLoading():
                return replace(self, loading=event)
            case PromptRead(share):
                return replace(self, read=share, loading=None)
            case SummaryBegun() | RoomMade():
                return replace(self, is_summarising=isinstance(event, SummaryBegun))
            case TextDelta() | ReasoningDelta():
                return self._with_words(event)
            case ToolCallStarted(call):
                return self._with_part("assistant", call)
            case ToolRunBegun(call_id):
                return replace(self, running=(*self.running, call_id))
            case ToolCallFinished(result):
                running = tuple(call_id for call_id in self.running if call_id != result.call_id)
                return replace(self, running=running)._with_part("tool", result)
            case UsageReported():
                return replace(self, usage=event)
            case ApprovalNeeded() | TurnFinished() | TurnFailed():
                return self._ended(event)
            case _:
                assert_never(event)

    def _ended(self, event: ApprovalNeeded | TurnFinished | TurnFailed) -> Answer:
        match event:
            case ApprovalNeeded():
                return replace(self, is_waiting=True)
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

    def _with_words(self, more: TextDelta | ReasoningDelta) -> Answer:
        """Words lengthen the last part when it is of their kind, else they begin a new one."""
        kind = Text if isinstance(more, TextDelta) else Reasoning
        last = self.messages[-1] if self.messages else None
        tail = last.parts[-1] if last is not None and last.role == "assistant" and last.parts else None
        if last is None or not isinstance(tail, kind):
            return self._with_part("assistant", kind(more.text))
        grown = replace(tail, text=tail.text + more.text)
        return replace(self, messages=(*self.messages[:-1], Message("assistant", (*last.parts[:-1], grown))))

    def _with_part(self, role: str, part: Part) -> Answer:
        last = self.messages[-1] if self.messages else None
        if role == "assistant":
            if last is None or last.role != "assistant":
                return replace(self, messages=(*self.messages, Message("assistant", (part,))))
            return replace(self, messages=(*self.messages[:-1], Message("assistant", (*last.parts, part))))
        return replace(self, messages=(*self.messages, Message("tool", (part,))))
