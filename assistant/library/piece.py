"""One file that is being fetched, as its state is kept on disk; and how long to wait for it. Loads no client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import BaseModel, Field

Result = TypeVar("Result")
Note = Literal["", "changed", "anew", "again", "checking"]
"""What there is to say of a fetch: the file is another than it was; the server began it again; it broke off and is
tried again; it is being checked."""


@dataclass(frozen=True)
class FetchLimits:
    """How long to wait, how often to try again without getting on, how far to be sent about."""

    connect_seconds: float = 15
    stall_seconds: float = 30
    stall_bytes: int = 20_000  # fewer than this in `stall_seconds` is a stall too
    retries: int = 5
    first_wait_seconds: float = 1
    longest_wait_seconds: float = 20
    getting_on_bytes: int = 1024**2
    redirects: int = 5
    sync_bytes: int = 32 * 1024**2


class Piece(BaseModel):
    """One file that is being fetched, as its state is kept on disk. `sha256` is the person's or the server's word."""

    url: str = Field(max_length=4000)
    name: str = Field(max_length=250)
    sha256: str = ""
    is_sha256_given: bool = False
    validator: str = ""
    total_bytes: int = Field(default=0, ge=0)
    safe_bytes: int = Field(default=0, ge=0)
    is_whole: bool = False


async def in_thread(work: Callable[[], Result]) -> Result:
    """Runs `work` in a thread, and to its end: a cancelled wait must not leave a thread writing to a closed file."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
