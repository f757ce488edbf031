"""The built-in engine: a child of ours that runs llama.cpp, started when it is needed and again when it has died."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from assistant.engines import EngineEvent, EngineIdentity, GenerationOptions
from assistant.engines.endpoint import EndpointEngine, load_client
from assistant.engines.process import EngineProcess
from assistant.errors import ContextFull, EngineError, Interrupted, ModelMissing
from assistant.messages import Message

_DEATH_SECONDS = 0.5  # a broken connection is seen this much before the death that broke it


class EmbeddedEngine:
    """Answers with the model file `model_path`; None where there is none. Its child's log goes to `log_file`,
    written anew at each start. Use from one event loop at a time."""

    def __init__(
        self,
        model_path: Path | None,
        *,
        log_file: Path,
        context_tokens: int = 8192,
        ready_seconds: float = 120,
    ) -> None:
        self._model_path, self._log_file = model_path, log_file
        self._context_tokens, self._ready_seconds = context_tokens, ready_seconds
        self._starting = asyncio.Lock()
        self._running: tuple[EngineProcess, EndpointEngine] | None = None
        self._is_closed = False

    @property
    def identity(self) -> EngineIdentity:
        model = model_id(self._model_path) if self._model_path else ""
        return EngineIdentity("embedded", model, self._running[0].address.url if self._running else "")

    async def start(self) -> None:
        """Starts the child and waits until it answers; a running one stays. Meanwhile loads the client's code."""
        await asyncio.gather(self._endpoint(), asyncio.to_thread(load_client))

    async def models(self) -> list[str]:
        return [model_id(self._model_path)] if self._model_path else []

    async def stream(self, messages: Sequence[Message], options: GenerationOptions) -> AsyncGenerator[EngineEvent]:
        process, endpoint = await self._endpoint()
        try:
            async with aclosing(endpoint.stream(messages, options)) as events:
                async for event in events:
                    yield event
        except ContextFull:
            raise
        except EngineError:
            if await asyncio.to_thread(process.ends_within, _DEATH_SECONDS):
                raise Interrupted("engine-stopped") from None
            raise

    async def aclose(self) -> None:
        async with self._starting:
            self._is_closed = True
            await self._end()

    async def _endpoint(self) -> tuple[EngineProcess, EndpointEngine]:
        if self._model_path is None:
            raise ModelMissing("engine-no-starter-model")
        async with self._starting:
            if self._is_closed:
                raise Interrupted("engine-closed-down")
            if self._running is None or self._running[0].has_ended:
                await self._end()
                self._running = await self._started(self._model_path)
            return self._running

    async def _started(self, model: Path) -> tuple[EngineProcess, EndpointEngine]:
        """Shielded: a Stop while the model loads must not leave a child that nobody knows."""
        starting = asyncio.create_task(
            asyncio.to_thread(
                EngineProcess.start,
                model,
                model_id=model_id(model),
                context_tokens=self._context_tokens,
                log_file=self._log_file,
                ready_seconds=self._ready_seconds,
            )
        )
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_end_if_started)
            raise
        address = process.address
        return process, EndpointEngine(address.url, model=model_id(model), api_key=address.key, kind="embedded")

    async def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running[1].aclose()
            await asyncio.to_thread(running[0].end)


def model_id(model: Path) -> str:
    """A name for people: `SmolLM2-135M-Instruct.Q4_1.gguf` is SmolLM2-135M-Instruct."""
    return re.sub(r"[.-](I?Q\d\w*|B?F(16|32))$", "", model.stem, flags=re.IGNORECASE) or model.stem


def _end_if_started(starting: asyncio.Task[EngineProcess]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().end()
