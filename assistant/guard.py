"""The front door: an ASGI wrapper around everything that is served. What it does not know, it refuses.

A local port is reachable by every web page and every program of this machine. What stops whom, in the order of
`Guard.__call__`:

    web socket, upgrade            Gradio needs none, and a page elsewhere may open one without asking (CSWSH)
    Host is exactly ours           a foreign name that was made to point at 127.0.0.1 (DNS rebinding)
    Origin, Sec-Fetch-Site         another page that posts, frames or links here, with our cookie or without (CSRF)
    /open with the one-time code   the only way to a cookie; the code is worthless once used or after a minute
    the cookie                     other programs and other users of the machine
    the list of routes and bodies  Gradio's routes that fetch, run or tell more than the page needs; endless bodies
    so many bodies at a time       a crowd of calls that would keep the page waiting and fill the memory; who is slow,
                                   and who holds sockets, is met before, in `launcher/connections.py`
    files only from `uploads`      reading any file, and any fetch by the server (SSRF): see also `payload.py`
    headers and queries, listed    X-Forwarded-Host and its kin, which Gradio believes; links to another's saved state
    headers out, listed            Access-Control-*; then the policy that keeps a model's words from loading anything
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.payload import (
    Bodies,
    BoundedBody,
    Headers,
    declared_length,
    fault_in,
    headers_by_name,
    is_inside,
    remove_left_over,
)
from assistant.sealed import ATTACHED_ROUTE, FILE_ROUTE, Refusal, SealedAnswer, refuse, sealed

CODE_LIFE_SECONDS = 60.0
CODES_OUTSTANDING = 32
UPLOAD_LIMIT_BYTES = 200_000_000 + 100_000  # 200 MB of file, and the envelope that a form puts around it
CALL_LIMIT_BYTES = 8_000_000
PIECE_LIMIT_BYTES = 9_000_000  # a slice of a model's file (assets/models.js), with its head
PICTURE_LIMIT_BYTES = 20_100_000  # see pictures.py, with its head
SMALL_LIMIT_BYTES = 64_000
TARGET_LIMIT_BYTES = 4_096

_PAGES = frozenset(
    {
        "/",
        "/favicon.ico",
        "/theme.css",
        "/gradio_api/app_id",
        "/gradio_api/queue/data",
        "/gradio_api/upload_progress",
    }
)
_PAGE_PREFIXES = ("/assets/", "/static/", "/scripts/", "/feed/", "/more/", "/context/", ATTACHED_ROUTE, FILE_ROUTE)
_UPLOAD = "/gradio_api/upload"
_PIECE = "/models/piece"
_PICTURE = "/pictures"
_WITH_QUERY = frozenset({"/gradio_api/queue/data", "/gradio_api/upload_progress", _UPLOAD})  # else: deep links
_CALLS = frozenset(
    {"/ask", "/card", "/context", "/decide", "/pictures/remove", "/gradio_api/queue/join", "/gradio_api/run/predict"}
)
_POSTS = {  # route: content type, bytes
    **dict.fromkeys(_CALLS, (b"application/json", CALL_LIMIT_BYTES)),
    "/gradio_api/cancel": (b"application/json", SMALL_LIMIT_BYTES),
    "/gradio_api/reset": (b"application/json", SMALL_LIMIT_BYTES),
    _PIECE: (b"application/octet-stream", PIECE_LIMIT_BYTES),
    _PICTURE: (b"application/octet-stream", PICTURE_LIMIT_BYTES),
    _UPLOAD: (b"multipart/form-data", UPLOAD_LIMIT_BYTES),
}

_HELD = frozenset({_PIECE, _PICTURE})  # in memory, whole

# No Accept-Encoding: packing what travels within the machine costs more time than it saves.
_HEADERS_IN = frozenset(
    b"host content-type content-length transfer-encoding accept accept-language range if-range if-none-match "
    b"if-modified-since user-agent".split()
)
_NO_UPGRADE = Refusal(403, "Not here.")
_WRONG_HOST = Refusal(421, "Not here.")
_FOREIGN = Refusal(403, "Not from there.")
_WRONG_CODE = Refusal(403, "This address has been used, or is older than a minute. Open Hearth again from the program.")
_LOCKED = Refusal(401, "Hearth answers its own window only. Open Hearth from the program.")
_NO_ROUTE = Refusal(404, "Nothing here.")
_TOO_LONG = Refusal(414, "Too long.")
_WRONG_TYPE = Refusal(415, "Not in this form.")
_TOO_LARGE = Refusal(413, "Too large.", close=True)
_NO_FILE = Refusal(403, "No such file.")
_BAD_CALL = Refusal(400, "Not understood.")
_CROWDED = Refusal(503, "Too much at once. Try again in a moment.")
_BROKEN = Refusal(500, "Something in Hearth went wrong.")


class Guard:
    """Wraps `app`, which is served on http://127.0.0.1:`port` and nowhere else.

    `uploads` is the one folder whose files may be served or named in a call (Gradio's upload folder); without it, none
    may. `clock` returns seconds and never goes back.
    """

    def __init__(
        self, app: ASGIApp, *, port: int, uploads: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._port = port
        self._uploads = uploads
        self._clock = clock
        self._host = f"127.0.0.1:{port}".encode()
        self._origin = b"http://" + self._host
        self._cookie_name = f"hearth_{port}".encode()  # cookies ignore ports: two Hearths must not share one
        self._cookie = secrets.token_urlsafe(32).encode()
        self._codes: dict[bytes, float] = {}  # code -> when it ends
        self._codes_lock = threading.Lock()
        self._bodies = Bodies()

    def one_time_address(self) -> str:
        """A fresh address that lets its first visitor in, within a minute. Safe from any thread."""
        code = secrets.token_urlsafe(32)
        with self._codes_lock:
            while len(self._codes) >= CODES_OUTSTANDING:
                del self._codes[next(iter(self._codes))]
            self._codes[code.encode()] = self._clock() + CODE_LIFE_SECONDS
        return f"http://127.0.0.1:{self._port}/open?code={code}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = headers_by_name(scope)
        if stranger := self._stranger(scope, headers):
            await refuse(stranger, scope, receive, send)
        elif scope["path"] == "/open" and scope["method"] == "GET":
            await self._open(scope, receive, send)
        elif not self._has_cookie(headers):
            await refuse(_LOCKED, scope, receive, send)
        elif refusal := self._unknown(scope, headers):
            await refuse(refusal, scope, receive, send)
        else:
            await self._pass_on(scope, headers, receive, send)

    def _stranger(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Refuses what a page of somewhere else, or a name that is not ours, brings here."""
        if b"upgrade" in headers:
            return _NO_UPGRADE
        target: bytes = scope["raw_path"]
        # An absolute-form target names a host of its own, beside the Host header.
        if headers.get(b"host") != [self._host] or not target.startswith(b"/"):
            return _WRONG_HOST
        if headers.get(b"origin") not in (None, [self._origin]):
            return _FOREIGN
        if headers.get(b"sec-fetch-site") not in (None, [b"same-origin"], [b"none"]):
            return _FOREIGN
        if len(target) + len(scope["query_string"]) > TARGET_LIMIT_BYTES:
            return _TOO_LONG
        return None

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Exchanges the code for the cookie. The page's address holds no code: it stays in no history and no log."""
        if not self._spend(scope["query_string"]):
            await refuse(_WRONG_CODE, scope, receive, send)
            return
        cookie = self._cookie_name + b"=" + self._cookie + b"; HttpOnly; SameSite=Strict; Path=/"
        own = [(b"location", b"/"), (b"set-cookie", cookie), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": sealed(own, scope["path"])})
        await send({"type": "http.response.body"})

    def _spend(self, query: bytes) -> bool:
        """Whether `query` is one code that is still good. It is not, from now on."""
        fields = parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True)
        if len(fields) != 1 or fields[0][0] != "code":
            return False
        offered = fields[0][1].encode("utf-8", "replace")
        with self._codes_lock:
            now = self._clock()
            self._codes = {code: end for code, end in self._codes.items() if now < end}
            found = [code for code in self._codes if hmac.compare_digest(code, offered)]
            for code in found:
                del self._codes[code]
        return bool(found)

    def _has_cookie(self, headers: Headers) -> bool:
        pairs = [pair.strip().partition(b"=") for line in headers.get(b"cookie", ()) for pair in line.split(b";")]
        ours = [value for name, _, value in pairs if name == self._cookie_name]
        return len(ours) == 1 and hmac.compare_digest(ours[0], self._cookie)

    def _unknown(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Refuses what the page never asks for: other routes, methods, kinds of body, and files of elsewhere."""
        path: str = scope["path"]
        length = declared_length(headers)
        if scope["method"] in ("GET", "HEAD"):
            if path.startswith(FILE_ROUTE):
                return None if is_inside(self._uploads, path.removeprefix(FILE_ROUTE)) else _NO_FILE
            if not (path in _PAGES or (path.startswith(_PAGE_PREFIXES) and _is_plain(path))):
                return _NO_ROUTE
            return _TOO_LARGE if length else None
        post = _POSTS.get(path) if scope["method"] == "POST" else None
        if post is None:
            return _NO_ROUTE
        content_type, limit = post
        kinds = [value.partition(b";")[0].strip().lower() for value in headers.get(b"content-type", ())]
        if kinds != [content_type]:
            return _WRONG_TYPE
        return _TOO_LARGE if length > limit else None

    async def _pass_on(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["was_let_in"] = True  # the server makes room for newcomers among the others
        post = _POSTS.get(scope["path"]) if scope["method"] == "POST" else None
        body = BoundedBody(receive, limit=post[1] if post else 0)
        if post is None:
            await self._answer(scope, body, send)
            return
        is_call = scope["path"] in _CALLS
        try:
            held_bytes = declared_length(headers) or post[1] if is_call or scope["path"] in _HELD else 0
            with self._bodies.one_more(held_bytes) as has_room:
                if not has_room:
                    await refuse(_CROWDED, scope, receive, send)
                elif is_call and fault_in(await body.read(), origin=self._origin.decode(), uploads=self._uploads):
                    await refuse(_TOO_LARGE if body.is_over else _BAD_CALL, scope, body.left, send)
                else:
                    await self._answer(scope, body, send)
        finally:
            if scope["path"] == _UPLOAD and self._uploads and not self._bodies.count:
                await asyncio.to_thread(remove_left_over, self._uploads)

    async def _answer(self, scope: Scope, body: BoundedBody, send: Send) -> None:
        inner: Scope = {
            **scope,
            "scheme": "http",
            "server": ("127.0.0.1", self._port),
            "root_path": "",
            "query_string": scope["query_string"] if scope["path"] in _WITH_QUERY else b"",
            "headers": [(name, value) for name, value in scope["headers"] if name in _HEADERS_IN],
        }
        answer = SealedAnswer(send, path=scope["path"], body=body)
        try:
            await self._app(inner, body.receive, answer.send)
        except Exception:
            if not body.is_over:  # else it only says that the body broke off, which it did
                raise
        finally:
            if not answer.has_started:
                await refuse(_TOO_LARGE if body.is_over else _BROKEN, scope, body.left, send)


def _is_plain(path: str) -> bool:
    """Whether `path` goes straight down: no step back, no empty step, nothing that another reader would read anew."""
    return path.isprintable() and not any(odd in path for odd in ("..", "//", "\\", "%"))
