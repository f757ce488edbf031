"""The context, visible: a gauge at the composer and, on a click, what fills it; context.js draws both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from assistant.configuration import Configuration
from assistant.context import Filling, Share, covered_count, next_cover
from assistant.conversation import Conversation
from assistant.conversations import Conversations
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.records import StoredMessage
from assistant.ui.render import OVERFLOWS, bubbles

log = logging.getLogger(__name__)

LONGEST_WORDS = 90
Row = dict[str, Any]


def gauge(found: Filling, t: Translator, *, asks: bool) -> dict[str, Any]:
    """What the composer shows: `fill` in percent, or null where the size is not known; `near` when it is nearly full,
    and with it, where the person is to choose, a `notice` with a word for each way."""
    shown: dict[str, Any] = {
        "fill": None,
        "near": found.is_nearly_full,
        "short": t("context.tokens", count=_count(found)),
    }
    if found.size is not None:
        percent = round(100 * found.tokens / found.size)
        shown |= {"fill": min(100, percent), "short": t("context.percent", percent=percent)}
    shown["label"] = t("context.gauge", short=shown["short"])
    if found.is_nearly_full and asks and next_cover(found, 0) is not None:
        shown["notice"] = {
            "words": t("context.nearly-full"),
            "leave_out": t("context.leave-out-oldest"),
            "summarise": t("context.summarise-oldest"),
        }
    return shown


class ContextPanel:
    """Serves `/context/CHAT`, what fills the context, and takes by POST to `/context` something to do about it, which
    gives the same. The JSON holds words as they are, which context.js puts in as text."""

    def __init__(self, conversations: Conversations, configuration: Configuration, t: Translator) -> None:
        self._conversations, self._configuration, self._t = conversations, configuration, t

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes. They are safe behind the guard only."""
        app.add_api_route("/context/{chat}", self._show, methods=["GET"])
        app.add_api_route("/context", self._do, methods=["POST"])

    async def gauge(self, conversation: Conversation) -> dict[str, Any]:
        """The gauge of a chat; as long as nothing changes it costs nothing to ask again."""
        failure = conversation.settled[-1].failure if conversation.settled else None
        has_offered = failure is not None and failure.key in OVERFLOWS  # below the answer, and nearer to the eye
        asks = self._configuration.settings.when_full == "ask" and not has_offered
        return gauge(await conversation.filling(), self._t, asks=asks)

    async def _show(self, chat: str) -> Response:
        try:
            conversation = await self._conversations.open(chat)
            if conversation is None:
                return self._refused(self._t("chat.gone"), 404)
            found = await conversation.counted_filling()
        except HearthError as error:
            return self._refused(f"{error.message_in(self._t)} {error.hint_in(self._t)}", 503)
        drawn = await asyncio.to_thread(self._drawn, conversation, found)
        return JSONResponse(drawn | {"gauge": await self.gauge(conversation)})

    async def _do(self, wish: _Wish) -> Response:
        try:
            conversation = await self._conversations.open(wish.chat)
            if conversation is None:
                return self._refused(self._t("chat.gone"), 404)
            match wish.do:
                case "pinned" | "left_out":
                    await conversation.mark(wish.message, wish.do)
                case "unmark":
                    await conversation.mark(wish.message, None)
                case "send_all":
                    await conversation.send_all()
                case "leave_out" | "summarise":
                    await conversation.make_room(wish.do)
                case "when_full":
                    await asyncio.to_thread(self._configuration.choose_when_full, wish.value)
        except HearthError as error:
            return self._refused(f"{error.message_in(self._t)} {error.hint_in(self._t)}", 503)
        return await self._show(wish.chat)

    def _refused(self, why: str, status: int) -> Response:
        return JSONResponse({"error": why.strip()}, status)

    def _drawn(self, conversation: Conversation, found: Filling) -> dict[str, Any]:
        t, branch = self._t, conversation.settled
        total = _count(found)
        head = t("context.head.unknown", count=total)
        if found.size is not None:
            shares = {"percent": round(100 * found.tokens / found.size), "count": total, "size": t.number(found.size)}
            head = t("context.head.about", **shares) if found.counted is None else t("context.head", **shares)
        choices = [(choice, t(f"settings.when_full.{choice}")) for choice in ("ask", "leave_out", "summarise")]
        return {
            "title": t("context.title"),
            "head": head,
            "parts": _parts(found),
            "rows": [*self._beginnings(branch, found), *self._messages(branch, found)],
            "reserve": t("context.reserve", count=found.reserve) if found.reserve else "",
            "can_make_room": next_cover(found, 0) is not None and not conversation.is_running,
            "is_covered": covered_count(branch) > 0,
            "when_full": self._configuration.settings.when_full,
            "choices": choices,
            "words": {
                "close": t("banner.close"),
                "pin": t("context.pin"),
                "unpin": t("context.unpin"),
                "leaveOut": t("context.leave-out"),
                "send": t("context.send"),
                "leaveOutOldest": t("context.leave-out-oldest"),
                "summariseOldest": t("context.summarise-oldest"),
                "sendAll": t("context.send-all"),
                "whenFull": t("settings.when_full"),
                "bySize": t("context.by-size"),
                "byPlace": t("context.by-place"),
                "more": t("context.more"),
                "working": t("context.working"),
                "empty": t("context.empty"),
            },
        }

    def _beginnings(self, branch: Sequence[StoredMessage], found: Filling) -> list[Row]:
        """What comes before the messages."""
        rows: list[Row] = []
        if found.system:
            rows.append(_row("system", self._t("context.system"), found.system))
        if found.tools:
            rows.append(
                {"kind": "tools", "title": self._t("context.tools"), "words": "", "tokens": found.tools, "fate": "sent"}
            )
        if found.summary:
            title = self._t("context.summary", count=len(bubbles(branch[: covered_count(branch)])))
            rows.append(_row("summary", title, found.summary))
        return rows

    def _messages(self, branch: Sequence[StoredMessage], found: Filling) -> list[Row]:
        shares = {item.id: share for item, share in zip(branch, found.shares, strict=False)}
        rows: list[Row] = []
        for bubble in bubbles(branch):
            parts = [shares[item.id] for item in bubble if item.id in shares and item.message.parts]
            if not parts:
                continue
            who = self._t("context.you") if parts[0].message.role == "user" else self._t("context.model")
            row = _row("message", who, parts[0]) | {"id": bubble[0].id, "tokens": sum(part.tokens for part in parts)}
            pictures = [f"[{file.name}]" for part in parts for file in part.message.pictures]
            words = "".join(part.message.text[:LONGEST_WORDS] for part in parts)
            row["words"] = _first_words(" ".join((*pictures, words)))
            row["note"] = {
                "sent": self._t("context.pinned") if parts[0].is_pinned else "",
                "left_out": self._t("context.left-out"),
                "covered": self._t("context.covered"),
            }[parts[0].fate]
            if taken := sum(part.picture_tokens for part in parts):
                words = self._t("context.pictures", count=len(pictures), tokens=self._t.number(taken))
                row["note"] = " · ".join(filter(None, (words, row["note"])))
            rows.append(row)
        return rows


