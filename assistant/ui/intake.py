"""The way in for a model file that is dropped on the page: slice by slice, since an upload has a limit and a model has
none. The first line of each slice is JSON: the file's `name` and `total` bytes, and the `offset` of what follows."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field, ValidationError

from assistant.errors import HearthError, LibraryError
from assistant.i18n import Translator
from assistant.library.incoming import Incoming
from assistant.visible import visible

_LONGEST_HEAD = 4000


class Intake:
    """Serves `/models/piece`, for which the guard has a limit. It gives `{"done": bool}`, or in `error` why not."""

    def __init__(self, incoming: Incoming, t: Translator) -> None:
        self._incoming, self._t = incoming, t

    def add_to(self, app: FastAPI) -> None:
        """Adds the route. It is safe behind the guard only."""
        app.add_api_route("/models/piece", self._take, methods=["POST"])

    async def _take(self, request: Request) -> Response:
        head, _, data = (await request.body()).partition(b"\n")
        try:
            if len(head) > _LONGEST_HEAD:
                raise LibraryError("library-lost-slice", name="?")
            told = _Head.model_validate_json(head)
            is_done = await asyncio.to_thread(
                self._incoming.take, told.name, offset=told.offset, total_bytes=told.total, data=data
            )
        except ValidationError:
            return JSONResponse({"error": self._t("error.library-name")}, 400)
        except HearthError as error:
            return JSONResponse({"error": visible(f"{error.message_in(self._t)} {error.hint_in(self._t)}")}, 409)
        return JSONResponse({"done": is_done})


class _Head(BaseModel):
    name: str = Field(max_length=300)
    offset: int = Field(ge=0)
    total: int = Field(gt=0, le=1 << 50)
