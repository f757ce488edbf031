"""What can answer: the seam between a turn and a model, whether it runs in a child of ours or behind an address.

`endpoint` speaks to any OpenAI-compatible server; `embedded` starts one of our own and then is an endpoint too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from assistant.engines.abilities import Abilities
from assistant.engines.calling import Way
from assistant.errors import EngineError
from assistant.events import ModelLoading, PromptRead, QuestionQueued, ReasoningDelta, TextDelta, UsageReported
from assistant.messages import Message, ToolCall, ToolOffer
from assistant.pick import Thinking

EngineKind = Literal["embedded", "endpoint"]


@dataclass(frozen=True)
class GenerationOptions:
    """How to answer. None leaves the choice to the engine, and so does an empty `thinking`. `max_tokens` bounds the
    answer, reasoning included. `tools` is what the model may ask for."""

    temperature: float | None = None
    max_tokens: int | None = None
    thinking: Thinking = ""
    tools: tuple[ToolOffer, ...] = ()


@dataclass(frozen=True)
class AnswerFinished:
    """The engine ended its answer and said why; with "tool_calls", `tool_calls` holds what it asks for, complete."""

    reason: Literal["stop", "length", "content_filter", "tool_calls"]
    tool_calls: tuple[ToolCall, ...] = ()


EngineEvent = QuestionQueued | ModelLoading | PromptRead | TextDelta | ReasoningDelta | UsageReported | AnswerFinished


@dataclass(frozen=True)
class EngineIdentity:
    """Which engine this is: `model` is empty until one is known, `url` is the base address that ends in /v1."""

    kind: EngineKind
    model: str
    url: str


class Engine(Protocol):
    """Something that answers. Every method may raise an EngineError; nothing else is expected of it."""

    @property
    def identity(self) -> EngineIdentity: ...

    @property
    def goes_on(self) -> bool:
        """Whether an assistant's message at the end is gone on with; else it has to be asked for."""
        ...

    @property
    def context_tokens(self) -> int | None:
        """How many tokens the model reads at the most, answer included; None where that is not known (yet)."""
        ...

    async def learn_context(self) -> None:
        """Asks the server, once, how many that are. Never raises."""
        ...

    async def count(self, messages: Sequence[Message]) -> int | None:
        """How many tokens these are as a prompt, by the engine's own count; None where it has none. Never raises."""
        ...

    @property
    def way(self) -> Way:
        """How its model takes tools, as far as is known; see `calling`."""
        ...

    @property
    def blindness(self) -> EngineError | None:
        """Why its model sees no pictures; None where it does, or where nobody has found out."""
        ...

    async def start(self) -> None:
        """Gets ready, so that the first question need not wait: loads the model, or does nothing. May be repeated."""
        ...

    def stream(self, messages: Sequence[Message], options: GenerationOptions) -> AsyncGenerator[EngineEvent]:
        """Answers `messages`, the last of them a user's or a tool's. AnswerFinished comes exactly once, and last
        but for UsageReported; an answer without it raises Interrupted. Closing the generator (`aclose`) ends the
        request at the engine."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text: the nearer two of them (by their angle), the nearer the texts in meaning. All of one
        model have one length; those of two models have nothing to do with each other."""
        ...

    async def models(self) -> list[str]:
        """The ids of the models that can be asked for, in the engine's order."""
        ...

    async def abilities(self) -> Abilities:
        """What the model can do, found out with a few small requests, and what the server says of itself."""
        ...

    async def aclose(self) -> None:
        """Ends connections and children. The engine is not used afterwards."""
        ...
