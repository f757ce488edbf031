"""The feed: how a page gets the words of its chat, as they come, and how it asks. One stream of events for each page
that is looked at.

Gradio's own components draw a chat anew with each word; a page of ours is told what is new (`transcript`), draws that
(assets/transcript.js), and stays as fast with a thousand messages as with none.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel

from assistant.conversation import Conversation
from assistant.conversations import Conversations
from assistant.engines.embedded import LOADS_SOON_SECONDS
from assistant.errors import HearthError
from assistant.events import ModelLoading
from assistant.i18n import Translator
from assistant.ui.context_panel import ContextPanel
from assistant.ui.names import NameOf
from assistant.ui.pace import Pace
from assistant.ui.pictures import Pictures
from assistant.ui.render import loading_words
from assistant.ui.transcript import Frame, Transcript, View

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0
LOADING_SECONDS = 0.5
MOST_READERS = 4  # a browser has six connections for an address; more windows than that are told in turns


class Feed:
    """Serves `/feed/CHAT/MESSAGE`, a stream of frames of that chat from the message on (or "-", or
    transcript.WHOLE), and `/more/READER`, after which the stream of that reader shows more of what came earlier. `/ask`
    takes a question as JSON: `chat`, `text`, the ids of pictures in `files` and, where an earlier question is edited,
    its id in `edit`; it gives the chat's draft, or in `error` why not.

    A frame may also say that it carries more than further words ("urgent"), and that something around the messages has
    changed, for the page to ask Gradio about: "stirred", of the chat, and "banner", once `banner` gives other words;
    how full the model's context is ("context": see context_panel.gauge), and which pictures stand in the composer
    ("enclosed": see Pictures.state), when that has changed; and how far a model of the built-in engine has come into
    the memory ("loading": its words and its share, or null), while that takes longer than a moment.
    """

    def __init__(
        self,
        conversations: Conversations,
        t: Translator,
        *,
        banner: Callable[[], str],
        context: ContextPanel,
        pictures: Pictures,
        loading: Callable[[], ModelLoading | None],
        name_of: NameOf,
    ) -> None:
        self._conversations, self._t, self._banner, self._context = conversations, t, banner, context
        self._pictures, self._loading, self._name_of = pictures, loading, name_of
        self._readers: dict[str, _Reader] = {}  # by a name that only its own page is told

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes. They are safe behind the guard only."""
        app.add_api_route("/feed/{chat}/{message}", self._feed, methods=["GET"])
        app.add_api_route("/more/{reader}", self._more, methods=["GET"])
        app.add_api_route("/ask", self._ask, methods=["POST"])

    async def _feed(self, chat: str, message: str) -> Response:
        try:
            conversation = await self._conversations.open(chat)
        except HearthError as error:
            log.warning("a chat could not be opened: %s", error)
            return PlainTextResponse("Not now.\n", 503)
        if conversation is None:
            return PlainTextResponse("No such chat.\n", 404)
        transcript = Transcript(self._t, down_to=message.strip("-"), name_of=self._name_of)
        reader = _Reader(
            conversation,
            transcript,
            self._banner,
            gauge=self._context.gauge,
            enclosed=self._pictures.state,
            loading=self._loads,
        )
        return StreamingResponse(self._told(reader), media_type="text/event-stream")

    def _loads(self) -> dict[str, Any] | None:
        loading = self._loading()
        if loading is None or loading.seconds < LOADS_SOON_SECONDS:
            return None
        share = min(0.99, loading.loaded_bytes / max(1, loading.needed_bytes))
        return {"words": loading_words(loading, self._t), "share": round(share, 2)}

    async def _more(self, reader: str) -> Response:
        if reader not in self._readers:
            return PlainTextResponse("No such reader.\n", 404)
        self._readers[reader].widen()
        return Response(status_code=204)

    async def _ask(self, question: _Question) -> Response:
        try:
            conversation = await self._conversations.open(question.chat)
            if conversation is None:
                return JSONResponse({"error": self._t("chat.gone")}, 404)
            if conversation.is_running:
                return JSONResponse({"error": ""}, 409)
            if question.edit and conversation.message(question.edit) is None:
                return JSONResponse({"error": self._t("chat.edit-gone")}, 409)
            files = conversation.files_named(question.files, edit=question.edit)
            if files is None:
                return JSONResponse({"error": self._t("picture.gone")}, 409)
            if files and (fault := conversation.blindness) is not None:
                return JSONResponse({"error": self._pictures.words(fault)}, 409)
            if question.edit:
                await conversation.edit(question.edit, question.text, files)
            else:
                await conversation.send(question.text, files)
                await conversation.keep_draft("")
        except HearthError as error:
            return JSONResponse({"error": f"{error.message_in(self._t)} {error.hint_in(self._t)}"}, 503)
        return JSONResponse({"draft": conversation.draft})

    async def _told(self, reader: _Reader) -> AsyncGenerator[str]:
        """The frames as events. The oldest of too many readers ends; its page comes back in its turn."""
        name = secrets.token_urlsafe(12)
        self._readers[name] = reader
        while len(self._readers) > MOST_READERS:
            self._readers.pop(next(iter(self._readers))).end()
        try:
            yield _event("reader", name)
            async for frame in reader.frames():
                yield _event("frame", frame)
            yield _event("end", "")
        finally:
            self._readers.pop(name, None)


