"""How long to wait for an endpoint, how often to ask again, and how much to take from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The first byte may be long in coming: a slow machine reads a long prompt."""

    connect_seconds: float = 10
    first_byte_seconds: float = 300
    stall_seconds: float = 60
    list_seconds: float = 15
    answer_bytes: int = 32 * 1024 * 1024
    answer_characters: int = 2_000_000  # a thousand pages
    retries: int = 2
    longest_retry_wait_seconds: float = 10

    def retry_wait_seconds(self, retries: int, *, asked: float | None) -> float | None:
        """How long to wait before asking again after `retries` times; None to give up. `asked` is what the endpoint
        asked for: where that is longer than anybody watches an empty answer, giving up says so at once."""
        if retries >= self.retries or (asked is not None and asked > self.longest_retry_wait_seconds):
            return None
        return 0.5 * 2**retries if asked is None else asked
