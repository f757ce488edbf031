"""How a web tool reaches a page: public addresses only, looked at after each name is looked up and at every redirect.

The connection goes to the address that was looked at, not to the name again: else its owner could give another one the
second time (DNS rebinding). Behind a proxy that is the proxy's to look up; then the addresses that this machine knows
for the name are looked at.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import cast
from urllib.parse import urljoin, urlsplit

import httpx2

from assistant.egress import Egress, Reason, Visit, proxy_for
from assistant.errors import ToolError, Unreachable

Ip = IPv4Address | IPv6Address
_HOPS = 5
_MOST_BYTES = 2_000_000
_SECONDS = 20.0
_NAT64 = IPv6Network("64:ff9b::/96")
_HEADERS = {
    "user-agent": "Mozilla/5.0 (compatible; Hearth; a person asked for this page)",
    "accept": "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.5",
    "accept-language": "en;q=0.8,*;q=0.5",
    "accept-encoding": "identity",
}


@dataclass(frozen=True)
class Page:
    """What an address gave, after redirects. `is_cut`: there was more."""

    url: str
    media_type: str
    content: bytes
    is_cut: bool


def is_public(address: Ip) -> bool:
    """Whether an address is somebody's on the internet, and not this machine, its network, or one of a special kind."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and not is_public(inner):
            return False
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


@dataclass(frozen=True)
class Browser:
    """`may_reach` says which addresses a page may come from, by the address and the port; a test has a server of its
    own. `search_url` takes the words in place of `{words}`."""

    may_reach: Callable[[Ip, int], bool] = lambda address, _: is_public(address)
    search_url: str = "https://html.duckduckgo.com/html/?q={words}"
    seconds: float = _SECONDS
    most_bytes: int = _MOST_BYTES

    async def get(self, url: str, egress: Egress, reason: Reason) -> Page:
        """A page. Raises ToolError, with a sentence, for what must not be reached, cannot be, or takes too long."""
        try:
            async with asyncio.timeout(self.seconds):
                for _ in range(_HOPS + 1):
                    found = await self._hop(checked(url), egress, reason)
                    if isinstance(found, Page):
                        return found
                    url = urljoin(url, found)
        except TimeoutError:
            raise ToolError("tool-web-slow", url=url, seconds=int(self.seconds)) from None
        except Unreachable as error:
            raise ToolError("tool-web-offline") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            raise ToolError("tool-web-fault", url=url, reason=type(error).__name__) from error
        raise ToolError("tool-web-redirects", url=url, count=_HOPS)

    async def _hop(self, url: str, egress: Egress, reason: Reason) -> Page | str:
        """One request: a page, or where it sends us on."""
        proxy = proxy_for(url) or ""
        parts = urlsplit(url)
        host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
        with egress.passage(url, reason, via=proxy) as visit:
            for address in (addresses := await self._addresses(host, port, is_proxied=bool(proxy))):
                try:
                    async with _sent(self._request(url, host, None if proxy else address), proxy) as response:
                        return await self._answer(url, response, visit)
                except httpx2.ConnectError:
                    if address == addresses[-1]:
                        raise
        raise ToolError("tool-web-unknown", host=host)

    def _request(self, url: str, host: str, address: Ip | None) -> httpx2.Request:
        """A request that goes to the address and names the host, in its headers and for its certificate."""
        target = httpx2.URL(url)
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), self.seconds)
        return httpx2.Request(
            "GET",
            target.copy_with(host=str(address)) if address else target,
            headers=_HEADERS | {"host": target.netloc.decode("ascii")},
            extensions={"timeout": timeout, "sni_hostname": host},
        )

    async def _answer(self, url: str, response: httpx2.Response, visit: Visit) -> Page | str:
        if response.status_code in (301, 302, 303, 307, 308) and (place := response.headers.get("location")):
            return str(place)
        if response.status_code >= 400:
            raise ToolError("tool-web-status", url=url, status=response.status_code)
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            raise ToolError("tool-web-packed", url=url)
        content = bytearray()
        async for block in cast("httpx2.AsyncByteStream", response.stream):
            content += block
            visit.received_bytes += len(block)
            if len(content) > self.most_bytes:
                break
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Page(url, media_type, bytes(content[: self.most_bytes]), len(content) > self.most_bytes)

    async def _addresses(self, host: str, port: int, *, is_proxied: bool) -> list[Ip | None]:
        """The addresses of a name; None for those that only a proxy knows. Every one of them must be allowed."""
        try:
            found = [ip_address(host)]
        except ValueError:
            try:
                told = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except OSError:
                if is_proxied:
                    return [None]
                raise ToolError("tool-web-unknown", host=host) from None
            found = [ip_address(str(each[4][0]).partition("%")[0]) for each in told]
        if not found or not all(self.may_reach(address, port) for address in found):
            raise ToolError("tool-web-private", host=host)
        return [*found]


def checked(url: str) -> str:
    """An address as it may be asked for: http or https, with a host, and no name and password in it."""
    try:
        parts = urlsplit(url.strip())
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_web, parts = False, urlsplit("")
    if not is_web or "@" in parts.netloc or any(not letter.isprintable() or letter in " \\" for letter in url.strip()):
        raise ToolError("tool-web-address")
    return parts._replace(fragment="").geturl()


@asynccontextmanager
async def _sent(request: httpx2.Request, proxy: str) -> AsyncGenerator[httpx2.Response]:
    limits = httpx2.Limits(max_keepalive_connections=0)
    try:
        transport = httpx2.AsyncHTTPTransport(proxy=proxy or None, trust_env=False, limits=limits)
    except (ImportError, ValueError) as error:
        raise ToolError("tool-web-proxy") from error
    async with transport:
        response = await transport.handle_async_request(request)
        try:
            yield response
        finally:
            await response.aclose()
