"""What of a chat its model is sent, and what fills the model's context. Pure.

A chat is longer than its context sooner or later. Then everything down to some message stays out of the prompt, and a
summary or nothing stands in its place (`StoredMessage.stand_in`); below that, a person has pinned messages or left them
out (`mark`). The chat itself keeps every word. What is covered grows in large steps and not with each question: a
prompt that begins like the last one is not read again by engines that keep what they have read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from assistant.events import UsageReported
from assistant.messages import Message, Text, ToolCall, ToolOffer, ToolResult, user
from assistant.records import Mark, StoredMessage

Fate = Literal["sent", "left_out", "covered"]
Branch = Sequence[StoredMessage]

SUMMARY = "Summary of our conversation so far:"
GAP = "(Some earlier messages are left out here.)"  # templates that insist on turns refuse two answers in a row

BYTES_PER_TOKEN = 3.6  # of English prose, where nothing better is known
MESSAGE_TOKENS = 5  # what a template puts around a message
PICTURE_TOKENS = 800  # models differ from 64 to 3,000; the engine's own count of an answer sets it right
ENOUGH_TOKENS = 40  # of answers, to go by their own count
LARGEST_RESERVE = 1024
_BELIEVABLE = (0.6, 1.6)  # a count of the server's to our own; beyond, it was made of something else


@dataclass(frozen=True)
class Share:
    """What one message takes of the context. `tokens` is what it would take where it is not sent."""

    message: Message
    tokens: int
    fate: Fate = "sent"
    is_pinned: bool = False
    picture_tokens: int = 0  # of them


@dataclass(frozen=True)
class Filling:
    """What fills a context: `shares` has one for each message of the branch. `size` is None where it is not known,
    `tools` is what the description of the tools takes, `reserve` the room kept for the answer. `counted` is the
    engine's own count of all that is sent; without it, tokens are estimates."""

    system: Share | None
    summary: Share | None
    shares: tuple[Share, ...]
    size: int | None
    reserve: int
    counted: int | None = None
    tools: int = 0

    @property
    def tokens(self) -> int:
        """How many tokens are sent before the next question."""
        return self.estimate if self.counted is None else self.counted

    @property
    def estimate(self) -> int:
        """The same without the engine's own count."""
        sent = sum(share.tokens for share in self.shares if share.fate == "sent")
        return self.tools + sent + sum(share.tokens for share in (self.system, self.summary) if share)

    @property
    def is_nearly_full(self) -> bool:
        """Whether a question of some length and its answer might not fit."""
        return self.size is not None and self.tokens + self.reserve + self.size // 16 > self.size

    @property
    def is_over(self) -> bool:
        """Whether the answer has no room left, or the prompt itself does not fit."""
        return self.size is not None and self.tokens + self.reserve > self.size

    @property
    def is_beyond(self) -> bool:
        """Whether the prompt does not fit, as certainly as it can be told."""
        return self.size is not None and self.tokens > self.size * (1 if self.counted is not None else 1.1)

    @property
    def picture_tokens(self) -> int:
        """How many of the tokens that are sent are pictures, by estimate."""
        return sum(share.picture_tokens for share in self.shares if share.fate == "sent")

    @property
    def prompt(self) -> list[Message]:
        """What the engine reads: what changes least comes first, so that its cache holds."""
        said = [share.message for share in (self.system, self.summary) if share]
        is_gap = False
        for share in self.shares:
            if share.fate != "sent" or not share.message.parts:
                is_gap = is_gap or bool(share.message.parts)
                continue
            if is_gap and share.message.role == "assistant" and (not said or said[-1].role in ("system", "assistant")):
                said.append(user(GAP))
            said.append(share.message)
            is_gap = False
        return said


def filling(
    branch: Branch,
    system_prompt: str,
    *,
    model: str,
    size: int | None,
    max_tokens: int | None = None,
    sees_pictures: bool = True,
    offers: Sequence[ToolOffer] = (),
) -> Filling:
    """What fills the context of `model` when the branch is sent to it, and the description of the tools it may use."""
    each = PICTURE_TOKENS if sees_pictures else 0
    per_byte = _tokens_per_byte(branch, model)
    covered = covered_count(branch)
    words = branch[covered - 1].stand_in if covered else ""
    system = Message("system", (Text(system_prompt),)) if system_prompt.strip() else None
    summary = user(f"{SUMMARY}\n\n{words}") if words else None
    shares = tuple(
        _share(item, per_byte, _fate(item, is_covered=place < covered), each=each) for place, item in enumerate(branch)
    )
    found = Filling(
        Share(system, _about(system, per_byte)) if system else None,
        Share(summary, _about(summary, per_byte)) if summary else None,
        shares,
        size,
        reserve_for_answer(size, max_tokens),
        tools=sum(map(_described, offers)),
    )
    return _calibrated(found, branch, model)


def covered_count(branch: Branch) -> int:
    """How many messages from the first on something stands in for; the last such place counts."""
    return next((place + 1 for place in reversed(range(len(branch))) if branch[place].stand_in is not None), 0)


def unsent(branch: Branch) -> frozenset[str]:
    """The ids of the messages whose words the model is not sent."""
    covered = covered_count(branch)
    return frozenset(item.id for place, item in enumerate(branch) if _fate(item, is_covered=place < covered) != "sent")


