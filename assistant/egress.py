"""The way out: every connection of this process passes here with a reason, or is refused; the last thousand are listed.

There are two locks. `Egress.passage` is where our own code says where it goes and why, and where Offline refuses.
`seal_process` stands before Python's sockets: a connection, a look-up of a name or a datagram that belongs to no
passage is refused and listed, whichever library tries it.

Not seen from here: child processes (the engine listens and never calls out; MCP servers and own functions say so where
they are set up), the window's own web view (Chromium, kept to our origin by `launcher/qt_guard.py`), and, on Windows,
connections that asyncio makes past Python's sockets (their names are looked up through here all the same).
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from assistant.errors import Unreachable

log = logging.getLogger(__name__)

Reason = Literal["engine", "endpoint", "search", "download", "server", "web-page", "web-search", "unasked"]
KEPT = 1000
_PORTS = {"http": 80, "https": 443}
_CALLS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOK_UPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_REVERSE_LOOK_UPS = frozenset({"socket.gethostbyaddr", "socket.getnameinfo"})


@dataclass
class Visit:
    """One connection that was made or tried. `via` is the proxy that it took; bytes are those of the bodies."""

    host: str
    port: int
    reason: Reason
    via: str = ""
    is_allowed: bool = True
    sent_bytes: int = 0
    received_bytes: int = 0
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


class Egress:
    """The list of one Hearth, and its switch: with `is_offline`, nothing leaves this machine. Safe from any thread."""

    def __init__(self, *, is_offline: Callable[[], bool] = lambda: False) -> None:
        self._is_offline = is_offline
        self._visits: deque[Visit] = deque(maxlen=KEPT)
        self._names: Counter[str] = Counter()  # of the passages that are open: these may be looked up
        self._lock = threading.Lock()

    def visits(self) -> list[Visit]:
        """The last thousand, the newest first."""
        return list(reversed(self._visits.copy()))

    def check(self, url: str) -> None:
        """Raises Unreachable where Offline forbids the server of `url`: for what goes on for long."""
        host, _ = _place(url)
        if self._is_offline() and not is_loopback(host):
            raise Unreachable("offline", host=host)

    @contextmanager
    def passage(self, url: str, reason: Reason, *, via: str = "") -> Generator[Visit]:
        """Lets connections out to the server of `url`, through the proxy `via` if there is one, while the block runs:
        in it, and in tasks that begin in it. Raises Unreachable where Offline forbids it."""
        host, port = _place(url)
        visit = Visit(host, port, reason, via="{}:{}".format(*_place(via)) if via else "")
        self._visits.append(visit)
        if self._is_offline() and not is_loopback(host):
            visit.is_allowed = False
            raise Unreachable("offline", host=host)
        door = _Door(*(_place(via) if via else (host, port)))
        with self._lock:
            self._names[door.host] += 1
        token = _door.set(door)
        try:
            yield visit
        finally:
            _door.reset(token)
            with self._lock:
                self._names[door.host] -= 1

    def may_look_up(self, name: str) -> bool:
        """Whether an open passage leads to this name. Look-ups happen in threads that know no more than the name."""
        with self._lock:
            return self._names[name] > 0

    def refuse(self, host: str, port: int) -> PermissionError:
        """Lists a connection that nobody asked for and gives the error to raise."""
        self._visits.append(Visit(host, port, "unasked", is_allowed=False))
        log.warning("a connection to %r, port %d, was refused: nothing of Hearth asked for it", host, port)
        return PermissionError(errno.EACCES, "Hearth lets nothing out that has no reason")


def seal_process(egress: Egress) -> None:
    """From now on, what leaves this process leaves through `egress`, or, after another call, through the next one.

    For a process that is Hearth's own: an audit hook cannot be taken off again.
    """
    is_new = _Seal.egress is None
    _Seal.egress = egress
    if is_new:
        sys.addaudithook(_watch)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        name = host.lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost")


def proxy_for(url: str, chosen: str = "") -> str | None:
    """The chosen proxy for a foreign address, else the environment's; None for this machine's own and where there is
    none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host):
        return None
    if chosen:
        return chosen
    if proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


@dataclass(frozen=True)
class _Door:
    """Where the connections of a passage lead."""

    host: str
    port: int

    def leads_to(self, host: str, port: int) -> bool:
        """Whether a connection to this numeric address may be the passage's: a name has addresses of its own."""
        if port != self.port:
            return False
        return host == self.host if _is_numeric(self.host) else is_loopback(host) or not is_loopback(self.host)


_door: ContextVar[_Door | None] = ContextVar("door", default=None)


class _Seal:
    """What the process's one audit hook answers to."""

    egress: Egress | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Python's audit hook. It is called for every import too: the first line has to be fast."""
    if not event.startswith("socket."):
        return
    egress = _Seal.egress
    if egress is None:
        return
    if event in _CALLS:
        called, address = arguments[0], arguments[1]
        if called.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
            return  # a socket of this machine's own, or a datagram on a connection that was let through
        host, port = str(address[0]), int(address[1])
        door = _door.get()
        if not (door and door.leads_to(host, port)) and not _is_pair():
            raise egress.refuse(host, port)
    elif event in _LOOK_UPS:
        name = _text(arguments[0])
        if name and not _is_numeric(name) and not is_loopback(name) and not egress.may_look_up(name.lower()):
            raise egress.refuse(name, 0)
    elif event in _REVERSE_LOOK_UPS:
        name = _text(arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0])
        if not is_loopback(name):
            raise egress.refuse(name, 0)


def _text(name: Any) -> str:
    return name.decode("ascii", "replace") if isinstance(name, bytes) else str(name or "")


def _is_pair() -> bool:
    """Whether `socket.socketpair` calls, which on Windows connects to itself. Every asyncio loop begins with one."""
    if os.name != "nt":
        return False
    code = sys._getframe(2).f_code  # the caller's caller; inspect would be slow  # pyright: ignore
    return code.co_filename == socket.__file__ and code.co_name.endswith("socketpair")


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
