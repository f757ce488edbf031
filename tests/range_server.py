"""A file server that does what servers do: ranges, redirects, stalls, cuts, lies. Real HTTP; every request is noted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Served:
    """How a file is served. Bytes count from the beginning of an answer's body."""

    content: bytes
    etag: str = '"one"'
    takes_ranges: bool = True
    cut_after: int | None = None
    stall_after: int | None = None
    bytes_per_second: float = 0
    announced_extra: int = 0
    status: int = 0
    redirect: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    says_length: bool = True


@dataclass
class Asked:
    path: str
    headers: Message


class RangeServer:
    """`files` are what it has, by path; `once` says how the next requests for a path are answered, each once."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.once: dict[str, list[Served]] = {}
        self.asked: list[Asked] = []
        self.ending = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next(self, path: str, *ways: Served) -> None:
        self.once.setdefault(path, []).extend(ways)

    def _way(self, path: str) -> Served | None:
        waiting = self.once.get(path)
        return waiting.pop(0) if waiting else self.files.get(path)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                return

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                server.asked.append(Asked(self.path, self.headers))
                self.close_connection = True
                way = server._way(path)
                if way is None:
                    way = Served(b"not here", status=404)
                try:
                    self._answer(way)
                except OSError:
                    return

            def _answer(self, way: Served) -> None:
                if way.redirect:
                    self.send_response(302)
                    self.send_header("Location", way.redirect)
                    self._more(way, 0)
                    return
                start, status = 0, way.status or 200
                asked = self.headers.get("Range")
                same = self.headers.get("If-Range") in (None, way.etag)
                if asked and way.takes_ranges and same and status == 200:
                    start = int(asked.removeprefix("bytes=").partition("-")[0])
                    status = 206 if start < len(way.content) else 416
                body = way.content[start:] if status != 416 else b""
                self.send_response(status)
                if status == 206:
                    total = len(way.content)
                    self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
                if way.etag:
                    self.send_header("ETag", way.etag)
                self._more(way, len(body) + way.announced_extra if way.says_length else None)
                self._send(body, way)

            def _more(self, way: Served, length: int | None) -> None:
                for name, words in way.headers.items():
                    self.send_header(name, words)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.send_header("Connection", "close")
                self.end_headers()

            def _send(self, body: bytes, way: Served) -> None:
                sent, began = 0, time.monotonic()
                while sent < len(body):
                    if way.cut_after is not None and sent >= way.cut_after:
                        return
                    if way.stall_after is not None and sent >= way.stall_after:
                        server.ending.wait(60)
                        return
                    ends = [65536, len(body) - sent]
                    ends += [each - sent for each in (way.cut_after, way.stall_after) if each is not None]
                    block = body[sent : sent + min(ends)]
                    self.wfile.write(block)
                    sent += len(block)
                    if way.bytes_per_second:
                        ahead = sent / way.bytes_per_second - (time.monotonic() - began)
                        if ahead > 0 and server.ending.wait(ahead):
                            return

        return Handler

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def range_server() -> Iterator[RangeServer]:
    server = RangeServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
