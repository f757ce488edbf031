"""The wire to an endpoint: the openai client on a transport of ours that bounds what goes out and what comes in.

Imported late, by the first request: openai takes half a second.
"""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
import openai

from assistant.engines.address import is_loopback, normalise_endpoint
from assistant.engines.faults import Asked, Refused, from_connection
from assistant.engines.limits import Limits
from assistant.errors import EngineError, Interrupted, NotCompatible, SettingsError, Unreachable, WrongKey

# The openai client adds more: the system, the Python version, whatever OPENAI_CUSTOM_HEADERS holds.
_SENT_HEADERS = frozenset({"host", "accept", "content-type", "content-length", "transfer-encoding", "connection"})
_ERROR_BYTES = 64 * 1024
# A kept connection that the server closes just when the next question comes would fail that question.
_LIMITS = httpx2.Limits(max_keepalive_connections=0)
_PLACEHOLDER = "none"  # never None: the client would take OPENAI_API_KEY from the environment


@dataclass(frozen=True)
class Reply:
    """A successful answer that is still arriving."""

    status: int
    media_type: str
    chunks: AsyncGenerator[bytes]


class Wire:
    """Connections to one endpoint. Belongs to the event loop that first uses it."""

    def __init__(self, url: str, *, api_key: str | None, limits: Limits) -> None:
        # At debug level the client logs requests, chats included.
        for name in ("openai", "httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._url, self._has_key, self._limits = url, bool(api_key), limits
        asked = Asked(url, "", has_key=bool(api_key))
        try:
            normalise_endpoint(url)
        except SettingsError:
            raise Unreachable("engine-address", url=url) from None
        if api_key and not all("!" <= character <= "~" for character in api_key):
            raise WrongKey("engine-key-characters")
        try:
            transport = _BoundedTransport(_transport(url), api_key=api_key, answer_bytes=limits.answer_bytes)
            self._client = openai.AsyncOpenAI(
                base_url=url,
                api_key=api_key or _PLACEHOLDER,
                organization="",
                project="",
                max_retries=0,
                timeout=httpx2.Timeout(limits.first_byte_seconds, connect=limits.connect_seconds),
                http_client=httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False),
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
        with _told(asked):
            response = await self._models.list(timeout=self._limits.list_seconds)
        try:
            content = json.loads(response.content)
        except (ValueError, RecursionError):
            raise NotCompatible("engine-not-compatible", url=self._url) from None
        listed = cast("dict[str, Any]", content).get("data") if isinstance(content, dict) else content
        if not isinstance(listed, list):
            raise NotCompatible("engine-not-compatible", url=self._url)
        entries = [cast("dict[str, Any]", item) for item in cast("list[object]", listed) if isinstance(item, dict)]
        return [entry["id"] for entry in entries if isinstance(entry.get("id"), str) and entry["id"]]

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


class _BoundedTransport(httpx2.AsyncBaseTransport):
    """Sends only what an endpoint needs to know, takes no redirect, no compressed answer and no endless one."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, api_key: str | None, answer_bytes: int) -> None:
        self._inner, self._api_key, self._answer_bytes = inner, api_key, answer_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = {name: value for name, value in request.headers.items() if name in _SENT_HEADERS}
        headers |= {"user-agent": "Hearth", "accept-encoding": "identity"}
        if self._api_key:
            headers["authorization"] = f"Bearer {self._api_key}"
        sent = httpx2.Request(
            request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
        )
        response = await self._inner.handle_async_request(sent)
        error = self._error(request, response)
        if error is not None:
            await response.aclose()
            raise error
        is_error = response.status_code >= 400
        stream = _BoundedStream(
            cast("httpx2.AsyncByteStream", response.stream),
            most_bytes=_ERROR_BYTES if is_error else self._answer_bytes,
            cuts_silently=is_error,
        )
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    def _error(self, request: httpx2.Request, response: httpx2.Response) -> EngineError | None:
        url = str(request.url.copy_with(query=None))
        if 300 <= response.status_code < 400:
            target = urljoin(url, response.headers.get("location", "")).partition("?")[0].partition("#")[0]
            shown = "?" if self._api_key and self._api_key in target else "".join(filter(str.isprintable, target))[:200]
            return NotCompatible("engine-redirect", url=url, target=shown)
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            return NotCompatible("engine-compressed", url=url)
        return None

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    """A body of at most so many bytes: past that it ends, or raises Interrupted."""

    def __init__(self, inner: httpx2.AsyncByteStream, *, most_bytes: int, cuts_silently: bool) -> None:
        self._inner, self._most_bytes, self._cuts_silently = inner, most_bytes, cuts_silently

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for chunk in self._inner:
            taken += len(chunk)
            if taken <= self._most_bytes:
                yield chunk
            elif self._cuts_silently:
                return
            else:
                raise Interrupted("engine-too-long", megabytes=max(1, self._most_bytes // 1024**2))

    async def aclose(self) -> None:
        await self._inner.aclose()


def _transport(url: str) -> httpx2.AsyncHTTPTransport:
    """Certificates are the system's. The proxies of the environment hold for foreign addresses, never for loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = None
    if not is_loopback(host) and not proxy_bypass(host):
        proxies = getproxies()
        proxy = proxies.get(parts.scheme) or proxies.get("all")
    if parts.scheme == "http" and proxy is None:
        bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unused; loading the certificates takes 20 ms
        return httpx2.AsyncHTTPTransport(verify=bare, trust_env=False, limits=_LIMITS)
    return httpx2.AsyncHTTPTransport(proxy=proxy, limits=_LIMITS)


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header in seconds; its other form, a date, is rare and counts for nothing."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e6 else None
