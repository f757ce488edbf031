"""Gradio's scripts and styles, handed out before its own layers are asked: a page wants eighty of them at its start."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from starlette.types import ASGIApp, Receive, Scope, Send

ROUTE = "/assets/"
_TYPES = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8"}


class Shelf:
    """Wraps `app`. What it does not have (pictures, fonts, what a new Gradio lays elsewhere) Gradio serves as ever,
    which takes several milliseconds of the processor for each file where this takes less than one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        folder = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
        files = folder.iterdir() if folder.is_dir() else ()
        # By name and from a list: a request's path is never followed.
        self._files = {ROUTE + path.name: path for path in files if path.suffix in _TYPES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = self._files.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if path is None:
            await self._app(scope, receive, send)
            return
        body = path.read_bytes()
        headers = [(b"content-type", _TYPES[path.suffix]), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
