"""The way in and out for pictures that a person attaches; pictures.js draws them. What is served is a picture by its
own bytes, and can never be a page (see also `sealed`)."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, Field, ValidationError

from assistant.conversation import Conversation
from assistant.conversations import Conversations
from assistant.errors import HearthError, PictureError
from assistant.i18n import Translator
from assistant.pictures import cleaned, media_type_of
from assistant.ui.render import shown

_LONGEST_HEAD = 4000


class Pictures:
    """Takes a picture for a chat's draft by POST to `/pictures` (first a line of JSON with `chat` and `name`, then the
    file), takes one out again by `/pictures/remove` (`chat` and `id`), and serves all pictures of this profile
    as `/attached/ID`. What fails is told in `error`."""

    def __init__(self, conversations: Conversations, t: Translator) -> None:
        self._conversations, self._t = conversations, t
        self._drawing = asyncio.Lock()  # one at a time: a large one takes memory

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes. They are safe behind the guard only."""
        app.add_api_route("/pictures", self._take, methods=["POST"])
        app.add_api_route("/pictures/remove", self._remove, methods=["POST"])
        app.add_api_route("/attached/{chat}/{file}", self._show, methods=["GET"])

    def state(self, conversation: Conversation) -> dict[str, Any]:
        """What the composer shows: the pictures of its draft, and why the model would not see them."""
        fault = conversation.blindness
        return {"files": [shown(file) for file in conversation.enclosed.files], "blind": self.words(fault)}

    def words(self, fault: HearthError | None) -> str:
        """A fault and its cure in one line; empty for none."""
        return f"{fault.message_in(self._t)} {fault.hint_in(self._t)}".strip() if fault else ""

    async def _take(self, request: Request) -> Response:
        head, _, content = (await request.body()).partition(b"\n")
        try:
            told = _Head.model_validate_json(head[:_LONGEST_HEAD])
            conversation = await self._conversations.open(told.chat)
            if conversation is None:
                return JSONResponse({"error": self._t("chat.gone")}, 404)
            async with self._drawing:
                picture = await asyncio.to_thread(cleaned, told.name, content)
            added = await conversation.enclosed.add(told.name, picture)
        except ValidationError:
            return JSONResponse({"error": self._t("error.picture.kind", name="?")}, 400)
        except PictureError as error:
            return JSONResponse({"error": self.words(error)}, 409)
        except HearthError as error:
            return JSONResponse({"error": self.words(error)}, 503)
        return JSONResponse(shown(added))

    async def _remove(self, wish: _Wish) -> Response:
        try:
            conversation = await self._conversations.open(wish.chat)
            if conversation is not None:
                await conversation.enclosed.remove(wish.id)
        except HearthError as error:
            return JSONResponse({"error": self.words(error)}, 503)
        return JSONResponse({})

    async def _show(self, chat: str, file: str) -> Response:
        content = await asyncio.to_thread(self._conversations.attached, f"{chat}/{file}")
        kind = media_type_of(content) if content is not None else None
        if content is None or kind is None:
            return PlainTextResponse("No such picture.\n", 404)
        return Response(content, media_type=kind)


class _Head(BaseModel):
    chat: str = Field(max_length=64)
    name: str = Field(max_length=1000)


class _Wish(BaseModel):
    chat: str
    id: str
