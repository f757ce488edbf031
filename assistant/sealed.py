"""What leaves the door: every answer's headers, and the guard's own short answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope, Send

from assistant.payload import BoundedBody, declared_length, headers_by_name

LINGER_SECONDS = 5.0
SILENCE_SECONDS = 0.5
DRAINED_BYTES = 64_000
FILE_ROUTE = "/gradio_api/file="
ATTACHED_ROUTE = "/attached/"

POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    b"worker-src 'self' blob:; frame-src 'none'; object-src 'none'; base-uri 'self'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
# An uploaded page or drawing that is opened by its own address runs nothing and has no origin.
FILE_POLICY = b"default-src 'none'; sandbox; form-action 'none'; frame-ancestors 'none'"
# A script, style or font obeys the policy of the page that loads it; opened by its own address it gets nothing.
ASSET_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# Only names that both Chromium and Qt's know: each says of every other that it is unknown.
_PERMISSIONS = b"camera=(), microphone=(), geolocation=(), display-capture=(), serial=(), hid=(), midi=()"
_ALWAYS = (
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
# For what a browser may show by itself. Below /assets/ lie scripts, styles and fonts, and each header costs time.
_OF_A_PAGE = (
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", _PERMISSIONS),
    (b"x-frame-options", b"DENY"),
)
_OF_AN_ASSET = (
    (b"cache-control", b"private, max-age=31536000, immutable"),  # its name holds a hash; the rest may change
    (b"content-security-policy", ASSET_POLICY),
)

_HEADERS_OUT = frozenset(
    b"content-type content-length content-disposition content-range accept-ranges etag last-modified".split()
)
_SHOWN_TYPES = (b"image/", b"audio/", b"video/")


@dataclass(frozen=True)
class Refusal:
    """An answer of the guard's own. The text is constant: it repeats nothing of the request."""

    status: int
    text: str
    close: bool = False


class SealedAnswer:
    """An answer on its way out: its headers sealed, its body untouched and unbuffered."""

    def __init__(self, send: Send, *, path: str, body: BoundedBody) -> None:
        self._send = send
        self._path = path
        self._body = body
        self.has_started = False

    async def send(self, message: Message) -> None:
        if self._body.is_over and not self.has_started:
            return  # what the app says of a body that was cut off; the guard says it better
        if message["type"] == "http.response.start":
            self.has_started = True
            kept = [(name, value) for name, value in message.get("headers", []) if name.lower() in _HEADERS_OUT]
            message = {**message, "headers": sealed(kept, self._path if message["status"] < 400 else "")}
        await self._send(message)


def sealed(headers: list[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    """`headers` and all that every answer carries."""
    is_file = path.startswith((FILE_ROUTE, ATTACHED_ROUTE))
    if is_file and not _may_be_shown(headers):
        names = [value for name, value in headers if name == b"content-disposition" and value.startswith(b"attachment")]
        headers = [(name, value) for name, value in headers if name not in (b"content-type", b"content-disposition")]
        headers += [
            (b"content-type", b"application/octet-stream"),
            (b"content-disposition", names[0] if names else b"attachment"),
        ]
    if path.startswith("/assets/"):
        return [*headers, *_OF_AN_ASSET, *_ALWAYS]
    policy = (b"content-security-policy", FILE_POLICY if is_file else POLICY)
    return [*headers, (b"cache-control", b"no-store"), policy, *_ALWAYS, *_OF_A_PAGE]


def _may_be_shown(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a file is a picture or a sound, and not a page in disguise (a drawing in SVG is one)."""
    kinds = [value.lower() for name, value in headers if name == b"content-type"]
    return len(kinds) == 1 and kinds[0].startswith(_SHOWN_TYPES) and b"svg" not in kinds[0] and b"xml" not in kinds[0]


async def refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers instead of the app. A long body that is on its way is read and thrown away, for a while."""
    body = refusal.text.encode() + b"\n"
    own = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    headers = headers_by_name(scope)
    is_long = refusal.close or declared_length(headers) > DRAINED_BYTES or b"transfer-encoding" in headers
    if is_long:
        own.append((b"connection", b"close"))
    sent = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.start", "status": refusal.status, "headers": sealed(own, "")})
    await send({"type": "http.response.body", "body": sent, "more_body": is_long})
    if is_long:
        # Closing while the visitor still writes would reset the connection, and the answer would be lost on its way.
        await _drain(receive)
        await send({"type": "http.response.body"})


async def _drain(receive: Receive) -> None:
    """Reads what still comes, until it ends, falls silent, or has gone on for too long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LINGER_SECONDS
    try:
        while loop.time() < end:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                return
    except TimeoutError:
        return
