"""What happens during a turn: one frozen dataclass per fact, in the order a reader would tell it.

A turn is everything between a question and the end of its answer. `turn.run_turn` yields these events;
`conversation` folds them into the running answer and saves it; the page and the command line show it. Consumers
`match` on the type and end in `assert_never`, so that a new event cannot be forgotten anywhere.

    (SummaryBegun?, RoomMade)*          where the chat is longer than the model can read
    QuestionQueued*                     while other questions are answered first
    ModelLoading*                       while the built-in engine loads its model
    PromptRead*                         while a long prompt is read
    TextDelta*, ReasoningDelta*         as they arrive from the engine
    ToolCallStarted*                    what the model asked for in one step
    ToolRunBegun, ToolCallFinished      for each call that may run; once all have a result, the engine goes on
    UsageReported                       once per answer of the engine that counts its tokens
    ApprovalNeeded | TurnFinished | TurnFailed      exactly one, and last
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assistant.errors import HearthError
from assistant.messages import ToolCall, ToolResult

FinishReason = Literal["stop", "length", "content_filter", "tool_limit"]


@dataclass(frozen=True)
class QuestionQueued:
    """So many other answers come before this one; 0 when its turn has come."""

    ahead: int


@dataclass(frozen=True)
class PromptRead:
    """So much of what the model has to read before it answers has been read, between 0 and 1."""

    share: float


@dataclass(frozen=True)
class ModelLoading:
    """The model is on its way into the memory, for so many seconds: that is what its process holds of the main memory
    now, and about what it will."""

    loaded_bytes: int
    needed_bytes: int
    seconds: float


@dataclass(frozen=True)
class SummaryBegun:
    """The oldest messages are being summarised before the answer."""


@dataclass(frozen=True)
class RoomMade:
    """From now on the model reads `stand_in`, a summary or nothing, in place of all messages down to this one."""

    down_to: str
    stand_in: str


@dataclass(frozen=True)
class TextDelta:
    """More words of the answer."""

    text: str


@dataclass(frozen=True)
class ReasoningDelta:
    """More words of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True)
class ToolCallStarted:
    """The model asked for a tool, with complete arguments."""

    call: ToolCall


@dataclass(frozen=True)
class ToolRunBegun:
    """The call with this id was allowed, and its tool is at work."""

    call_id: str


@dataclass(frozen=True)
class ToolCallFinished:
    """A tool gave its result, or the sentence that says why there is none."""

    result: ToolResult


@dataclass(frozen=True)
class UsageReported:
    """How many tokens were read and written. None where the engine does not say.

    `tokens_per_second` is the engine's own figure where it gives one, else tokens over the time since the first.
    """

    prompt_tokens: int | None
    completion_tokens: int | None
    tokens_per_second: float | None


@dataclass(frozen=True)
class ApprovalNeeded:
    """The turn ended because the person has to decide about these calls. `turn.run_turn` goes on once they have."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class TurnFinished:
    """The answer is complete as far as `reason` says: "length" means that it hit the limit of tokens."""

    reason: FinishReason


@dataclass(frozen=True)
class TurnFailed:
    """The turn ended without a complete answer; what had come before stays."""

    error: HearthError


Event = (
    QuestionQueued
    | PromptRead
    | ModelLoading
    | SummaryBegun
    | RoomMade
    | TextDelta
    | ReasoningDelta
    | ToolCallStarted
    | ToolRunBegun
    | ToolCallFinished
    | UsageReported
    | ApprovalNeeded
    | TurnFinished
    | TurnFailed
)
