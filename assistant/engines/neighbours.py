"""Which chat servers run on this machine: looks at the addresses where the usual ones listen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from assistant.egress import Egress
from assistant.engines.access import Access
from assistant.engines.endpoint import default_model
from assistant.errors import EngineError

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

    @property
    def model(self) -> str:
        """The one to begin with; empty where it tells none."""
        return default_model(self.models) if self.models else ""


class Neighbourhood:
    """What was last found on this machine. Looking is quick and asks for lists of models only."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self.found: tuple[Neighbour, ...] = ()

    async def look(self) -> None:
        """Finds anew. Never raises."""
        self.found = tuple(await neighbours(egress=self._egress))


async def neighbours(
    ports: Sequence[int] = USUAL_PORTS, *, seconds: float = 0.5, egress: Egress | None = None
) -> list[Neighbour]:
    """The servers that answer on this machine, in the order of `ports`; no key is sent to any."""

    async def at(port: int) -> Neighbour | None:
        return await look(f"http://127.0.0.1:{port}/v1", seconds=seconds, egress=egress) or await look(
            f"http://[::1]:{port}/v1", seconds=seconds, egress=egress
        )

    return [neighbour for neighbour in await asyncio.gather(*map(at, ports)) if neighbour is not None]


async def look(
    url: str, *, access: Access | None = None, seconds: float = 0.5, egress: Egress | None = None
) -> Neighbour | None:
    """The chat server at a base address; None where none answers in time. One that wants a key counts as one."""
    import httpx2  # late: 0.1 s that only a report needs

    from assistant.engines.transport import BoundedTransport

    try:
        transport = BoundedTransport(
            url,
            access=access or Access(),
            answer_bytes=_LARGEST_LIST_BYTES,
            egress=egress or Egress(),
            reason="search",
        )
        async with (
            asyncio.timeout(3 * seconds),
            httpx2.AsyncClient(transport=transport, trust_env=False, timeout=seconds) as client,
        ):
            response = await client.get(f"{url}/models")
    except (httpx2.HTTPError, httpx2.InvalidURL, EngineError, ImportError, OSError, ValueError):
        return None
    return _neighbour(url, response.status_code, response.content)


def _neighbour(url: str, status: int, body: bytes) -> Neighbour | None:
    try:
        content: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    fields = cast("Mapping[str, Any]", content) if isinstance(content, dict) else {"data": content}
    if status in (401, 403):
        return Neighbour(url, "unknown", ()) if isinstance(content, dict) and content else None
    listed = fields.get("data")
    if status != 200 or not isinstance(listed, list):
        return None
    entries = [cast("Mapping[str, Any]", item) for item in cast("list[object]", listed) if isinstance(item, dict)]
    ids = tuple(entry["id"] for entry in entries if isinstance(entry.get("id"), str))
    owners = [_KINDS.get(str(entry.get("owned_by")), "") for entry in entries]
    return Neighbour(url, next(filter(None, owners), "unknown"), ids)
