"""The server thread, with small applications of the test's own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from launcher.server import Server
from tests.conftest import eventually


async def lifespan(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def says_hello(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    headers = [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    return await send({"type": "http.response.body", "body": scope["client"][0].encode()[:5]})


async def streams_for_ever(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.sleep(0.01)


@pytest.fixture
def deaths() -> list[BaseException]:
    return []


@pytest.fixture
def server(deaths: list[BaseException]) -> Iterator[Server]:
    with ExitStack() as stack:
        server = Server(on_death=deaths.append)
        stack.callback(server.stop)
        yield server


def get(port: int, *headers: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        lines = ["GET / HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        got = b""
        while part := connection.recv(4096):
            got += part
        return got


def test_it_answers_once_start_has_returned(server: Server) -> None:
    server.start(says_hello)
    assert get(server.port).startswith(b"HTTP/1.1 200")


def test_it_listens_on_loopback_only(server: Server) -> None:
    server.start(says_hello)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("::1", server.port), timeout=2):
        pass


def test_it_does_not_name_its_software_nor_believe_forwarded_headers(server: Server) -> None:
    server.start(says_hello)
    answer = get(server.port, "X-Forwarded-For: 9.9.9.9")
    assert b"server:" not in answer.lower()
    assert answer.endswith(b"127.0")


def test_a_lifespan_that_fails_is_told_with_its_own_exception(server: Server) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("no engine")

    with pytest.raises(KeyError, match="no engine"):
        server.start(fails)


def test_a_lifespan_that_says_it_failed_is_told_too(server: Server) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(RuntimeError):
        server.start(fails)


def test_a_request_that_fails_leaves_the_server_running(server: Server, deaths: list[BaseException]) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        raise KeyError("a bug")

    server.start(fails)
    assert get(server.port).startswith(b"HTTP/1.1 500")
    assert get(server.port).startswith(b"HTTP/1.1 500")
    assert deaths == []


def test_a_stop_waits_for_no_stream(server: Server, deaths: list[BaseException]) -> None:
    server.start(streams_for_ever)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5
    assert deaths == [], "it was told to end"
    assert not any(thread.name == "server" for thread in threading.enumerate())


def test_a_stop_runs_the_end_of_the_lifespan(server: Server) -> None:
    ended = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await lifespan(receive, send)
        ended.set()

    server.start(app)
    server.stop()
    assert ended.is_set()


def test_a_lifespan_that_does_not_end_delays_a_stop_by_less_than_five_seconds(server: Server) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(6)

    server.start(app)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5
    assert eventually(lambda: not any(t.name == "server" for t in threading.enumerate()), within_seconds=10)


def test_a_server_that_ends_by_itself_is_a_death(server: Server, deaths: list[BaseException]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        return asyncio.get_running_loop().stop()

    server.start(app)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert eventually(lambda: len(deaths) == 1)


def test_it_can_be_stopped_before_it_was_started_and_twice(server: Server) -> None:
    server.stop()
    server.stop()