class _Wish(BaseModel):
    do: Literal["pinned", "left_out", "unmark", "send_all", "leave_out", "summarise", "when_full"]
    chat: str
    message: str = ""
    value: Literal["ask", "leave_out", "summarise"] = "ask"


def _row(kind: str, title: str, share: Share) -> Row:
    return {
        "kind": kind,
        "title": title,
        "words": _first_words(share.message.text),
        "tokens": share.tokens,
        "fate": share.fate,
        "is_pinned": share.is_pinned,
    }


def _parts(found: Filling) -> list[tuple[str, float]]:
    """The bar: what takes which part of the context, in percent; empty where the size is not known."""
    if not found.size:
        return []
    begins = found.tools + sum(share.tokens for share in (found.system, found.summary) if share)
    pictures = found.picture_tokens
    chat = max(0, found.tokens - begins - pictures)
    parts = {"begin": begins, "pictures": pictures, "chat": chat, "reserve": found.reserve}
    return [(name, round(100 * tokens / found.size, 1)) for name, tokens in parts.items()]


def _first_words(text: str) -> str:
    words = " ".join(text[: 2 * LONGEST_WORDS].split())
    return words if len(words) <= LONGEST_WORDS else f"{words[:LONGEST_WORDS]}…"


def _count(found: Filling) -> int:
    return found.tokens
