"""A summary of the oldest part of a chat, by the engine that answers it: a request of its own, of bounded length."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from assistant.context import GAP, SUMMARY, Share
from assistant.engines import Engine, GenerationOptions
from assistant.errors import Busy, EngineError, Interrupted, Unreachable, WrongKey
from assistant.events import TextDelta
from assistant.messages import Message, Text, user

log = logging.getLogger(__name__)

REQUEST = (
    "Summarise our conversation so far, for yourself to go on from when you cannot read it any more. Keep names,"
    " numbers, decisions, what I want and what is still open. Write it in the language of the conversation, as plain"
    " text and as short as it can be. Answer with the summary alone."
)
REQUEST_TOKENS = 90
LARGEST_TOKENS, SMALLEST_TOKENS = 800, 64
MOST_ROUNDS = 4  # a chat that is many times the context is read in excerpts
SMALLEST_EXCERPT = 120
_NOT_ABOUT_IT = (Unreachable, WrongKey, Busy)


def summary_tokens(size: int | None) -> int:
    """How long a summary may become in a context of so many tokens."""
    return LARGEST_TOKENS if size is None else max(SMALLEST_TOKENS, min(LARGEST_TOKENS, size // 6))


async def engine_summary(
    shares: Sequence[Share], engine: Engine, *, size: int | None, system: Message | None = None, earlier: str = ""
) -> str:
    """The engine's summary of these messages and of what an `earlier` summary says. A prompt that begins as the chat's
    own does is not read anew. Raises EngineError, and then there is none."""
    longest = summary_tokens(size)
    room = (size or 1_000_000) - longest - REQUEST_TOKENS
    summary = earlier
    for messages in _rounds(shares, room, longest=longest, has_begun=bool(earlier)):
        before = [user(f"{SUMMARY}\n\n{summary}")] if summary else []
        prompt = _in_turns([*([system] if system else []), *before, *messages])
        summary = await _said([*prompt, user(REQUEST)], engine, longest=longest)
    if not summary:
        raise Interrupted("engine-summary-failed")
    return summary


async def _said(prompt: Sequence[Message], engine: Engine, *, longest: int) -> str:
    said = ""
    try:
        async with aclosing(engine.stream(prompt, GenerationOptions(temperature=0.2, max_tokens=longest))) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    said += event.text
    except _NOT_ABOUT_IT:
        raise
    except EngineError as error:
        log.info("no summary: %s", error)
        raise Interrupted("engine-summary-failed") from error
    if not said.strip():
        raise Interrupted("engine-summary-failed")
    return said.strip()[: longest * 8]


def _rounds(shares: Sequence[Share], room: int, *, longest: int, has_begun: bool) -> Iterator[list[Message]]:
    """The messages in portions of at most `room` tokens, less those of the summary that comes before all but the first;
    the long ones cut where there would be too many portions."""
    total = sum(share.tokens for share in shares)
    least = max(room - longest, SMALLEST_TOKENS)
    part = min(1.0, MOST_ROUNDS * least / total) if total else 1.0
    portion: list[Message] = []
    filled = 0
    room = least if has_begun else max(room, SMALLEST_TOKENS)
    for share in shares:
        kept = min(part, least / max(share.tokens, 1))
        message = share.message if kept >= 1 else _excerpt(share.message, kept)
        tokens = round(share.tokens * min(kept, 1.0))
        if portion and filled + tokens > room:
            yield portion
            portion, filled, room = [], 0, least
        portion.append(message)
        filled += tokens
    if portion:
        yield portion


def _excerpt(message: Message, part: float) -> Message:
    """How a message begins and ends."""
    length = max(SMALLEST_EXCERPT, int(len(message.text) * part))
    if len(message.text) <= length:
        return message
    head, tail = message.text[: length * 2 // 3], message.text[-length // 3 :]
    return replace(message, parts=(Text(f"{head} … {tail}"),))


def _in_turns(messages: Sequence[Message]) -> list[Message]:
    """With a question before each answer that has none."""
    said: list[Message] = []
    for message in messages:
        if message.role == "assistant" and (not said or said[-1].role in ("system", "assistant")):
            said.append(user(GAP))
        said.append(message)
    return said
