"""What uvicorn leaves unbounded: how long a visitor may take, how many there may be, and how a broken request is told.

A port of this machine can be held by any program on it. What stops whom:

    HEAD_SECONDS        who connects and says nothing, or whose request never ends (slow headers, half-open sockets)
    BODY_SECONDS        whose body stands still or drips
    MOST_STRANGERS      who opens sockets without end: the oldest one that was never let in makes room for a new one, so
                        that the window always finds a place. Who was let in is what the app says in a request's state
    CALLED_AT_ONCE      a crowd at the door: a quarter of the strangers, so that nobody is sent away before being heard
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

HEAD_SECONDS = 10.0
BODY_SECONDS, BODY_LEAST_BYTES = 10.0, 10_000  # a body brings so much in so long, or its rest
MOST_STRANGERS = 512
MOST_KNOWN = 1536
CALLED_AT_ONCE = MOST_STRANGERS // 4
LONGEST_HEAD_BYTES = 64 * 1024  # cookies ignore ports: those of every other server on this machine come here too

# What the app's own answers carry; these answers come before any app.
_HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"connection", b"close"),
]

_log = logging.getLogger(__name__)
_log.setLevel(logging.ERROR)  # uvicorn tells a line or two of every odd request: anybody could fill the log


class Visitors(ServerState):
    """All connections of a server, the oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self._strangers: dict[Connection, None] = {}
        self._known: set[Connection] = set()

    def welcome(self, newcomer: Connection) -> None:
        """Counts it among the strangers. When there are too many, the oldest that was not let in has to go."""
        self._strangers[newcomer] = None
        while len(self._strangers) > MOST_STRANGERS:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            if oldest.was_let_in and len(self._known) < MOST_KNOWN:
                self._known.add(oldest)
            else:
                oldest.hang_up()

    def forget(self, gone: Connection) -> None:
        """Gives its place free."""
        self._strangers.pop(gone, None)
        self._known.discard(gone)

    def hang_up_on_the_slow(self) -> None:
        """To be called about once a second."""
        now = time.monotonic()
        for connection in list(self.connections):
            if isinstance(connection, Connection) and connection.is_overdue(now):
                connection.hang_up()


class Connection(H11Protocol):
    """One visitor, as uvicorn serves it, with an eye on the clock."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.logger = _log
        self._head_since: float | None = None  # None while nothing of a request is awaited
        self._body_since, self._body_bytes = 0.0, 0

    @property
    def was_let_in(self) -> bool:
        """Whether the app knew who sent the last request."""
        return bool(self.scope and self.scope.get("state", {}).get("was_let_in"))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = time.monotonic()
        if isinstance(self.server_state, Visitors):
            self.server_state.welcome(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if isinstance(self.server_state, Visitors):
            self.server_state.forget(self)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if self.conn.their_state is h11.SEND_BODY:
            self._body_bytes += len(data)
        else:
            self._head_since = self._head_since or now
            self._body_since, self._body_bytes = now, 0
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_since = None

    def is_overdue(self, now: float) -> bool:
        """Whether it keeps us waiting for a request."""
        if self._head_since is None and self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._head_since = now  # the beginning of another request had come with the last one
        if self._head_since is not None:
            return now - self._head_since > HEAD_SECONDS
        if self.conn.their_state is not h11.SEND_BODY or now - self._body_since <= BODY_SECONDS:
            return False
        is_slow = self._body_bytes < BODY_LEAST_BYTES and not self.flow.read_paused  # else it is we who are slow
        self._body_since, self._body_bytes = now, 0
        return is_slow

    def hang_up(self) -> None:
        """Ends it here and now; an app that is busy with it sees a visitor who has gone."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # ours says no more than the guard does
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # an answer is under way already
            self.hang_up()
            return
        body = b"Not understood.\n"
        head = h11.Response(status_code=400, headers=[*_HEADERS, (b"content-length", str(len(body)).encode())])
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