def next_cover(found: Filling, most_tokens: int) -> int | None:
    """How many messages to cover for the rest to take at most so many tokens: whole exchanges, the last one never, as
    few as it takes, and as many as there are where none would do. None where nothing more can be covered."""
    starts = [place for place, share in enumerate(found.shares) if share.message.role == "user"]
    sent = [share.tokens if share.fate == "sent" else 0 for share in found.shares]
    left, passed, best = found.estimate - found.tools - (found.summary.tokens if found.summary else 0), 0, None
    for start in starts[1:]:
        gone = sum(
            sent[place] for place in range(passed, start) if not found.shares[place].is_pinned
        )  # pinned ones stay
        left, passed = left - gone, start
        if gone:
            best = start
            if left <= most_tokens:
                break
    return best


def reserve_for_answer(size: int | None, max_tokens: int | None) -> int:
    """The room to keep for the answer."""
    if size is None:
        return max_tokens or 0
    return min(max_tokens, size // 2) if max_tokens else min(LARGEST_RESERVE, size // 4)


def has_ended_at(size: int | None, usage: UsageReported | None, max_tokens: int | None) -> bool:
    """Whether an answer that was cut ended with the context, and not at the longest answer that was asked for."""
    if size is None or usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return False
    is_longest = max_tokens is not None and usage.completion_tokens >= max_tokens
    return not is_longest and usage.prompt_tokens + usage.completion_tokens >= size - MESSAGE_TOKENS


def roughly(message: Message) -> int:
    """The tokens of a message on its own, by its length."""
    return _about(message, 1 / BYTES_PER_TOKEN) + PICTURE_TOKENS * len(message.pictures)


def marked(branch: Branch, message_id: str, mark: Mark | None) -> tuple[StoredMessage, ...]:
    """The branch with another mark on a message; an answer of several messages is marked as a whole."""
    marked_ids: set[str] = set()
    for _, run in groupby(branch, key=lambda item: item.id if item.message.role == "user" else ""):
        ids = {item.id for item in run}
        marked_ids |= ids if message_id in ids else set()
    return tuple(replace(item, mark=mark) if item.id in marked_ids else item for item in branch)


def covered_down_to(branch: Branch, message_id: str, stand_in: str) -> tuple[StoredMessage, ...]:
    """The branch with something in the place of all messages down to this one."""
    return tuple(replace(item, stand_in=stand_in) if item.id == message_id else item for item in branch)


def uncovered(branch: Branch) -> tuple[StoredMessage, ...]:
    """The branch with nothing in the place of its messages."""
    return tuple(item if item.stand_in is None else replace(item, stand_in=None) for item in branch)


def _fate(item: StoredMessage, *, is_covered: bool) -> Fate:
    if item.mark == "left_out":
        return "left_out"
    return "covered" if is_covered and item.mark != "pinned" else "sent"


def _share(item: StoredMessage, per_byte: float, fate: Fate, *, each: int) -> Share:
    """What a message takes, each picture of a question so much."""
    pictures = each * len(item.message.pictures) if item.message.role == "user" else 0
    return Share(item.message, _tokens(item, per_byte) + pictures, fate, item.mark == "pinned", pictures)


def _bytes(message: Message) -> int:
    """What of a message is sent in words, in bytes: reasoning is not."""
    count = 0
    for part in message.parts:
        match part:
            case Text(text) | ToolResult(text=text):
                count += len(text.encode("utf-8", "replace"))
            case ToolCall(name=name, arguments=arguments):
                count += len(name) + len(arguments.encode("utf-8", "replace"))
            case _:
                pass
    return count


def _described(offer: ToolOffer) -> int:
    """What a tool takes before it is used."""
    told = f"{offer.name}{offer.description}{json.dumps(dict(offer.parameters))}"
    return round(len(told.encode("utf-8", "replace")) / BYTES_PER_TOKEN) + MESSAGE_TOKENS


def _about(message: Message, per_byte: float) -> int:
    return round(_bytes(message) * per_byte) + MESSAGE_TOKENS if message.parts else 0


def _tokens(item: StoredMessage, per_byte: float) -> int:
    """By the engine's count of an answer where that can be all of it."""
    about = _about(item.message, per_byte)
    counted = item.usage.completion_tokens if item.usage else None
    if counted is None or not about or item.message.reasoning or not _is_believable(counted + MESSAGE_TOKENS, about):
        return about
    return counted + MESSAGE_TOKENS


def _tokens_per_byte(branch: Branch, model: str) -> float:
    """By the answers of this model, which came with their count of tokens."""
    tokens = size = 0
    for item in branch:
        if item.model == model and item.usage and item.usage.completion_tokens and item.message.text:
            tokens += item.usage.completion_tokens
            size += _bytes(item.message) + len(item.message.reasoning.encode("utf-8", "replace"))
    return min(max(tokens / size, 0.1), 1.5) if tokens >= ENOUGH_TOKENS and size else 1 / BYTES_PER_TOKEN


def _calibrated(found: Filling, branch: Branch, model: str) -> Filling:
    """With the tokens of all that came before the last counted answer scaled to the engine's count of it."""
    for place in reversed(range(len(branch))):
        usage = branch[place].usage
        if branch[place].model != model or usage is None or not usage.prompt_tokens:
            continue
        before = replace(found, shares=found.shares[:place])
        if not before.estimate or not _is_believable(usage.prompt_tokens, before.estimate):
            return found
        factor = usage.prompt_tokens / before.estimate
        shares = (*(_scaled(share, factor) for share in before.shares), *found.shares[place:])
        system, summary = (_scaled(share, factor) if share else None for share in (found.system, found.summary))
        return replace(found, system=system, summary=summary, shares=shares, tools=round(found.tools * factor))
    return found


def _scaled(share: Share, factor: float) -> Share:
    return replace(share, tokens=round(share.tokens * factor), picture_tokens=round(share.picture_tokens * factor))


def _is_believable(counted: int, about: int) -> bool:
    return _BELIEVABLE[0] * about <= counted <= _BELIEVABLE[1] * about
