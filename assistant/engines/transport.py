"""What goes out to a server and what comes in: few headers, no redirect, nothing packed or endless, all listed."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import cast
from urllib.parse import urljoin, urlsplit

import httpx2

from assistant.egress import Egress, Reason, Visit, proxy_for
from assistant.engines.access import Access
from assistant.errors import EngineError, Interrupted, NotCompatible

# The openai client adds more: the system, the Python version, whatever OPENAI_CUSTOM_HEADERS holds.
_SENT_HEADERS = frozenset({"host", "accept", "content-type", "content-length", "transfer-encoding", "connection"})
_ERROR_BYTES = 64 * 1024
# A kept connection that the server closes just when the next question comes would fail that question. And so every
# request is a connection of its own, which is what the list of connections shows.
_LIMITS = httpx2.Limits(max_keepalive_connections=0)


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Sends only what the server at `url` needs to know; takes no redirect, no packed answer and none over
    `answer_bytes`. Raises EngineErrors; ImportError and ValueError where the environment's proxy cannot be used."""

    def __init__(self, url: str, *, access: Access, answer_bytes: int, egress: Egress, reason: Reason) -> None:
        self._proxy = proxy_for(url, access.proxy)
        self._inner = transport_for(url, proxy=self._proxy)
        self._access, self._answer_bytes = access, answer_bytes
        self._egress = egress
        self._reason: Reason = reason

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = {name: value for name, value in request.headers.items() if name in _SENT_HEADERS}
        headers |= {"user-agent": "Hearth", "accept-encoding": "identity"}
        headers |= self._access.sent_headers()
        sent = httpx2.Request(
            request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
        )
        with self._egress.passage(str(request.url), self._reason, via=self._proxy or "") as visit:
            visit.sent_bytes = int(headers.get("content-length", 0))
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
            visit=visit,
        )
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    def _error(self, request: httpx2.Request, response: httpx2.Response) -> EngineError | None:
        url = str(request.url.copy_with(query=None))
        if 300 <= response.status_code < 400:
            target = urljoin(url, response.headers.get("location", "")).partition("?")[0].partition("#")[0]
            shown = "?" if self._access.hides(target) else "".join(filter(str.isprintable, target))[:200]
            return NotCompatible("engine-redirect", url=url, target=shown)
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            return NotCompatible("engine-compressed", url=url)
        return None

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    """A body of at most so many bytes: past that it ends, or raises Interrupted."""

    def __init__(self, inner: httpx2.AsyncByteStream, *, most_bytes: int, cuts_silently: bool, visit: Visit) -> None:
        self._inner, self._most_bytes, self._cuts_silently, self._visit = inner, most_bytes, cuts_silently, visit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for chunk in self._inner:
            taken += len(chunk)
            self._visit.received_bytes = taken
            if taken <= self._most_bytes:
                yield chunk
            elif self._cuts_silently:
                return
            else:
                raise Interrupted("engine-too-large", megabytes=max(1, self._most_bytes // 1024**2))

    async def aclose(self) -> None:
        await self._inner.aclose()


def transport_for(url: str, *, proxy: str | None) -> httpx2.AsyncHTTPTransport:
    """What connects to the server of `url`, each time anew. Certificates are the system's."""
    if proxy is None and urlsplit(url).scheme == "http":
        bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unused; loading the certificates takes 20 ms
        return httpx2.AsyncHTTPTransport(verify=bare, trust_env=False, limits=_LIMITS)
    return httpx2.AsyncHTTPTransport(proxy=proxy, trust_env=False, limits=_LIMITS)
