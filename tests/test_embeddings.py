"""Embeddings through an endpoint: vectors in the order of their texts, or a sentence that says why there are none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from assistant.engines.access import Access
from assistant.engines.endpoint import EndpointEngine
from assistant.errors import ContextFull, EngineError, ModelMissing, NotCompatible, Unreachable, WrongKey


@contextmanager
def serving(status: int, content: object) -> Iterator[tuple[str, list[Any]]]:
    """A server with one answer, and what it was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers.get("Authorization"), body))
            said = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()


def with_engine(url: str, use: Callable[[EndpointEngine], Awaitable[Any]], **more: Any) -> Any:
    async def run() -> Any:
        engine = EndpointEngine(url, model="m", access=Access("sk-1"), **more)
        try:
            return await use(engine)
        finally:
            await engine.aclose()

    return asyncio.run(run())


def embedded(url: str, *texts: str, **more: Any) -> Any:
    return with_engine(url, lambda engine: engine.embed(texts), **more)


def refusal(url: str, **more: Any) -> EngineError:
    with pytest.raises(EngineError) as told:
        embedded(url, "a", "b", **more)
    return told.value


def test_each_text_has_its_vector_whatever_their_order_on_the_wire() -> None:
    rows = [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2.5]}]
    with serving(200, {"data": rows}) as (url, asked):
        assert embedded(url, "a", "b") == [[1.0, 2.5], [3.0, 4.0]]
        assert embedded(url) == []
    body = {"model": "m", "input": ["a", "b"], "encoding_format": "float"}
    assert asked == [("/v1/embeddings", "Bearer sk-1", body)]


@pytest.mark.parametrize(
    ("status", "words", "kind", "key"),
    [
        (501, "This server does not support embeddings. Start it with `--embeddings`", NotCompatible, "no-embeddings"),
        (404, "Not Found", NotCompatible, "no-embeddings"),
        (400, "this model does not support embeddings", NotCompatible, "no-embeddings"),
        (401, "Incorrect API key provided", WrongKey, "key-refused"),
        (404, 'model "m" not found', ModelMissing, "model-unknown"),
        (400, "input (9000 tokens) is larger than the max context size (2048 tokens)", ContextFull, "context-full"),
    ],
)
def test_a_refusal_is_told_as_what_it_is(status: int, words: str, kind: type[EngineError], key: str) -> None:
    with serving(status, {"error": {"message": words}}) as (url, _):
        error = refusal(url)

    assert isinstance(error, kind) and error.key.startswith(f"engine-{key}")


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"data": []},
        {"data": [{"index": 0, "embedding": [1]}]},
        {"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}]},
        {"data": [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]},
        {"data": [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "AAAA"}]},
    ],
)
def test_what_is_no_answer_to_it_is_none(content: object) -> None:
    with serving(200, content) as (url, _):
        assert refusal(url).key == "engine-not-compatible"


def test_a_model_that_was_tested_and_gives_none_is_not_asked() -> None:
    with serving(200, {}) as (url, asked):
        assert refusal(url, embeds=False).key == "engine-no-embeddings"
        assert not asked


def test_a_server_that_is_gone_is_told() -> None:
    with serving(200, {}) as (url, _):
        pass
    assert isinstance(refusal(url), Unreachable)
