"""Which chat servers run on this machine: looks at the addresses where the usual ones listen."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from assistant.engines.address import is_loopback

# Ollama, LM Studio, llama.cpp and LocalAI, vLLM, Jan, KoboldCpp, text-generation-webui, GPT4All.
USUAL_PORTS = (11434, 1234, 8080, 8000, 1337, 5001, 5000, 4891)
_LARGEST_LIST_BYTES = 1024 * 1024
_KINDS: Mapping[str, str] = {  # what each writes under "owned_by" in its list of models
    "library": "ollama",
    "organization_owner": "lm-studio",
    "llamacpp": "llama.cpp",
    "vllm": "vllm",
    "koboldcpp": "koboldcpp",
}


@dataclass(frozen=True)
class Neighbour:
    """A chat server: its base address, what it is ("unknown" where it does not say), the ids of its models."""

    url: str
    kind: str
    models: tuple[str, ...]


async def neighbours(ports: Sequence[int] = USUAL_PORTS, *, seconds: float = 0.5) -> list[Neighbour]:
    """The servers that answer on this machine, in the order of `ports`; no key is sent to any."""
    found = await asyncio.gather(*(look(f"http://127.0.0.1:{port}/v1", seconds=seconds) for port in ports))
    return [neighbour for neighbour in found if neighbour is not None]


async def look(url: str, *, api_key: str | None = None, seconds: float = 0.5) -> Neighbour | None:
    """The chat server at a base address; None where none answers in time. One that wants a key counts as one."""
    import httpx2  # late: 0.1 s that only a report needs

    is_here = is_loopback(urlsplit(url).hostname or "")  # a proxy is for other machines
    headers = {"Accept-Encoding": "identity", "User-Agent": "Hearth"}
    headers |= {"Authorization": f"Bearer {api_key}"} if api_key else {}
    verify = True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        async with (
            asyncio.timeout(3 * seconds),
            httpx2.AsyncClient(trust_env=not is_here, timeout=seconds, verify=verify) as client,
            client.stream("GET", f"{url}/models", headers=headers) as response,
        ):
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _LARGEST_LIST_BYTES:
                    return None
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError, ValueError):
        return None
    return _neighbour(url, response.status_code, body)


def _neighbour(url: str, status: int, body: bytes) -> Neighbour | None:
    try:
        content: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    fields = cast("Mapping[str, Any]", content) if isinstance(content, dict) else {}
    if status in (401, 403):
        return Neighbour(url, "unknown", ()) if fields else None
    listed = fields.get("data")
    if status != 200 or not isinstance(listed, list):
        return None
    entries = [cast("Mapping[str, Any]", item) for item in cast("list[object]", listed) if isinstance(item, dict)]
    ids = tuple(entry["id"] for entry in entries if isinstance(entry.get("id"), str))
    owners = [_KINDS.get(str(entry.get("owned_by")), "") for entry in entries]
    return Neighbour(url, next(filter(None, owners), "unknown"), ids)
