"""Fetches one file, from where an earlier attempt ended: resumed, retried, and checked before anybody may use it.

What is on disk is `NAME.part`; of it, `safe_bytes` are known to have reached the disk, and a resumed fetch goes on from
there. A server says with its validator (RFC 9110, If-Range) or its checksum whether the file is still the same one;
where it is another, or where nobody can tell, the fetch begins anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import random
import re
import ssl
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic
from typing import BinaryIO, cast
from urllib.parse import urlsplit

import httpx2

from assistant.egress import Egress, Visit, proxy_for
from assistant.engines.gguf import read_model
from assistant.engines.transport import transport_for
from assistant.errors import LibraryError, ModelMissing
from assistant.library.piece import FetchLimits, Note, Piece, in_thread
from assistant.library.shelf import unwritable
from assistant.library.source import hop

log = logging.getLogger(__name__)

_WRITE_BYTES = 1024**2
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_SHA256 = re.compile(r'"?([0-9a-f]{64})"?')
_SENT = {"user-agent": "Hearth", "accept": "*/*", "accept-encoding": "identity"}


class _Passing(Exception):  # named as a fact, like our errors
    """A fault that may be gone at the next attempt."""

    def __init__(self, error: LibraryError) -> None:
        super().__init__(error.key)
        self.error = error


class Fetch:
    """Fetches `piece` into `part`. `keep` writes the state to disk; `check_room` raises where so many bytes more would
    fill the disk. `received_bytes` and `note` may be read meanwhile."""

    def __init__(
        self,
        piece: Piece,
        part: Path,
        *,
        egress: Egress,
        limits: FetchLimits,
        keep: Callable[[], None],
        check_room: Callable[[int], None],
    ) -> None:
        self._piece, self._part, self._egress, self._limits = piece, part, egress, limits
        self._keep, self._check_room = keep, check_room
        self._visit = Visit("", 0, "download")
        self._told_bytes = 0
        self._is_dropped = False
        self.received_bytes = piece.safe_bytes
        self.note: Note = ""

    async def run(self) -> None:
        """Until the file is there, whole and good. Raises HearthError; what has come then stays for another time,
        unless it is wrong: then nothing stays."""
        failures = 0
        while not self._piece.is_whole:
            before = self.received_bytes
            try:
                await self._attempt()
            except _Passing as fault:
                failures = 0 if self.received_bytes - before >= self._limits.getting_on_bytes else failures + 1
                log.info("a download broke off: %s", fault)
                if failures > self._limits.retries:
                    raise fault.error from None
                self.note = "again"
                wait = min(self._limits.longest_wait_seconds, self._limits.first_wait_seconds * 2**failures)
                await asyncio.sleep(wait * random.uniform(0.8, 1.2))  # noqa: S311  # not all at the same moment
            except OSError as error:
                raise unwritable(error, self._piece.name) from error
            else:
                await self._check()

    async def _attempt(self) -> None:
        piece = self._piece
        can_go_on = bool(piece.validator or piece.sha256) and self._part.is_file()
        start = min(piece.safe_bytes, self._part.stat().st_size) if can_go_on else 0
        if start and start == piece.total_bytes:
            return  # whole, but for the check
        async with self._opened(start) as (response, url):
            start = self._begin(response, start, host=_host(url))
            self._check_room(max(0, piece.total_bytes - start))
            self._is_dropped = False
            with self._file() as file:
                file.truncate(start)
                file.seek(start)
                self.received_bytes = piece.safe_bytes = start
                await in_thread(self._keep)
                await self._write(response, file, host=_host(url))
        if piece.total_bytes and self.received_bytes < piece.total_bytes:
            raise _Passing(LibraryError("download-broken-off", host=_host(url)))
        piece.total_bytes = self.received_bytes

    @asynccontextmanager
    async def _opened(self, start: int) -> AsyncGenerator[tuple[httpx2.Response, str]]:
        """The answer that has the file, after the server has sent us about; and its address."""
        piece, url = self._piece, self._piece.url
        headers = dict(_SENT)
        if start:
            headers["range"] = f"bytes={start}-"
            if not piece.sha256:  # which tells better, and is the same on every server that we may be sent to
                headers["if-range"] = piece.validator
        for _ in range(self._limits.redirects + 1):
            transport = _made(url)
            try:
                response = await self._asked(transport, url, headers)
                if not 300 <= response.status_code < 400:
                    yield response, url
                    return
                if url == piece.url and self._is_another(response.headers):
                    headers = dict(_SENT)
                url = hop(url, response.headers.get("location", ""))
                await response.aclose()
            finally:
                await transport.aclose()
        raise LibraryError("download-redirect")

    async def _asked(
        self, transport: httpx2.AsyncBaseTransport, url: str, headers: Mapping[str, str]
    ) -> httpx2.Response:
        limits = self._limits
        seconds = {"connect": limits.connect_seconds, "pool": limits.connect_seconds}
        seconds |= {"read": limits.stall_seconds, "write": limits.stall_seconds}
        with self._egress.passage(url, "download", via=proxy_for(url) or "") as self._visit, _told(_host(url)):
            request = httpx2.Request("GET", url, headers=dict(headers), extensions={"timeout": seconds})
            return await transport.handle_async_request(request)

    def _is_another(self, headers: httpx2.Headers) -> bool:
        """Whether Hugging Face says, where it sends us on, that the file is another than it was. It names the SHA-256
        and the length of the file there (huggingface_hub.constants, HUGGINGFACE_HEADER_X_LINKED_ETAG)."""
        piece = self._piece
        told = _SHA256.fullmatch(headers.get("x-linked-etag", "").lower())
        size = _number(headers.get("x-linked-size", ""))
        if told is None or piece.is_sha256_given:
            return False
        is_another = bool(piece.sha256) and piece.sha256 != told[1]
        if is_another:
            self._forget()
        piece.sha256, self._told_bytes = told[1], size
        return is_another

    def _forget(self) -> None:
        """The file is another than it was: begin anew."""
        self.note = "changed"
        self._piece.validator, self._piece.safe_bytes, self._piece.total_bytes = "", 0, 0

    def _begin(self, response: httpx2.Response, start: int, *, host: str) -> int:
        """Where what comes begins. Raises LibraryError, or _Passing where another attempt may do better."""
        piece = self._piece
        if response.status_code == 416 and start:
            self._forget()
            raise _Passing(LibraryError("download-refused", host=host, status=416))
        if response.status_code not in (200, 206):
            raise _refusal(response.status_code, host)
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            raise LibraryError("download-packed", host=host)
        validator = _validator(response.headers)
        if response.status_code == 206:
            told = _RANGE.fullmatch(response.headers.get("content-range", "").strip())
            total = _number(told[3]) if told else 0
            is_ours = told is not None and int(told[1]) == start and (total or piece.total_bytes) == piece.total_bytes
            is_same = bool(piece.sha256) or validator in ("", piece.validator)
            if start and is_ours and is_same:
                return start
            self._forget()
            raise _Passing(LibraryError("download-refused", host=host, status=206))
        length = _number(response.headers.get("content-length", ""))
        if self._told_bytes and length and length != self._told_bytes:
            self._drop()
            raise LibraryError("download-wrong-length", name=piece.name)
        if start:
            is_same = bool(piece.sha256) or (validator == piece.validator and length == piece.total_bytes)
            self.note = "anew" if is_same else "changed"
        piece.validator, piece.total_bytes = validator, length or self._told_bytes
        return 0

    def _file(self) -> BinaryIO:
        """The part, for this user only, and never through a link that somebody laid there."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(self._part, flags, 0o600), "r+b", buffering=0)

    async def _write(self, response: httpx2.Response, file: BinaryIO, *, host: str) -> None:
        piece, limits = self._piece, self._limits
        waiting = bytearray()
        synced = self.received_bytes

        async def put() -> None:
            """Everything that came goes to the file."""
            block = bytes(waiting)
            waiting.clear()
            if not self.received_bytes and not b"GGUF".startswith(block[:4]):
                self._drop()
                raise LibraryError("download-not-gguf", name=piece.name)
            await in_thread(lambda: _write_all(file, block))
            self.received_bytes += len(block)

        async def sync() -> None:
            """What is in the file reaches the disk, and the state says so."""
            await in_thread(lambda: os.fsync(file.fileno()))
            piece.safe_bytes = self.received_bytes
            await in_thread(self._keep)

        try:
            with _told(host):
                async with aclosing(_watched(response, limits)) as blocks:
                    async for block in blocks:
                        waiting += block
                        self._visit.received_bytes += len(block)
                        if piece.total_bytes and self.received_bytes + len(waiting) > piece.total_bytes:
                            self._drop()
                            raise LibraryError("download-wrong-length", name=piece.name)
                        if len(waiting) < _WRITE_BYTES:
                            continue
                        self.note = "" if self.note == "again" else self.note
                        self._egress.check(piece.url)
                        await put()
                        if self.received_bytes - synced >= limits.sync_bytes:
                            await sync()
                            synced = self.received_bytes
                            self._check_room(0)
        finally:
            if not self._is_dropped:  # also when it broke off, or was paused: what came is kept
                await put()
                await sync()

    async def _check(self) -> None:
        """Whether what came is the file, and a model. What is not leaves nothing behind."""
        piece = self._piece
        self.note = "checking"
        try:
            if piece.sha256 and await in_thread(lambda: _sha256(self._part)) != piece.sha256:
                raise LibraryError("download-checksum", name=piece.name)
            await in_thread(lambda: read_model(self._part, name=piece.name))
        except ModelMissing as fault:
            self._drop()
            raise LibraryError("download-not-good", reason=fault.message) from fault
        except LibraryError:
            self._drop()
            raise
        piece.is_whole, self.note = True, ""
        await in_thread(self._keep)

    def _drop(self) -> None:
        self._is_dropped = True
        self._part.unlink(missing_ok=True)
        self._piece.safe_bytes = self.received_bytes = 0


