"""The cards on which a person decides about tool calls: what is asked, and the way back of what they say.

A card says what its call would do at this moment; a decision carries the mark of what was shown (see `approvals`). Both
are asked for by routes of ours, which are safe behind the guard only.
"""

from __future__ import annotations

import logging

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from assistant.approvals import Verdict
from assistant.conversations import Conversations
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.ui.tool_words import question_words

log = logging.getLogger(__name__)

LONGEST_WORD = 2_000


class Cards:
    """Serves `/card`, which gives what is asked about the call `call` of the chat `chat`, and null where it does not
    wait (any more); and `/decide`, which takes what the person said: besides these two `verdict`, `mark` and `word`. It
    gives whether that was `taken`."""

    def __init__(self, conversations: Conversations, t: Translator) -> None:
        self._conversations, self._t = conversations, t

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes."""
        app.add_api_route("/card", self._card, methods=["POST"])
        app.add_api_route("/decide", self._decide, methods=["POST"])

    async def _card(self, wanted: _Wanted) -> Response:
        try:
            conversation = await self._conversations.open(wanted.chat)
            asked = None
            if conversation is not None and not conversation.is_running:
                asked = await conversation.approvals.question(conversation.settled, wanted.call)
        except HearthError as error:
            log.warning("a card could not be made: %s", error)
            return JSONResponse(None, 503)
        return JSONResponse(None if asked is None else question_words(asked, self._t))

    async def _decide(self, said: _Decision) -> Response:
        try:
            conversation = await self._conversations.open(said.chat)
            if conversation is None:
                return JSONResponse({"taken": False}, 404)
            taken = await conversation.decide(said.call, said.verdict, mark=said.mark, word=said.word)
        except HearthError as error:
            return JSONResponse({"error": f"{error.message_in(self._t)} {error.hint_in(self._t)}"}, 503)
        return JSONResponse({"taken": taken})


class _Wanted(BaseModel):
    chat: str
    call: str


class _Decision(_Wanted):
    verdict: Verdict
    mark: str = ""
    word: str = Field(default="", max_length=LONGEST_WORD)
