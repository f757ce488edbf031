"""What a fake endpoint can play: answers, and every fault that an endpoint has been seen or feared to have."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Peer:
    """The client's end of one connection, as the steps write to it."""

    def __init__(self, writer: asyncio.StreamWriter, request: Mapping[str, Any] | None = None) -> None:
        self.writer = writer
        self.request = request or {}
        self.asked_at = time.time()

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
        await self.raw("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))

    async def whole(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        await self.head(status, {**headers, "Content-Length": str(len(body))})
        await self.raw(body)

    async def begin_stream(self) -> None:
        await self.head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})

    async def piece(self, data: bytes) -> None:
        """One HTTP chunk, so that a connection that just closes is a cut."""
        if data:
            await self.raw(_http_chunk(data))

    async def event(self, value: object) -> None:
        await self.piece(_sse_event(value))

    def event_now(self, value: object) -> None:
        """Sends an event without waiting for a client that does not keep up."""
        self.writer.write(_http_chunk(_sse_event(value)))

    async def end_stream(self) -> None:
        await self.raw(b"0\r\n\r\n")


def _http_chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _sse_event(value: object) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


class Step(Protocol):
    async def play(self, peer: Peer) -> None: ...


def chunk(delta: Mapping[str, Any] | None = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    """A chat completion chunk as OpenAI sends it."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish_reason}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": [choice]} | more


@dataclass(frozen=True)
class Moments:
    """When an answer was asked for, and when its first and last token went out. In seconds as of `time.time`, a clock
    that all processes and pages of a machine share."""

    asked: float
    first: float
    last: float


@dataclass(frozen=True)
class Answer:
    """A good answer. `rate_per_second` 0: as fast as the client takes it; else each token goes out when it is due,
    whether or not the client keeps up, as a model does not wait for its reader. `hear` is told when that was."""

    tokens: Sequence[str] = ("Hello", ", ", "world", "!")
    rate_per_second: float = 0
    reasoning: Sequence[str] = ()
    tool_calls: Sequence[Mapping[str, Any]] = ()
    usage: tuple[int, int] | None = (7, 4)
    finish_reason: str | None = "stop"
    timings: Mapping[str, float] = field(default_factory=dict[str, float])
    done: bool = True
    hear: Callable[[Moments], None] | None = None

    async def play(self, peer: Peer) -> None:
        await peer.begin_stream()
        await peer.event(chunk({"role": "assistant", "content": None}))
        deltas = [{"reasoning_content": token} for token in self.reasoning]
        deltas += [{"content": token} for token in self.tokens]
        first = last = time.time()
        for number, delta in enumerate(deltas):
            if not self.rate_per_second:
                last = time.time()
                await peer.event(chunk(delta))
                continue
            # A deadline for each token and no pause between them: what one is late, the next ones are not.
            if (early_seconds := first + number / self.rate_per_second - time.time()) > 0:
                await asyncio.sleep(early_seconds)
            last = time.time()
            peer.event_now(chunk(delta))
        if self.hear:
            self.hear(Moments(peer.asked_at, first, last))
        for call in self.tool_calls:
            await peer.event(chunk({"tool_calls": [call]}))
        if self.finish_reason is not None:
            await peer.event(chunk({}, self.finish_reason))
        if self.usage:
            prompt, completion = self.usage
            counted = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
            await peer.event(chunk() | {"choices": [], "usage": counted, "timings": dict(self.timings)})
        if self.done:
            await peer.event(b"[DONE]")
        await peer.end_stream()


@dataclass(frozen=True)
class WholeAnswer:
    """A server that does not stream."""

    text: str = "All at once."

    async def play(self, peer: Peer) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": self.text}, "finish_reason": "stop"}
        body = {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 3}}
        await peer.whole(200, json.dumps(body).encode(), {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Payloads:
    """Words, then payloads byte for byte as they stand here, then (unless `finish_reason` is None) a proper end."""

    payloads: Sequence[bytes]
    before: Sequence[str] = ("Hello",)
    after: Sequence[str] = (" again",)
    finish_reason: str | None = "stop"
    is_framed: bool = True

    async def play(self, peer: Peer) -> None:
        await peer.begin_stream()
        for token in self.before:
            await peer.event(chunk({"content": token}))
        for payload in self.payloads:
            await (peer.event(payload) if self.is_framed else peer.piece(payload))
        for token in self.after:
            await peer.event(chunk({"content": token}))
        if self.finish_reason is not None:
            await peer.event(chunk({}, self.finish_reason))
            await peer.event(b"[DONE]")
        await peer.end_stream()


def bad_json() -> Payloads:
    return Payloads([b'{"choices": [{"delta": {"content": "lo'])


def bad_utf8() -> Payloads:
    return Payloads([b'{"choices": [{"index": 0, "delta": {"content": " \xff\xfe"}}]}'])


def oddities() -> Payloads:
    """What is valid JSON and no part of an answer."""
    return Payloads(
        [b"null", b"{}", b"[]", b"7", b'"x"', b'{"choices": []}', b'{"choices": null}', b'{"choices": [null]}']
    )


def unknown_events() -> Payloads:
    lines = b': a comment\n\nevent: ping\ndata: {"type": "ping"}\n\nretry: 10\nid: 3\n\nwhatever\n\n'
    return Payloads([lines], is_framed=False)


def error_event(message: str = "the GPU fell off", **more: Any) -> Payloads:
    return Payloads([json.dumps({"error": {"message": message} | more}).encode()], after=(), finish_reason=None)


def missing_index() -> Payloads:
    """Ollama's tool calls: no index, no id, each whole."""
    function = {"name": "clock", "arguments": '{"zone": "UTC"}'}
    return Payloads([json.dumps(chunk({"tool_calls": [{"function": function}]})).encode()], after=())


CONTEXT_MESSAGE = "request (9031 tokens) exceeds the available context size (8192 tokens), try increasing it"


@dataclass(frozen=True)
class ContextOverflow:
    """llama.cpp's words for a chat that is too long, as HTTP 400 or in the stream."""

    as_event: bool = False

    async def play(self, peer: Peer) -> None:
        if self.as_event:
            await error_event(CONTEXT_MESSAGE, code=400, type="exceed_context_size_error").play(peer)
            return
        await Status(400, {"error": {"message": CONTEXT_MESSAGE, "code": 400}}).play(peer)


@dataclass(frozen=True)
class Status:
    """An HTTP status with a body: JSON unless it is bytes."""

    code: int
    body: object = field(default_factory=lambda: {"error": {"message": "no"}})
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    async def play(self, peer: Peer) -> None:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        await peer.whole(
            self.code, b"" if self.code == 204 else body, {"Content-Type": "application/json", **self.headers}
        )


def html(code: int = 200) -> Status:
    return Status(code, b"<!doctype html><title>Router login</title>", {"Content-Type": "text/html; charset=utf-8"})


def redirect(to: str, code: int = 307) -> Status:
    return Status(code, b"", {"Location": to})


@dataclass(frozen=True)
class Cut:
    """Words, then the connection is simply gone."""

    after: Sequence[str] = ("Hello",)

    async def play(self, peer: Peer) -> None:
        await peer.begin_stream()
        for token in self.after:
            await peer.event(chunk({"content": token}))
        peer.writer.transport.abort()


@dataclass(frozen=True)
class Silence:
    """Nothing, for longer than anybody waits: before the headers, or after the words in `after`."""

    after: Sequence[str] = ()

    async def play(self, peer: Peer) -> None:
        if self.after:
            await peer.begin_stream()
        for token in self.after:
            await peer.event(chunk({"content": token}))
        await asyncio.sleep(3600)


@dataclass(frozen=True)
class SlowBytes:
    """One byte at a time, of comments that never become an event."""

    seconds_per_byte: float = 0.2

    async def play(self, peer: Peer) -> None:
        await peer.begin_stream()
        await peer.event(chunk({"content": "Hello"}))
        while True:
            await peer.piece(b":")
            await asyncio.sleep(self.seconds_per_byte)


@dataclass(frozen=True)
class GiantLine:
    """Words, and then a line of so many megabytes."""

    megabytes: int = 64

    async def play(self, peer: Peer) -> None:
        await peer.begin_stream()
        await peer.event(chunk({"content": "Hello"}))
        await peer.piece(b'data: {"choices": [{"delta": {"content": "')
        for _ in range(self.megabytes):
            await peer.piece(b"x" * 1024 * 1024)
        await peer.piece(b'"}}]}\n\n')
        await peer.end_stream()


@dataclass(frozen=True)
class Endless:
    """Words without end, as fast as they go."""

    async def play(self, peer: Peer) -> None:
        await peer.begin_stream()
        data = b"".join(b"data: " + json.dumps(chunk({"content": "word " * 200})).encode() + b"\n\n" for _ in range(20))
        while True:
            await peer.piece(data)


@dataclass(frozen=True)
class CompressionBomb:
    """A small packed body that becomes a big one."""

    megabytes: int = 64
    code: int = 200

    async def play(self, peer: Peer) -> None:
        body = gzip.compress(b"\n" * self.megabytes * 1024 * 1024)
        await peer.whole(self.code, body, {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"})
