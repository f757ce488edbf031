"""What is asked of each contender."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """An answer of so many tokens at a rate (0: as fast as it is taken), in a chat that has so many messages."""

    tokens: int
    rate_per_second: float
    messages: int = 0
    reasoning: int = 0

    @property
    def name(self) -> str:
        rate = f"{self.rate_per_second:g}" if self.rate_per_second else "max"
        thought = f"+{self.reasoning}" if self.reasoning else ""
        return f"{self.tokens}{thought}@{rate}/{self.messages}"


MESSAGES = (0, 200, 1000)
CASES = [
    *(Case(2_000, 200, messages) for messages in MESSAGES),
    *(Case(8_000, 500, messages) for messages in MESSAGES),
    *(Case(20_000, 1_000, messages) for messages in MESSAGES),
    *(Case(20_000, 0, messages) for messages in MESSAGES),
    Case(1_000, 200, 0, reasoning=1_000),
]