class _Question(BaseModel):
    chat: str
    text: str
    edit: str = ""
    files: list[str] = []


class _Reader:
    """One page that follows a chat."""

    def __init__(
        self,
        conversation: Conversation,
        transcript: Transcript,
        banner: Callable[[], str],
        *,
        gauge: Callable[[Conversation], Awaitable[dict[str, Any]]],
        enclosed: Callable[[Conversation], dict[str, Any]],
        loading: Callable[[], dict[str, Any] | None],
    ) -> None:
        self._conversation, self._transcript, self._banner = conversation, transcript, banner
        self._gauge, self._enclosed, self._loading = gauge, enclosed, loading
        self._wish = asyncio.Event()
        self._has_ended = False

    def widen(self) -> None:
        """Shows more of what came earlier."""
        self._transcript.widen()
        self._wish.set()

    def end(self) -> None:
        """Ends the frames."""
        self._has_ended = True
        self._wish.set()

    async def frames(self) -> AsyncGenerator[Frame]:
        """The chat as it is, then what changes, until the page goes away."""
        pace = Pace()
        chat = self._conversation
        milestone, banner = chat.milestone, ""
        gauge: dict[str, Any] | None = None
        enclosed: dict[str, Any] | None = None
        loading: dict[str, Any] | None = None
        while not self._has_ended:
            began, news, passed = time.monotonic(), chat.news, milestone
            milestone = chat.milestone
            self._wish.clear()
            waiting = frozenset(call.id for call in chat.approvals.waiting(chat.settled)) if chat.live is None else ()
            view = View(chat.settled, chat.siblings, chat.live, frozenset(waiting), chat.changed.steps, chat.columns)
            # In a thread: to draw up a long chat takes longer than anything else on this loop may wait.
            frame = await asyncio.to_thread(self._transcript.frame, view)
            if milestone is not passed and view.live is None:
                frame["stirred"] = True
            # At rest only, and never for a word: it looks at every message.
            if view.live is None and (shown := await self._gauge(chat)) != gauge:
                frame["context"] = gauge = shown
            if (milestone is not passed or view.live is None) and (stands := self._enclosed(chat)) != enclosed:
                frame["enclosed"] = enclosed = stands
            if (loads := self._loading()) != loading:
                frame["loading"] = loading = loads
            if frame and milestone is not passed:
                frame["urgent"] = True
            if (words := self._banner()) != banner:
                frame["banner"], banner = True, words
            if frame:
                yield frame
            pace = pace.after(time.monotonic() - began)
            await _first_of(news, self._wish, timeout_seconds=LOADING_SECONDS if loads else LOOK_SECONDS)
            rest = pace.interval_seconds - (time.monotonic() - began)
            await _first_of(milestone, self._wish, timeout_seconds=max(0.0, rest))  # more words can wait, their end not


async def _first_of(*events: asyncio.Event, timeout_seconds: float) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _event(kind: str, data: object) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"
