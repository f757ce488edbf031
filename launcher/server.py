"""The server: a loopback socket that we bound, handed to uvicorn in a background thread."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, MutableMapping
from typing import Any

import uvicorn

from launcher.connections import CALLED_AT_ONCE, LONGEST_HEAD_BYTES, Connection, Visitors

log = logging.getLogger(__name__)

ASGIApp = Callable[..., Any]
GRACE_SECONDS = 1  # for answers that stream when the window closes; their text is saved by then
STOP_SECONDS = 4.0
TICKS_PER_LOOK = 10  # uvicorn ticks every tenth of a second
WAITING = 4096  # connections that the system keeps for us until they are called


class Server:
    """Serves one ASGI application on 127.0.0.1. `start` returns when it answers or raises what went wrong;
    `on_death` is called, from the server's thread, with the reason when it ends without having been told to."""

    def __init__(self, *, on_death: Callable[[BaseException], None]) -> None:
        # asyncio takes Nagle's algorithm off a socket that says it is TCP. With it on, a small write waits up to 40 ms
        # for the visitor's acknowledgement of the one before.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._on_death = on_death
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._uvicorn: _Uvicorn | None = None
        self._thread: threading.Thread | None = None

    def start(self, app: ASGIApp) -> None:
        """Serves `app`. Raises what its start raised, or RuntimeError."""
        config = uvicorn.Config(
            self._watched(app),
            lifespan="on",
            log_config=None,
            access_log=False,  # it would hold the one-time code
            proxy_headers=False,
            server_header=False,
            date_header=False,
            ws="none",
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE_SECONDS,
            http=Connection,
            backlog=CALLED_AT_ONCE,
            h11_max_incomplete_event_size=LONGEST_HEAD_BYTES,
        )
        self._uvicorn = _Uvicorn(config, self._ready)
        self._thread = threading.Thread(target=self._run, args=[self._uvicorn], name="server", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ends it and waits until its lifespan has ended too, at most STOP_SECONDS."""
        if self._uvicorn is not None and self._thread is not None:
            self._uvicorn.is_told_to_stop = True
            self._uvicorn.should_exit = True
            self._thread.join(STOP_SECONDS)
        self._socket.close()

    def _run(self, server: _Uvicorn) -> None:
        try:
            asyncio.run(server.serve(sockets=[self._socket]))
        except SystemExit:  # uvicorn's way to say that the lifespan failed; it must not end whoever waits for us
            log.error("the server gave up")
        except BaseException as error:  # noqa: BLE001  # the border of this thread: whatever it is, it is told
            self._failure = self._failure or error
        was_ready = self._ready.is_set()
        if not was_ready:
            self._failure = self._failure or RuntimeError("the server ended while it started")
            self._ready.set()
        elif not server.is_told_to_stop:
            reason = self._failure or RuntimeError("the server ended by itself")
            log.error("the server died", exc_info=reason)
            self._on_death(reason)

    def _watched(self, app: ASGIApp) -> ASGIApp:
        async def watched(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            except Exception as error:
                if scope["type"] == "lifespan":
                    self._failure = error  # uvicorn would only log it
                raise

        return watched


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self.server_state = self._visitors = Visitors()
        self._ready = ready
        self.is_told_to_stop = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for plug in sockets or []:
            plug.listen(WAITING)  # asyncio has one number for both: how many wait, and how many are called at once
        if self.started:
            self._ready.set()

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_LOOK == 0:
            self._visitors.hang_up_on_the_slow()
        return await super().on_tick(counter)
