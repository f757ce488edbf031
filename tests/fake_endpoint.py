"""A scripted, strict OpenAI-compatible server on loopback: real HTTP, and every fault byte for byte.

    with fake_endpoint(Answer(["Hi"]), Status(429)) as endpoint:
        ...  # ask endpoint.url; each chat request plays the next step, but for titles (`title=""`: those too)
        assert endpoint.requests[0].body["model"] == "fake"

Leaving the block fails the test where a step was left over or a request came that nobody expected. By hand:
`python -m tests.fake_endpoint --port 9000 --rate 30` answers anything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from assistant import titles
from tests.fake_steps import Answer, Peer, Status, Step

__all__ = ["FakeEndpoint", "Request", "fake_endpoint"]


@dataclass(frozen=True)
class Request:
    """What a client asked, and when (time.monotonic). Header names are in lower case; `body` is decoded JSON."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    at: float


class FakeEndpoint:
    """See the module. `steps` None: every chat request is answered by `free`."""

    def __init__(
        self,
        steps: Sequence[Step] | None,
        *,
        key: str | None = None,
        models: Sequence[str] = ("fake",),
        list_step: Step | None = None,
        port: int = 0,
        free: Answer | None = None,
        title: str = "A title",
        pages: Mapping[str, object] | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.unexpected: list[str] = []
        self._disconnected = threading.Semaphore(0)
        self._waiting = list(steps) if steps is not None else None
        self._key, self._models, self._list_step = key, tuple(models), list_step
        self._free = free or Answer()
        self._title = title
        self._pages = pages or {}  # that a server of some kind has of its own, by path: what it says of itself
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._listening = threading.Event()
        self.port = port
        self._thread = threading.Thread(target=self._run, name="fake-endpoint", daemon=True)
        self._thread.start()
        assert self._listening.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Request]:
        """The requests for an answer."""
        asked = [request for request in self.requests if request.path == "/v1/chat/completions"]
        by_itself = [each for each in asked if is_for_an_ability(each) or (self._title and is_for_a_title(each))]
        return [request for request in asked if request not in by_itself]

    def wait_for_disconnect(self, seconds: float) -> bool:
        """Whether a client leaves in the middle of a step within so many seconds."""
        return self._disconnected.acquire(timeout=seconds)

    def close(self) -> None:
        """Ends the server. Raises AssertionError where the script and what happened differ."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)
        assert not self.unexpected, f"unexpected requests: {self.unexpected}"
        assert not self._waiting, f"steps that were never asked for: {self._waiting}"

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._ended.wait()
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            request = await _read(reader)
            self.requests.append(request)
            step = self._step_for(request)
            playing = asyncio.ensure_future(step.play(Peer(writer, request.body)))
            leaving = asyncio.ensure_future(reader.read(1))
            try:
                await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if playing.done():
                    playing.result()
                else:
                    self._disconnected.release()
            except ConnectionError:
                self._disconnected.release()
            finally:
                playing.cancel()
                leaving.cancel()
                writer.close()

    def _step_for(self, request: Request) -> Step:
        if self._key is not None and request.headers.get("authorization") != f"Bearer {self._key}":
            given = request.headers.get("authorization", "")  # real servers echo it, so this one does
            return Status(
                401, {"error": {"message": f"Incorrect API key provided: {given}", "code": "invalid_api_key"}}
            )
        if (request.method, request.path) == ("GET", "/v1/models"):
            data = [{"id": name, "object": "model", "created": 1, "owned_by": "fake"} for name in self._models]
            return self._list_step or Status(200, {"object": "list", "data": data})
        if request.method == "GET" and request.path in self._pages:
            return Status(200, self._pages[request.path])
        if (request.method, request.path) != ("POST", "/v1/chat/completions"):
            return Status(404, {"detail": "Not Found"})
        if self._title and is_for_a_title(request):
            return Answer((self._title,))
        if is_for_an_ability(request):
            return Status(400, {"error": {"message": "not of this kind"}})
        if self._waiting is None:
            return self._free
        if not self._waiting:
            self.unexpected.append(f"{request.method} {request.path}")
            return Status(500, {"error": {"message": "this request is not in the script"}})
        return self._waiting.pop(0)


def is_for_a_title(request: Request) -> bool:
    """Whether a chat's title is asked for, which happens by itself after its first answer."""
    return isinstance(request.body, dict) and request.body.get("max_tokens") == titles.OPTIONS.max_tokens


def is_for_an_ability(request: Request) -> bool:
    """Whether a test tries out what the model can do. An answer is asked for in one piece too, but without a limit."""
    if not isinstance(request.body, dict) or request.body.get("stream"):
        return False
    return request.path == "/v1/embeddings" or bool({"max_tokens", "max_completion_tokens"} & request.body.keys())


async def _read(reader: asyncio.StreamReader) -> Request:
    start = await reader.readexactly(1)
    if start == b"\x16":  # a TLS hello; a web server answers such junk at once
        return Request("TLS", "", {}, None, time.monotonic())
    head = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(body) if body else None, time.monotonic())


@contextmanager
def fake_endpoint(*steps: Step, **choices: Any) -> Iterator[FakeEndpoint]:
    """A server that plays `steps`; the keyword arguments are FakeEndpoint's."""
    endpoint = FakeEndpoint(steps, **choices)
    try:
        yield endpoint
    except BaseException:
        with suppress(AssertionError):  # the test's own failure says more
            endpoint.close()
        raise
    endpoint.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Answers anything, as an OpenAI-compatible server.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key")
    parser.add_argument("--rate", type=float, default=30, help="tokens per second")
    parser.add_argument("--tokens", type=int, default=100, help="length of each answer")
    given = parser.parse_args()
    tokens = [f"word{number} " for number in range(given.tokens)]
    free = replace(Answer(tokens, given.rate), usage=(7, given.tokens))
    endpoint = FakeEndpoint(None, key=given.key, port=given.port, free=free)
    print(endpoint.url, flush=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    main()
