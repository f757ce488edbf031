"""Gradio's scripts and styles, handed out before its own layers are asked; the styles of a page as one sheet."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

import gradio as gr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.ui.styles import style_names

ROUTE = "/assets/"
_TYPES = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8"}
_END_OF_HEAD = b"</head>"


class Shelf:
    """Wraps `app`, whose page shows these `kinds` of components.

    A page wants eighty files at its start. Through Gradio's layers each takes several milliseconds of the processor,
    here less than one; and a browser takes as long again to ask for each. So the styles are one sheet, and stand in the
    page once more as links that are switched off: Gradio's scripts look for them before they fetch them. What is not
    here (pictures, fonts, what a new Gradio lays elsewhere) Gradio serves as ever.
    """

    def __init__(self, app: ASGIApp, kinds: Collection[str]) -> None:
        self._app = app
        folder = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
        files = folder.iterdir() if folder.is_dir() else ()
        # By name and from a list: a request's path is never followed.
        self._files = {ROUTE + path.name: path for path in files if path.suffix in _TYPES}
        names = style_names(kinds, folder)
        self._sheet = b"\n".join((folder / name).read_bytes() for name in names)
        self._sheet_route = f"{ROUTE}styles-{hashlib.sha256(self._sheet).hexdigest()[:12]}.css"
        links = [f'<link rel="stylesheet" crossorigin href="{self._sheet_route}">']
        links += [f'<link rel="stylesheet" crossorigin disabled href="{ROUTE}{name}">' for name in names]
        self._head = "".join(links).encode() + _END_OF_HEAD if names else _END_OF_HEAD

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"] if scope["type"] == "http" and scope["method"] == "GET" else ""
        if path == "/":
            await self._app(scope, receive, _Headed(send, self._head).send)
        elif path == self._sheet_route:
            await _hand_out(self._sheet, ".css", send)
        elif path in self._files:
            await _hand_out(self._files[path].read_bytes(), self._files[path].suffix, send)
        else:
            await self._app(scope, receive, send)


class _Headed:
    """A page on its way out, which gets `head` in place of the end of its head. One in pieces stays as it is."""

    def __init__(self, send: Send, head: bytes) -> None:
        self._send, self._head = send, head
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if (start := self._start) is not None:
            self._start = None
            if not message.get("more_body", False):
                message = {**message, "body": message.get("body", b"").replace(_END_OF_HEAD, self._head, 1)}
                kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
                start = {**start, "headers": [*kept, (b"content-length", str(len(message["body"])).encode())]}
            await self._send(start)
        await self._send(message)


async def _hand_out(body: bytes, suffix: str, send: Send) -> None:
    headers = [(b"content-type", _TYPES[suffix]), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
