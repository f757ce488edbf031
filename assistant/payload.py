"""What comes in at the door: bodies within bounds, and the JSON of a call, read before Gradio acts on it.

Gradio takes a file's description out of a call's JSON and then reads the path in it, or fetches the address in it.
Mounted in another app, as here, it does not check that the path was uploaded (`has_launched` is false there, seen in
6.31), so any page script could read any file of this user, or have any server asked.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from starlette.types import Message, Receive, Scope

ENDLESS_BYTES = 1 << 62
BODIES_AT_ONCE = 16
HELD_BYTES = 32_000_000
Headers = dict[bytes, list[bytes]]

_DEPTH_LIMIT = 64
_OF_A_FILE = frozenset({"meta", "orig_name", "mime_type", "is_stream", "size", "_type"})
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:|[/\\]{2}")  # a scheme (two letters, so no drive), or a network share
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def is_inside(folder: Path | None, path: str) -> bool:
    """Whether `path` is an existing plain file below `folder`, all links followed."""
    if folder is None or len(path) > 4096 or _ADDRESS.match(path) or _CONTROL.search(path):
        return False
    try:
        # The words first: merely to look at a place elsewhere may take for ever, or, on Windows, leave the machine.
        if not any(Path(os.path.normpath(path)).is_relative_to(place) for place in (folder, folder.resolve())):
            return False
        real = Path(path).resolve(strict=True)
        return real.is_relative_to(folder.resolve()) and real.is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def fault_in(body: bytes, *, origin: str, uploads: Path | None) -> str:
    """What is wrong with a call's JSON, in a word; empty where nothing is.

    Files in it must lie in `uploads`, and their addresses begin with `origin` or be paths on it. Refused as well:
    what Gradio, SQLite or a model would choke on (NaN, lone surrogates, NUL, values nested without end).
    """
    try:
        whole: Any = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return "json"
    if not isinstance(whole, dict):
        return "shape"
    waiting: list[tuple[Any, int]] = [(whole, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEPTH_LIMIT:
            return "depth"
        if isinstance(value, str):
            if not _is_sound(value):
                return "text"
        elif isinstance(value, list):
            waiting.extend((item, depth + 1) for item in cast("list[Any]", value))
        elif isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            if not _names_only_ours(fields, origin=origin, uploads=uploads):
                return "file"
            waiting.extend((item, depth + 1) for pair in fields.items() for item in pair)
    return ""


def _names_only_ours(fields: dict[str, Any], *, origin: str, uploads: Path | None) -> bool:
    """Whether `fields` describe no file, or one that was uploaded."""
    path, url = fields.get("path"), fields.get("url")
    if "path" not in fields and not ("url" in fields and fields.keys() & _OF_A_FILE):
        return True
    if path and not (isinstance(path, str) and is_inside(uploads, path)):
        return False
    if not url:
        return True
    return isinstance(url, str) and (url.startswith(f"{origin}/") or (url.startswith("/") and url[1:2] not in "/\\"))


def _is_sound(text: str) -> bool:
    if "\x00" in text:
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a pair: it cannot be stored
        return False
    return True


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


class BoundedBody:
    """A request's body as it arrives. Past `limit` bytes it is over: the reader sees a visitor who has gone."""

    def __init__(self, receive: Receive, *, limit: int) -> None:
        self._receive = receive
        self._left_bytes = limit
        self._read_ahead: Message | None = None
        self.is_over = False

    async def read(self) -> bytes:
        """The whole body, which `receive` will give once more."""
        parts: list[bytes] = []
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                self._read_ahead = message
                return b""
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        whole = b"".join(parts)
        self._read_ahead = {"type": "http.request", "body": whole, "more_body": False}
        return whole

    async def left(self) -> Message:
        """What still comes of it, within the limit or beyond, for whoever throws it away."""
        return await (self._receive() if self.is_over else self.receive())

    async def receive(self) -> Message:
        if self._read_ahead is not None:
            message, self._read_ahead = self._read_ahead, None
            return message
        if self.is_over:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            self._left_bytes -= len(message.get("body", b""))
            self.is_over = self._left_bytes < 0
        return {"type": "http.disconnect"} if self.is_over else message


class Bodies:
    """All bodies that are on their way in, and how many bytes of them are held in memory."""

    def __init__(self) -> None:
        self.count = 0
        self._held_bytes = 0

    @contextmanager
    def one_more(self, held_bytes: int) -> Generator[bool]:
        """Whether there is room for it; if so, it has its place while the block runs."""
        has_room = self.count < BODIES_AT_ONCE and self._held_bytes + held_bytes <= HELD_BYTES
        if not has_room:
            yield False
            return
        self.count += 1
        self._held_bytes += held_bytes
        try:
            yield True
        finally:
            self.count -= 1
            self._held_bytes -= held_bytes


def remove_left_over(uploads: Path) -> None:
    """Removes what uploads that broke off have left. Gradio moves what arrived whole into folders of their own."""
    for path in uploads.iterdir():
        if path.is_symlink() or path.is_file():
            path.unlink(missing_ok=True)


def headers_by_name(scope: Scope) -> Headers:
    """All values of each header. Names come in lower case, as ASGI wants it."""
    found: Headers = {}
    for name, value in scope["headers"]:
        found.setdefault(name, []).append(value)
    return found


def declared_length(headers: Headers) -> int:
    """Bytes that the request says it brings; a length that is no number counts as endless, and so does one of two."""
    lengths = headers.get(b"content-length")
    if not lengths:
        return 0
    if b"transfer-encoding" in headers:  # another reader may take the other one, and a short one hides a long body
        return ENDLESS_BYTES
    return int(lengths[0]) if len(lengths) == 1 and len(lengths[0]) < 16 and lengths[0].isdigit() else ENDLESS_BYTES
