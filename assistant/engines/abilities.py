"""What a model behind an endpoint can do, found out by trying: nothing is claimed that was not seen.

Each ability has one small request of its own, so that a server which refuses one says nothing about the others.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast
from urllib.parse import urlsplit

from assistant.egress import Egress, Reason, is_loopback
from assistant.engines.access import Access
from assistant.engines.faults import context_named_in, readable
from assistant.errors import EngineError

_ANSWER_BYTES = 4 * 1024 * 1024
_ANSWER_TOKENS = 200  # a model that thinks first has to come to its point
_BEYOND_ALL_CONTEXTS = 1_000_000_000
_PLAIN_QUESTION = "Reply with the word OK."
_TOOL = {
    "type": "function",
    "function": {
        "name": "room_temperature",
        "description": "Measures the temperature of a room, in degrees Celsius.",
        "parameters": {
            "type": "object",
            "properties": {"room": {"type": "string", "description": "Such as kitchen or attic."}},
            "required": ["room"],
        },
    },
}
_SCHEMA = {
    "type": "object",
    "properties": {"greeting": {"type": "string", "maxLength": 20}},
    "required": ["greeting"],
    "additionalProperties": False,
}
_COLOURS = {
    "red": (220, 20, 20),
    "green": (20, 160, 40),
    "blue": (20, 40, 220),
    "yellow": (250, 220, 20),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}
_PICTURE_PIXELS = 64
_SAYS_NOTHING = frozenset({401, 403, 408, 429, 502, 503, 504})  # not about what was asked


@dataclass(frozen=True)
class Abilities:
    """What was seen. None: not found out. `server` is its name and version, empty where it does not say; a context is
    the one in force, in tokens."""

    server: str = ""
    context_tokens: int | None = None
    streams: bool | None = None
    counts_tokens: bool | None = None
    reasons: bool | None = None
    calls_tools: bool | None = None
    keeps_to_json: bool | None = None
    sees_images: bool | None = None
    embeds: bool | None = None

    def to_json(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def from_json(content: object) -> Abilities:
        """Whatever is missing or of another kind has not been found out."""
        given = cast("Mapping[str, Any]", content) if isinstance(content, dict) else {}
        server, tokens = given.get("server"), given.get("context_tokens")
        return Abilities(
            server if isinstance(server, str) else "",
            tokens if type(tokens) is int else None,
            **{name: value if isinstance(value := given.get(name), bool) else None for name in ABILITIES},
        )


ABILITIES = tuple(field.name for field in fields(Abilities) if field.name not in ("server", "context_tokens"))


class _Refused(Exception):
    """The server would not have a request of this kind, and said so in `text`."""

    def __init__(self, text: str = "") -> None:
        self.text = text


class _NotFoundOut(Exception):
    """No answer came, or none that says anything about the ability."""


async def examine(
    url: str, *, model: str, access: Access, egress: Egress, reason: Reason, seconds: float = 60
) -> Abilities:
    """Asks one model at a base address half a dozen small things, each for at most so many seconds. What a streamed
    answer shows (`streams`, `counts_tokens`, `reasons`) is left to who asked for one. Never raises."""
    examiner = _Examiner(url, model=model, access=access, egress=egress, reason=reason, seconds=seconds)
    server, context_tokens = await examiner.about_server()
    if not await _seen(examiner.answers()):  # what is refused below would say nothing about the ability
        return Abilities(server, context_tokens)
    return Abilities(
        server,
        context_tokens or await examiner.context_it_refuses_by(),
        calls_tools=await _seen(examiner.calls_tools()),
        keeps_to_json=await _seen(examiner.keeps_to_json()),
        sees_images=await _seen(examiner.sees_images()),
        embeds=await _seen(examiner.embeds()),
    )


async def context_in_force(
    url: str, *, model: str, access: Access, egress: Egress, reason: Reason, seconds: float = 5
) -> int | None:
    """The context that a server says is in force for a model; None where it does not say. Never raises."""
    examiner = _Examiner(url, model=model, access=access, egress=egress, reason=reason, seconds=seconds)
    return await examiner.context_tokens(is_near=is_loopback(urlsplit(url).hostname or ""))


async def _seen(trial: Awaitable[bool]) -> bool | None:
    try:
        return await trial
    except _Refused:
        return False
    except _NotFoundOut:
        return None


class _Examiner:
    """The requests. Each raises _Refused or _NotFoundOut."""

    def __init__(self, url: str, *, model: str, access: Access, egress: Egress, reason: Reason, seconds: float) -> None:
        self._url, self._model, self._access = url, model, access
        self._egress, self._seconds = egress, seconds
        self._reason: Reason = reason
        self._limit = "max_tokens"

    async def context_tokens(self, *, is_near: bool) -> int | None:
        """The context in force, by as few pages as it takes; those of servers for one machine where one is near."""
        paths = _PAGES_OF_CONTEXT if is_near else ("/models",)
        pages = await asyncio.gather(*map(self._page, paths))
        seen: Pages = dict.fromkeys(_PAGES, None) | dict(zip(paths, pages, strict=True))
        return next((tokens for read in _CONTEXTS if (tokens := read(seen, self._model))), None)

    async def about_server(self) -> tuple[str, int | None]:
        """Name and version of the server, and the context in force: by the pages that each kind has of its own."""
        pages = await asyncio.gather(*map(self._page, _PAGES))
        seen: Pages = dict(zip(_PAGES, pages, strict=True))
        name = next((name for read in _NAMES if (name := read(seen))), "")
        tokens = next((tokens for read in _CONTEXTS if (tokens := read(seen, self._model))), None)
        if self._access.hides(name):  # it is shown, and kept
            name = ""
        return "".join(filter(str.isprintable, name))[:100], tokens

    async def answers(self) -> bool:
        """Whether a question without anything special is answered; learns how the server calls the limit of tokens."""
        try:
            await self._answer(_PLAIN_QUESTION)
        except _Refused:
            self._limit = "max_completion_tokens"  # OpenAI's reasoning models
            await self._answer(_PLAIN_QUESTION)
        return True

    async def context_it_refuses_by(self) -> int | None:
        """The context that a server names when it is asked to leave room for more than there can be. A careful
        question: one that takes it for an answer costs no more than the plain one."""
        try:
            await self._answer(_PLAIN_QUESTION, **{self._limit: _BEYOND_ALL_CONTEXTS, "stop": ["\n", "."]})
        except _Refused as refused:
            return context_named_in(refused.text)
        except _NotFoundOut:
            pass
        return None

    async def calls_tools(self) -> bool:
        """Whether it calls a tool that is handed to it, with arguments that are JSON."""
        said = await self._answer("How warm is it in the kitchen? Measure it.", tools=[_TOOL])
        functions = [_mapping(call.get("function")) for call in _listed(said.get("tool_calls"))]
        return any(each.get("name") == "room_temperature" and _decoded(each.get("arguments")) for each in functions)

    async def keeps_to_json(self) -> bool:
        """Whether its answer can be forced into a schema that the question says nothing of."""
        schema = {"name": "greeting", "strict": True, "schema": _SCHEMA}
        said = await self._answer("Say hello.", response_format={"type": "json_schema", "json_schema": schema})
        return list(_mapping(_decoded(said.get("content")))) == ["greeting"]

    async def sees_images(self) -> bool:
        """Whether it tells the colours of two pictures, which it cannot know."""
        words = f"Which colour is this picture: {', '.join(_COLOURS)}? Answer with that one word."
        for colour in random.sample(list(_COLOURS), 2):  # chance has one in thirty
            picture = {"type": "image_url", "image_url": {"url": _picture(_COLOURS[colour])}}
            said = await self._answer([{"type": "text", "text": words}, picture])
            if [name for name in _COLOURS if name in str(said.get("content")).lower()] != [colour]:
                return False
        return True

    async def embeds(self) -> bool:
        """Whether this model gives embeddings."""
        content = await self._sent("POST", f"{self._url}/embeddings", {"model": self._model, "input": "word"})
        return any(each.get("embedding") for each in _listed(_mapping(content).get("data")))

    async def _answer(self, question: object, **more: object) -> Mapping[str, Any]:
        """The message that answers a question."""
        request = {
            "model": self._model,
            "messages": [{"role": "user", "content": question}],
            self._limit: _ANSWER_TOKENS,
            **more,
        }
        content = await self._sent("POST", f"{self._url}/chat/completions", request)
        for choice in _listed(_mapping(content).get("choices")):
            return _mapping(choice.get("message"))
        raise _NotFoundOut

    async def _page(self, path: str) -> Any:
        parts = urlsplit(self._url)
        base = self._url if path == "/models" else f"{parts.scheme}://{parts.netloc}"
        try:
            return await self._sent("GET", base + path)
        except (_Refused, _NotFoundOut):
            return None

    async def _sent(self, method: str, url: str, body: object = None) -> Any:
        """The JSON that comes back."""
        import httpx2  # late: 0.1 s that only a test needs

        from assistant.engines.transport import BoundedTransport

        try:
            transport = BoundedTransport(
                self._url,
                access=self._access,
                answer_bytes=_ANSWER_BYTES,
                egress=self._egress,
                reason=self._reason,
            )
            async with (
                asyncio.timeout(self._seconds),
                httpx2.AsyncClient(transport=transport, trust_env=False, timeout=self._seconds) as client,
            ):
                response = await client.request(method, url, json=body)
        except (httpx2.HTTPError, httpx2.InvalidURL, EngineError, ImportError, OSError, ValueError) as fault:
            raise _NotFoundOut from fault
        if response.status_code == 200:
            return _decoded(response.content)
        if response.status_code in _SAYS_NOTHING:
            raise _NotFoundOut
        raise _Refused(readable(response.text))


Pages = Mapping[str, Any]
_PAGES: tuple[str, ...] = (
    "/models",
    "/props",
    "/api/version",
    "/version",
    "/api/extra/version",
    "/api/v0/models",
    "/api/ps",
    "/health/readiness",
    "/health/readiness/details",
    "/model_group/info",
)
_PAGES_OF_CONTEXT = ("/models", "/props", "/api/v0/models", "/api/ps")


def _ollama(pages: Pages) -> str:
    version = _mapping(pages["/api/version"]).get("version")
    return f"Ollama {version}" if isinstance(version, str) and not _koboldcpp(pages) else ""


def _koboldcpp(pages: Pages) -> str:
    extra = _mapping(pages["/api/extra/version"])
    return f"KoboldCpp {extra.get('version', '')}".strip() if extra.get("result") == "KoboldCpp" else ""


def _llama_cpp(pages: Pages) -> str:
    build = _mapping(pages["/props"]).get("build_info")
    if not isinstance(build, str) or _koboldcpp(pages):
        return ""
    return "llama.cpp" if "unknown" in build else f"llama.cpp {build}"  # built from somebody's own sources


def _lm_studio(pages: Pages) -> str:
    return "LM Studio" if any("loaded_context_length" in each or "arch" in each for each in _lm_models(pages)) else ""


def _vllm(pages: Pages) -> str:
    owners = {each.get("owned_by") for each in _listed(_mapping(pages["/models"]).get("data"))}
    version = _mapping(pages["/version"]).get("version", "")
    return f"vLLM {version}".strip() if "vllm" in owners else ""


def _litellm(pages: Pages) -> str:
    """Newer ones tell their version only where a key is needed."""
    told = (_mapping(pages[path]).get("litellm_version") for path in ("/health/readiness/details", "/health/readiness"))
    return next((f"LiteLLM {version}" for version in told if isinstance(version, str)), "")


def _lm_models(pages: Pages) -> list[Mapping[str, Any]]:
    return _listed(_mapping(pages["/api/v0/models"]).get("data"))


_NAMES: tuple[Callable[[Pages], str], ...] = (_litellm, _koboldcpp, _lm_studio, _vllm, _ollama, _llama_cpp)


def _context_of_props(pages: Pages, _: str) -> object:
    return _mapping(_mapping(pages["/props"]).get("default_generation_settings")).get("n_ctx")


def _context_of_models(pages: Pages, model: str) -> object:
    for each in _listed(_mapping(pages["/models"]).get("data")):
        if each.get("id") == model:
            return each.get("max_model_len") or each.get("context_length") or each.get("context_window")
    return None


def _context_of_lm_studio(pages: Pages, model: str) -> object:
    return next((each.get("loaded_context_length") for each in _lm_models(pages) if each.get("id") == model), None)


def _context_of_ollama(pages: Pages, model: str) -> object:
    """Of the model as it is loaded; what its file could do is another figure."""
    loaded = _listed(_mapping(pages["/api/ps"]).get("models"))
    names = (model, f"{model}:latest")
    return next((each.get("context_length") for each in loaded if each.get("name") in names), None)


def _context_of_litellm(pages: Pages, model: str) -> object:
    """What its configuration says of the servers behind it, as a number with a point."""
    groups = _listed(_mapping(pages["/model_group/info"]).get("data"))
    tokens = next((each.get("max_input_tokens") for each in groups if each.get("model_group") == model), None)
    return int(tokens) if isinstance(tokens, float) and tokens.is_integer() else tokens


def _positive(read: Callable[[Pages, str], object]) -> Callable[[Pages, str], int | None]:
    def checked(pages: Pages, model: str) -> int | None:
        tokens = read(pages, model)
        return tokens if type(tokens) is int and tokens > 0 else None

    return checked


_CONTEXTS = tuple(
    map(
        _positive,
        (_context_of_lm_studio, _context_of_ollama, _context_of_litellm, _context_of_props, _context_of_models),
    )
)


def _picture(colour: tuple[int, int, int]) -> str:
    """A square of one colour, as the address of a PNG."""
    line = b"\0" + bytes(colour) * _PICTURE_PIXELS
    head = struct.pack(">IIBBBBB", _PICTURE_PIXELS, _PICTURE_PIXELS, 8, 2, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(line * _PICTURE_PIXELS)), (b"IEND", b"")
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _listed(value: object) -> list[Mapping[str, Any]]:
    return (
        [_mapping(each) for each in cast("list[object]", value) if isinstance(each, dict)]
        if isinstance(value, list)
        else []
    )


def _decoded(text: object) -> Any:
    try:
        return json.loads(cast("str", text))
    except (ValueError, TypeError, RecursionError):
        return None
