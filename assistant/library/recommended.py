"""A short list of good models, as they were known on the day that it names: `assets/models.json`.

Sizes are rounded: what the server says when a download begins is what counts, and so is its checksum.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from assistant.engines.machine import CONTEXT_TOKENS, Fit, Machine, memory_need
from assistant.paths import asset

GoodFor = Literal["least", "small", "everyday", "balanced", "code", "thorough"]


class Recommended(BaseModel):
    """A model worth having. `address` is what `source.sources` takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=60)
    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    file: str = Field(pattern=r"^[\w.-]+\.gguf$")
    licence: str = Field(min_length=1)
    file_bytes: int = Field(gt=0)
    chat_bytes_per_token: int = Field(gt=0)
    active_share: float = Field(default=1.0, gt=0, le=1)
    good_for: GoodFor

    @property
    def address(self) -> str:
        return f"{self.repo}/{self.file}"

    @property
    def memory_bytes(self) -> int:
        """What it takes once a chat has filled its context."""
        return memory_need(self.file_bytes, self.chat_bytes_per_token, CONTEXT_TOKENS)

    def fit(self, machine: Machine) -> Fit:
        """How it runs there."""
        return machine.fit(self.memory_bytes, int(self.file_bytes * self.active_share))


class RecommendedList(BaseModel):
    """The list, and the day of which it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checked: date
    models: list[Recommended] = Field(min_length=1)


@cache
def recommended() -> RecommendedList:
    """The list that ships with Hearth, the smallest model first."""
    return RecommendedList.model_validate_json(asset("models.json").read_bytes())
