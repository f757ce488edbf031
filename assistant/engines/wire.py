"""The wire to an endpoint: the openai client on the transport of ours.

Imported late, by the first request: openai takes half a second.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx2
import openai
from pydantic import BaseModel

from assistant.egress import Egress, Reason
from assistant.engines.access import Access
from assistant.engines.address import normalise_endpoint
from assistant.engines.faults import Asked, Refused, from_connection
from assistant.engines.limits import Limits
from assistant.engines.transport import BoundedTransport
from assistant.errors import Interrupted, NotCompatible, SettingsError, Unreachable, WrongKey

_PLACEHOLDER = "none"  # never None: the client would take OPENAI_API_KEY from the environment


@dataclass(frozen=True)
class Reply:
    """A successful answer that is still arriving."""

    status: int
    media_type: str
    chunks: AsyncGenerator[bytes]


class _Vector(BaseModel):
    embedding: list[float]
    index: int = 0


class _Embedded(BaseModel):
    data: list[_Vector]


class Wire:
    """Connections to one endpoint. Belongs to the event loop that first uses it."""

    def __init__(self, url: str, *, access: Access, limits: Limits, egress: Egress, reason: Reason) -> None:
        # At debug level the client logs requests, chats included.
        for name in ("openai", "httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        api_key = access.api_key
        self._url, self._has_key, self._limits = url, bool(api_key), limits
        asked = Asked(url, "", has_key=bool(api_key))
        try:
            normalise_endpoint(url)
        except SettingsError:
            raise Unreachable("engine-address", url=url) from None
        if api_key and not all("!" <= character <= "~" for character in api_key):
            raise WrongKey("engine-key-characters")
        try:
            transport = BoundedTransport(
                url, access=access, answer_bytes=limits.answer_bytes, egress=egress, reason=reason
            )
            self._http = httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)
            self._client = openai.AsyncOpenAI(
                base_url=url,
                api_key=api_key or _PLACEHOLDER,
                organization="",
                project="",
                max_retries=0,
                timeout=httpx2.Timeout(limits.first_byte_seconds, connect=limits.connect_seconds),
                http_client=self._http,
            )
            self._completions = self._client.chat.completions.with_streaming_response  # imports much: here, in a thread
            self._models = self._client.models.with_raw_response
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise from_connection(error, asked) from None
        except (ImportError, ValueError) as error:  # a SOCKS proxy needs a package, and "socks://" is no scheme
            raise Unreachable("engine-proxy", url=url) from error

    @asynccontextmanager
    async def chat(self, request: Mapping[str, Any]) -> AsyncGenerator[Reply]:
        """Asks for a streamed answer. Leaving the block closes the connection. Raises Refused and EngineErrors."""
        asked = Asked(self._url, str(request.get("model")), has_key=self._has_key)
        with _told(asked):
            response = await self._completions.create(**request).__aenter__()
        try:
            media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            yield Reply(response.http_response.status_code, media_type, _chunks(response.http_response, asked))
        finally:
            await response.http_response.aclose()

    async def models(self) -> list[str]:
        """The ids the endpoint lists. Raises Refused and EngineErrors."""
        asked = Asked(self._url, "", has_key=self._has_key)
        try:
            async with asyncio.timeout(self._limits.list_seconds):
                with _told(asked):
                    response = await self._models.list(timeout=self._limits.list_seconds)
        except TimeoutError:
            raise Interrupted("engine-silent-list", url=self._url) from None
        try:
            content = json.loads(response.content)
        except (ValueError, RecursionError):
            raise NotCompatible("engine-not-compatible", url=self._url) from None
        listed = cast("dict[str, Any]", content).get("data") if isinstance(content, dict) else content
        if not isinstance(listed, list):
            raise NotCompatible("engine-not-compatible", url=self._url)
        entries = [cast("dict[str, Any]", item) for item in cast("list[object]", listed) if isinstance(item, dict)]
        return [entry["id"] for entry in entries if _is_name(entry.get("id"))]

    async def count(self, messages: Sequence[Mapping[str, Any]]) -> int | None:
        """How many tokens llama.cpp's server makes of these messages; None for any other. Raises EngineErrors."""
        templated = await self._at_root("/apply-template", {"messages": messages})
        prompt = templated.get("prompt")
        if not isinstance(prompt, str):
            return None
        order = {"content": prompt, "add_special": True, "parse_special": True}
        tokens = (await self._at_root("/tokenize", order)).get("tokens")
        return len(cast("list[object]", tokens)) if isinstance(tokens, list) else None

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text. Raises Refused and EngineErrors."""
        with _told(Asked(self._url, model, has_key=self._has_key)):
            response = await self._http.post(
                f"{self._url}/embeddings",
                json={"model": model, "input": list(texts), "encoding_format": "float"},
                timeout=self._limits.first_byte_seconds,
            )
        if response.status_code != 200:
            raise Refused(response.status_code, response.text)
        try:
            rows = _Embedded.model_validate_json(response.content).data
        except ValueError:
            raise NotCompatible("engine-not-compatible", url=self._url) from None
        vectors = [row.embedding for row in sorted(rows, key=lambda row: row.index)]
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1 or not all(vectors):
            raise NotCompatible("engine-not-compatible", url=self._url)
        return vectors

    async def is_asleep(self) -> bool:
        """Whether llama.cpp's server has let its model go for want of questions. Asking does not wake it."""
        root = httpx2.URL(self._url).copy_with(path="/props", query=None)
        with _told(Asked(self._url, "", has_key=self._has_key)):
            response = await self._http.get(root, timeout=self._limits.list_seconds)
        try:
            return response.status_code == 200 and json.loads(response.content).get("is_sleeping") is True
        except (ValueError, RecursionError, AttributeError):
            return False

    async def _at_root(self, path: str, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """The JSON object that comes back; an empty one for anything else."""
        root = httpx2.URL(self._url).copy_with(path=path, query=None)
        with _told(Asked(self._url, "", has_key=self._has_key)):
            response = await self._http.post(root, json=order, timeout=self._limits.list_seconds)
        try:
            content = json.loads(response.content) if response.status_code == 200 else None
        except (ValueError, RecursionError):
            return {}
        return cast("Mapping[str, Any]", content) if isinstance(content, dict) else {}

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._client.close()


@contextmanager
def _told(asked: Asked, *, has_begun: bool = False) -> Generator[None]:
    """Turns what openai and httpx2 raise into Refused and EngineErrors.

    `from None`: their exceptions hold the server's words, which may echo the key, and a log shows causes.
    """
    try:
        yield
    except openai.APIStatusError as fault:
        seconds = _seconds(fault.response.headers.get("retry-after"))
        raise Refused(fault.status_code, fault.response.text, retry_after_seconds=seconds) from None
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as fault:
        raise from_connection(fault, asked, has_begun=has_begun) from None
    except UnicodeError:  # a host name that cannot be one
        raise Unreachable("engine-address", url=asked.url) from None


async def _chunks(response: httpx2.Response, asked: Asked) -> AsyncGenerator[bytes]:
    with _told(asked, has_begun=True):
        async for chunk in response.aiter_raw():
            yield chunk


def _is_name(model: object) -> bool:
    """Whether a model can be asked for, shown and stored under this id."""
    return isinstance(model, str) and 0 < len(model) <= 500 and model.isprintable()


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header in seconds; its other form, a date, is rare and counts for nothing."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e6 else None