_WRONG = frozenset({"download-wrong-length", "download-not-gguf"})  # what came is of no use


@contextmanager
def _told(host: str) -> Generator[None]:
    """Says what the client raises in a sentence of ours."""
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, TimeoutError) as fault:
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(fault)):
            raise LibraryError("download-certificate", host=host) from fault
        if isinstance(fault, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
            raise _Passing(LibraryError("download-unreachable", host=host)) from fault
        if isinstance(fault, httpx2.TimeoutException | TimeoutError):
            raise _Passing(LibraryError("download-stalled", host=host)) from fault
        raise _Passing(LibraryError("download-broken-off", host=host)) from fault


def _causes(fault: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while fault is not None and len(found) < 10:
        found.append(fault)
        fault = fault.__cause__ or fault.__context__
    return found


async def _watched(response: httpx2.Response, limits: FetchLimits) -> AsyncGenerator[bytes]:
    """The body. Raises TimeoutError where it trickles: a byte now and then would otherwise be waited for for ever."""
    began, came = monotonic(), 0
    async for block in cast("httpx2.AsyncByteStream", response.stream):
        came += len(block)
        if monotonic() - began > limits.stall_seconds:
            if came < limits.stall_bytes:
                raise TimeoutError
            began, came = monotonic(), 0
        yield block


def _made(url: str) -> httpx2.AsyncBaseTransport:
    try:
        return transport_for(url, proxy=proxy_for(url))
    except (ImportError, ValueError):  # a proxy of a kind that the client cannot use
        raise LibraryError("download-proxy") from None


def _refusal(status: int, host: str) -> Exception:
    if status in (404, 410):
        return LibraryError("download-not-found", host=host)
    if status in (401, 403):
        return LibraryError("download-forbidden", host=host)
    if status in (408, 425, 429) or status >= 500:
        return _Passing(LibraryError("download-busy", host=host, status=status))
    return LibraryError("download-refused", host=host, status=status)


def _validator(headers: httpx2.Headers) -> str:
    """What tells this file from a later one; a weak one does not (RFC 9110, 13.1.5)."""
    tag = headers.get("etag", "").strip()
    if tag and not tag.startswith("W/"):
        return tag[:500]
    return "" if tag else headers.get("last-modified", "").strip()[:100]


def _number(text: str) -> int:
    return int(text) if text.strip().isdigit() and len(text) < 17 else 0


def _host(url: str) -> str:
    return urlsplit(url).hostname or "?"


def _write_all(file: BinaryIO, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
