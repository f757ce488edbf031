"""An engine behind an address: any server that speaks the OpenAI chat completions protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from time import monotonic
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from assistant.egress import Egress, Reason, is_loopback
from assistant.engines import AnswerFinished, EngineEvent, EngineIdentity, EngineKind, GenerationOptions
from assistant.engines.abilities import Abilities, context_in_force, examine
from assistant.engines.access import Access
from assistant.engines.calling import Calling, SchemaRefused, ToolsRefused, Way
from assistant.engines.deltas import Deltas
from assistant.engines.faults import (
    Asked,
    Refused,
    adapted,
    from_error_event,
    from_refusal,
    is_worth_a_retry,
    refuses_schema,
    refuses_tools,
)
from assistant.engines.limits import Limits
from assistant.engines.prompt import Show, shows_pictures, to_request_messages
from assistant.engines.sse import EventData
from assistant.errors import ContextFull, EngineError, Interrupted, ModelMissing, NotCompatible
from assistant.events import PromptRead, ReasoningDelta, TextDelta, UsageReported
from assistant.messages import Message
from assistant.pick import Thinking

if TYPE_CHECKING:
    from assistant.engines.wire import Reply, Wire

_USAGE_GRACE_SECONDS = 3.0  # how long the usage may come behind the finish reason
_HELD_LIMIT = 1_000_000
_MEDIA_TYPES = frozenset({"text/event-stream", "application/json", "application/x-ndjson", ""})


class EndpointEngine:
    """Answers through the server at `url` (the base address that ends in /v1).

    Without a model, the first one that the server lists and that looks as if it could chat. `access` goes to this
    address and nowhere else. `context_tokens`, `sees_pictures` and `embeds` are what a test has found out;
    `show` gives the pictures of messages. Use from one event loop at a time.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        access: Access | None = None,
        kind: EngineKind = "endpoint",
        limits: Limits | None = None,
        egress: Egress | None = None,
        context_tokens: int | None = None,
        sees_pictures: bool | None = None,
        embeds: bool | None = None,
        show: Show | None = None,
        calling: Calling | None = None,
    ) -> None:
        self._url, self._model = url.rstrip("/"), model or ""
        self._has_chosen_model = not model
        self._kind: EngineKind = kind
        self._reason: Reason = "engine" if kind == "embedded" else "endpoint"
        self._access, self._limits, self._egress = access or Access(), limits or Limits(), egress or Egress()
        self.calling = calling or Calling()
        self._wire: tuple[asyncio.AbstractEventLoop, Wire] | None = None
        self._context_tokens, self._has_asked_for_context = context_tokens, False
        self._sees_pictures, self._show, self._embeds = sees_pictures, show, embeds
        self._counts = kind == "embedded" or is_loopback(
            urlsplit(url).hostname or ""
        )  # until it is seen that it cannot

    @property
    def identity(self) -> EngineIdentity:
        return EngineIdentity(self._kind, self._model, self._url)

    @property
    def goes_on(self) -> bool:
        """Only llama.cpp's own server is known to; others answer anew, or refuse."""
        return self._kind == "embedded"

    @property
    def context_tokens(self) -> int | None:
        """What it was told, what the server said, or what its refusal of too long a chat has taught."""
        return self._context_tokens

    @property
    def way(self) -> Way:
        return self.calling.way

    @property
    def blindness(self) -> EngineError | None:
        """What a test has found out, or a refusal has taught."""
        return NotCompatible("engine-no-pictures", model=self._model) if self._sees_pictures is False else None

    def told(self, found: Abilities) -> None:
        """A test has found out how much the model reads, whether it sees and embeds, and how it takes tools."""
        self._context_tokens = found.context_tokens or self._context_tokens
        self._sees_pictures, self._embeds = found.sees_images, found.embeds
        self.calling.told(calls_tools=found.calls_tools, keeps_to_json=found.keeps_to_json)

    async def learn_context(self) -> None:
        if self._has_asked_for_context or not self._model:
            return
        self._has_asked_for_context = True
        found = await context_in_force(
            self._url, model=self._model, access=self._access, egress=self._egress, reason=self._reason
        )
        self._context_tokens = found or self._context_tokens

    async def count(self, messages: Sequence[Message]) -> int | None:
        """llama.cpp's own server does it, at its root; no other is asked twice."""
        if not self._counts:
            return None
        try:
            history = to_request_messages(self.calling.history(messages))  # no picture is a token
            counted = await (await self._connected()).count(history)
        except (EngineError, Refused):
            counted = None
        self._counts = counted is not None
        return counted

    async def start(self) -> None:
        """Loads the client's code, which takes half a second."""
        await asyncio.to_thread(load_client)

    async def models(self) -> list[str]:
        wire = await self._connected()
        try:
            listed = await wire.models()
        except Refused as refused:
            raise from_refusal(refused, self._asked()) from None
        return [name for name in listed if not self._access.hides(name)]

    async def stream(self, messages: Sequence[Message], options: GenerationOptions) -> AsyncGenerator[EngineEvent]:
        if shows_pictures(messages) and (fault := self.blindness) is not None:
            raise fault
        if options.tools:
            answer = self.calling.stream(self._ask, messages, options)
        else:
            answer = self._ask(self.calling.history(messages), options, {})
        async with aclosing(answer) as events:
            async for event in events:
                yield event

    async def _ask(
        self, messages: Sequence[Message], options: GenerationOptions, more: Mapping[str, Any]
    ) -> AsyncGenerator[EngineEvent]:
        """One request, with `more` in it. Raises ToolsRefused and SchemaRefused, too, where more is about that."""
        request = with_more(await self._request(messages, options), more)
        in_words = None if shows_pictures(messages) else to_request_messages(messages)
        deltas, began = Deltas(), None
        for asked in (request, _in_one_piece(request)):
            async with AsyncExitStack() as connection:
                reply = await self._opened(asked, connection, in_words=in_words)
                words = self._words(reply, deltas)
                async with aclosing(words):
                    async for word in words:
                        began = began or (None if isinstance(word, PromptRead) else monotonic())
                        yield word
            if deltas.chunks or deltas.reason is not None:
                break
        if deltas.reason is None:
            raise Interrupted("engine-ended-early", url=self._url)
        rate = deltas.tokens_per_second or _rate(deltas.completion_tokens, began)
        if (deltas.prompt_tokens, deltas.completion_tokens, rate) != (None, None, None):
            yield UsageReported(deltas.prompt_tokens, deltas.completion_tokens, rate)
        yield AnswerFinished(deltas.reason, deltas.tool_calls)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if not texts:
            return []
        if not self._model:
            self._model = await self._first_model()
        if self._embeds is False:
            raise NotCompatible("engine-no-embeddings", model=self._model)
        try:
            return await (await self._connected()).embed(self._model, texts)
        except Refused as refused:
            error = self._learnt(from_refusal(refused, self._asked()))
            is_unknown = isinstance(error, NotCompatible)
            raise NotCompatible("engine-no-embeddings", model=self._model) if is_unknown else error from None

    async def is_asleep(self) -> bool:
        """Whether the server is llama.cpp's and has let its model go for want of questions. Never raises."""
        try:
            return await (await self._connected()).is_asleep()
        except EngineError:
            return False

    async def abilities(self) -> Abilities:
        if not self._model:
            self._model = await self._first_model()
        return await examine(
            self._url, model=self._model, access=self._access, egress=self._egress, reason=self._reason
        )

    async def aclose(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None and wire[0] is asyncio.get_running_loop():
            await wire[1].aclose()

    def _asked(self, request: Mapping[str, Any] | None = None) -> Asked:
        has_pictures = request is not None and any(isinstance(said["content"], list) for said in request["messages"])
        return Asked(self._url, self._model, has_key=bool(self._access.api_key), has_pictures=has_pictures)

    async def _connected(self) -> Wire:
        loop = asyncio.get_running_loop()
        if self._wire is None or self._wire[0] is not loop:
            wire = await asyncio.to_thread(self._new_wire)
            self._wire = (loop, wire)
        return self._wire[1]

    def _new_wire(self) -> Wire:
        return load_client()(
            self._url, access=self._access, limits=self._limits, egress=self._egress, reason=self._reason
        )

    async def _request(self, messages: Sequence[Message], options: GenerationOptions) -> dict[str, Any]:
        if not self._model:
            self._model = await self._first_model()
        show = None if self._sees_pictures is False else self._show
        sent = to_request_messages(messages)
        if show is not None and any(message.pictures for message in messages):
            sent = await asyncio.to_thread(to_request_messages, messages, show)  # reads files, and may draw some anew
        request: dict[str, Any] = {
            "model": self._model,
            "messages": sent,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if options.temperature is not None:
            request["temperature"] = options.temperature
        if options.max_tokens is not None:
            request["max_tokens"] = options.max_tokens
        if options.thinking:
            request |= thinking_fields(options.thinking)
        if self._kind == "embedded":
            # Each batch that was read is told: for the page, and because llama.cpp looks only then, or once a second,
            # whether anybody listens still.
            request["extra_body"] = {**request.get("extra_body", {}), "return_progress": True}
        return request

    async def _first_model(self) -> str:
        try:
            listed = await self.models()
        except NotCompatible as error:
            # A gateway need not list its models: then the person has to name one.
            if error.key != "engine-no-chat-here":
                raise
            raise ModelMissing("engine-name-a-model", url=self._url) from None
        if not listed:
            raise ModelMissing("engine-no-models", url=self._url)
        return default_model(listed)

    async def _opened(
        self, request: dict[str, Any], connection: AsyncExitStack, *, in_words: list[dict[str, Any]] | None
    ) -> Reply:
        """Asks, and asks again where that may help: before the first word only, and not for long. `in_words` is the
        history without the pictures of earlier questions, for a model that will not have them."""
        wire = await self._connected()
        retries, may_choose_anew = 0, self._has_chosen_model
        while True:
            try:
                async with asyncio.timeout(self._limits.first_byte_seconds):
                    return _checked(await connection.enter_async_context(wire.chat(request)), self._url)
            except TimeoutError:
                raise Interrupted("engine-silent", url=self._url) from None
            except Refused as refused:
                changed = adapted(request, refused)
                error = self._learnt(from_refusal(refused, self._asked(request)))
                if refuses_tools(request, refused, error):
                    raise ToolsRefused from None
                if changed is None and refuses_schema(request, error):
                    raise SchemaRefused from None
                if may_choose_anew and error.key == "engine-model-unknown":  # it was first in the list once
                    may_choose_anew, self._model = False, await self._first_model()
                    changed = request | {"model": self._model}
                if error.key == "engine-pictures-refused" and in_words is not None:
                    changed = request | {"messages": in_words}
                wait = self._limits.retry_wait_seconds(retries, asked=refused.retry_after_seconds)
                if changed is not None:
                    request = changed
                elif wait is not None and is_worth_a_retry(refused):
                    retries += 1
                    await asyncio.sleep(wait)
                else:
                    raise error from None

    async def _words(self, reply: Reply, deltas: Deltas) -> AsyncGenerator[PromptRead | TextDelta | ReasoningDelta]:
        """The words of an answer as they come. After the finish reason only the usage is waited for, and no fault
        counts any more. A chunk that is no JSON is passed over, and said at the end: the words behind it are kept."""
        is_garbled, characters, held, read = False, 0, "", None
        try:
            async with aclosing(self._payloads(reply, deltas)) as payloads:
                async for payload in payloads:
                    if payload == "[DONE]":
                        break
                    chunk = _decoded(payload)
                    if held or (chunk is None and payload.startswith("{")):
                        held = (held + payload)[:_HELD_LIMIT]  # an object may be spread over several lines of data
                        is_garbled = is_garbled or _is_whole(chunk)
                        chunk = chunk if _is_whole(chunk) else _decoded(held)
                        held = "" if chunk is not None else held
                    words = deltas.take(chunk)
                    if deltas.read is not None and deltas.read is not read:
                        read = deltas.read
                        yield read
                    for word in words:
                        characters += len(word.text)
                        if characters > self._limits.answer_characters:
                            raise Interrupted("engine-too-long", characters=f"{self._limits.answer_characters:,}")
                        yield word
                    self._raise_for(chunk, deltas)
        except EngineError:
            if deltas.reason is None or deltas.broke_off:
                raise
        if is_garbled or held or (reply.media_type != "text/event-stream" and not deltas.chunks):
            raise (Interrupted("engine-garbled", url=self._url) if deltas.chunks else self._stranger())

    async def _payloads(self, reply: Reply, deltas: Deltas) -> AsyncGenerator[str]:
        """The JSON texts in an answer. The clock counts them and not bytes, so that a trickle is no sign of life."""
        events = EventData()
        is_stream = reply.media_type in ("text/event-stream", "")
        whole: list[bytes] = []
        deadline = monotonic() + self._limits.first_byte_seconds
        while (chunk := await self._next(reply, deadline=deadline, deltas=deltas)) is not None:
            if not is_stream:
                whole.append(chunk)
                continue
            for payload in events.feed(chunk):
                deadline = monotonic() + self._limits.stall_seconds
                yield payload
            if events.is_overlong:
                raise Interrupted("engine-line-too-long", url=self._url)
            if deltas.reason is not None:
                deadline = min(deadline, monotonic() + _USAGE_GRACE_SECONDS)
        for payload in events.finish() if is_stream else [b"".join(whole).decode("utf-8", "replace").strip()]:
            yield payload

    async def _next(self, reply: Reply, *, deadline: float, deltas: Deltas) -> bytes | None:
        try:
            async with asyncio.timeout(max(0.0, deadline - monotonic())):
                return await anext(reply.chunks, None)
        except TimeoutError:
            raise Interrupted("engine-stalled" if deltas.chunks else "engine-silent", url=self._url) from None

    def _raise_for(self, chunk: object, deltas: Deltas) -> None:
        """Servers put faults into the stream once it has begun: llama.cpp, vLLM and OpenRouter each in their way."""
        fields = cast("Mapping[str, Any]", chunk) if isinstance(chunk, dict) else {}
        error = fields if fields.get("object") == "error" else fields.get("error")
        if error:
            raise self._learnt(from_error_event(error, self._asked()))
        if deltas.broke_off:
            raise Interrupted("engine-server-fault-in-stream", url=self._url)

    def _learnt(self, error: EngineError) -> EngineError:
        """The same error: one that says how much the model can read, or that it sees nothing, has taught us that."""
        if isinstance(error, ContextFull) and isinstance(limit := error.values.get("limit"), int) and limit > 0:
            self._context_tokens, self._has_asked_for_context = limit, True
        if error.key == "engine-pictures-refused":
            self._sees_pictures = False
        return error

    def _stranger(self) -> NotCompatible:
        return NotCompatible("engine-not-compatible", url=self._url)


def _in_one_piece(request: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a server that closed its stream without anything in it: llama-cpp-python's says that the context is
    full, and other faults, to those alone who want the answer whole."""
    return {name: value for name, value in request.items() if name != "stream_options"} | {"stream": False}


def with_more(request: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """A request with more fields; those that only some servers know stand in one of their own."""
    beside = {**request.get("extra_body", {}), **more.get("extra_body", {})}
    return {**request, **more, **({"extra_body": beside} if beside else {})}


def thinking_fields(thinking: Thinking) -> dict[str, Any]:
    """How a request says how long to think. OpenAI, Ollama and LM Studio know `reasoning_effort`; llama.cpp and vLLM
    hand the others to the model's template, where Qwen and its kin look for the first and gpt-oss for the second."""
    template = {"enable_thinking": thinking != "none", "reasoning_effort": "low" if thinking == "none" else thinking}
    return {"reasoning_effort": thinking, "extra_body": {"chat_template_kwargs": template}}


def default_model(listed: Sequence[str]) -> str:
    """The first model that is not plainly for something else: Ollama and LM Studio list embedding models too."""
    others = ("embed", "whisper", "tts", "rerank", "dall-e", "moderation", "bge-", "clip")
    return next((name for name in listed if not any(word in name.lower() for word in others)), listed[0])


def load_client() -> type[Wire]:
    """The openai client's code, for a thread: the first time it takes half a second and more."""
    from assistant.engines.wire import Wire  # late: see above

    return Wire


def _checked(reply: Reply, url: str) -> Reply:
    if reply.status in (204, 205) or reply.media_type not in _MEDIA_TYPES:
        raise NotCompatible("engine-not-compatible", url=url)
    return reply


def _decoded(payload: str) -> object:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def _is_whole(chunk: object) -> bool:
    """Whether this is a chunk of its own, and not a line of one."""
    return isinstance(chunk, dict) and bool({"choices", "usage", "error", "object"} & chunk.keys())


def _rate(tokens: int | None, began: float | None) -> float | None:
    """Tokens per second since the first word; None where that is too short to tell."""
    if tokens is None or began is None or (elapsed := monotonic() - began) < 0.05:
        return None
    return tokens / elapsed
