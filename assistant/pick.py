"""What a person picked for one chat: which model answers it, and how long it may think."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Thinking = Literal["", "none", "low", "medium", "high"]  # empty: as the model likes
THINKING: tuple[Thinking, ...] = get_args(Thinking)


@dataclass(frozen=True)
class Pick:
    """A model at an endpoint. An empty `endpoint` is the built-in engine, an empty `model` the endpoint's own."""

    endpoint: str
    model: str


@dataclass(frozen=True)
class Wish:
    """How a chat is to be answered. Without a pick it follows the settings; `beside` is a second model that answers
    each question too."""

    pick: Pick | None = None
    thinking: Thinking = ""
    beside: Pick | None = None


NO_WISH = Wish()
