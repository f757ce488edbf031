"""The built-in engine: a child of ours that runs llama.cpp, started when it is needed and again when it has died."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from time import monotonic
from typing import Any

from assistant.egress import Egress
from assistant.engines import EngineEvent, EngineIdentity, GenerationOptions
from assistant.engines.abilities import Abilities
from assistant.engines.access import Access
from assistant.engines.calling import Calling, Way
from assistant.engines.endpoint import EndpointEngine, load_client
from assistant.engines.line import Line
from assistant.engines.process import CONTEXT_TOKENS, EngineProcess
from assistant.engines.prompt import Show, shows_pictures
from assistant.errors import ContextFull, EngineError, Interrupted, ModelMissing, NotCompatible
from assistant.events import ModelLoading, QuestionQueued
from assistant.messages import Message
from assistant.settings import EngineSetup

LOADS_SOON_SECONDS = 1.0  # a load that is over by then is not worth a word
_LOOK_SECONDS = 0.3
_DEATH_SECONDS = 0.5  # a broken connection is seen this much before the death that broke it


class EmbeddedEngine:
    """Answers with the model file `model_path`; None where there is none. Its child's log goes to `log_file`,
    written anew at each start. People know the model as `name`, by default as its file says. Use from one event loop
    at a time."""

    def __init__(
        self,
        model_path: Path | None,
        *,
        log_file: Path,
        name: str = "",
        setup: EngineSetup | None = None,
        ready_seconds: float = 120,
        egress: Egress | None = None,
        show: Show | None = None,
        way: Way | None = None,
    ) -> None:
        self._model_path, self._log_file = model_path, log_file
        self._name = name or (model_id(model_path) if model_path else "")
        self._setup, self._ready_seconds, self._egress = setup or EngineSetup(), ready_seconds, egress
        self._show = show
        self._way: Way | None = way
        self._starting = asyncio.Lock()
        self._line = Line()  # the child answers one at a time, and would let the others wait without a word
        self._process: EngineProcess | None = None
        self._endpoint: EndpointEngine | None = None
        self._is_closed = False
        self._woken = 0.0  # when a question woke the model, while it comes back

    @property
    def identity(self) -> EngineIdentity:
        return EngineIdentity("embedded", self._name, self._endpoint.identity.url if self._endpoint else "")

    @property
    def goes_on(self) -> bool:
        """llama.cpp's server does."""
        return True

    @property
    def context_tokens(self) -> int | None:
        return self._process.context_tokens if self._process else self._setup.context_tokens or CONTEXT_TOKENS

    @property
    def way(self) -> Way:
        """As the model's file says, once that is read."""
        return self._way or (self._process.way if self._process else "suggested")

    @property
    def blindness(self) -> EngineError | None:
        """Only a projector makes its models see."""
        return None if self._setup.projector else NotCompatible("engine-no-projector", model=self._name)

    async def learn_context(self) -> None:
        """It is known."""

    async def count(self, messages: Sequence[Message]) -> int | None:
        """None while the model is not loaded, too: to count it, nobody should have to wait for that."""
        return await self._endpoint.count(messages) if self._endpoint else None

    def load(self) -> None:
        """Starts the child and does not wait: it loads its model beside whatever comes next. For any thread, before
        there is an event loop. Raises EngineError."""
        if self._model_path is not None and self._process is None:
            self._process = self._spawned(self._model_path)

    @property
    def loading(self) -> ModelLoading | None:
        """How far the model has come into the memory; None when it is there, or was not asked for."""
        if self._process is None:
            return None
        return self._process.filled(since=self._woken) if self._woken else self._process.loading

    async def start(self) -> None:
        """Starts the child and waits until it answers; a running one stays. Meanwhile loads the client's code."""
        await asyncio.gather(self._running(), asyncio.to_thread(load_client))

    async def models(self) -> list[str]:
        return [self._name] if self._model_path else []

    async def stream(self, messages: Sequence[Message], options: GenerationOptions) -> AsyncGenerator[EngineEvent]:
        if shows_pictures(messages) and (fault := self.blindness) is not None:
            raise fault  # before anybody waits
        with self._line.place() as place:
            async with aclosing(place.ahead()) as moves:
                async for ahead in moves:
                    yield QuestionQueued(ahead)
            async with aclosing(self._answer(messages, options)) as events:
                async for event in events:
                    yield event

    async def _answer(self, messages: Sequence[Message], options: GenerationOptions) -> AsyncGenerator[EngineEvent]:
        running = asyncio.ensure_future(self._running())
        async with aclosing(self._while_loading(running)) as moves:
            async for move in moves:
                yield move
        process, endpoint = running.result()
        try:
            async with aclosing(endpoint.stream(messages, options)) as events:
                async with aclosing(self._while_waking(endpoint, events)) as moves:
                    async for move in moves:
                        yield move
                async for event in events:
                    yield event
        except EngineError as error:
            raise await _told(error, process) from None

    async def _while_waking(
        self, endpoint: EndpointEngine, events: AsyncGenerator[EngineEvent]
    ) -> AsyncGenerator[EngineEvent]:
        """Where the child has let its model go: how it comes back, then the first of `events`, which ask for it."""
        if not self._setup.idle_minutes or not await endpoint.is_asleep():
            return
        self._woken = monotonic()
        first = asyncio.ensure_future(anext(events, None))
        try:
            async with aclosing(self._while_loading(first)) as moves:
                async for move in moves:
                    yield move
        finally:
            self._woken = 0.0
        if (event := first.result()) is not None:
            yield event

    async def _while_loading(self, task: asyncio.Future[Any]) -> AsyncGenerator[ModelLoading]:
        """How far the model has come, until the task ends. To be closed early ends the task too."""
        try:
            while not (await asyncio.wait({task}, timeout=_LOOK_SECONDS))[0]:
                loading = self.loading
                if loading is not None and loading.seconds >= LOADS_SOON_SECONDS:
                    yield loading
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        with self._line.place() as place:
            async with aclosing(place.ahead()) as moves:
                async for _ in moves:
                    pass  # an answer that runs comes first
            process, endpoint = await self._running()
            try:
                return await endpoint.embed(texts)
            except EngineError as error:
                raise await _told(error, process) from None

    async def abilities(self) -> Abilities:
        _, endpoint = await self._running()
        return await endpoint.abilities()

    async def aclose(self) -> None:
        self._is_closed = True  # no lock: this ends a start that is under way, too
        await self._end()

    async def _running(self) -> tuple[EngineProcess, EndpointEngine]:
        """The child and the way to it. A Stop while the model loads leaves the child loading for the next question."""
        if self._model_path is None:
            raise ModelMissing("engine-no-starter-model")
        async with self._starting:
            if self._process is None or self._process.has_ended:
                await self._end()
                self._process = self._spawned(self._model_path)
            process = self._process
            address = await asyncio.to_thread(process.ready)
            if self._endpoint is None:
                self._endpoint = EndpointEngine(
                    address.url,
                    model=self._name,
                    access=Access(address.key),
                    kind="embedded",
                    egress=self._egress,
                    sees_pictures=bool(self._setup.projector),
                    show=self._show,
                    calling=Calling(keeps_to_json=True, is_built_in=True, always=self._way or process.way),
                )
            return process, self._endpoint

    def _spawned(self, model: Path) -> EngineProcess:
        """Not in a thread: a cancelled wait for one would leave a child that nobody knows."""
        if self._is_closed:
            raise Interrupted("engine-closed-down")
        return EngineProcess.spawn(
            model,
            model_id=self._name,
            setup=self._setup,
            log_file=self._log_file,
            ready_seconds=self._ready_seconds,
        )

    async def _end(self) -> None:
        process, self._process = self._process, None
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            await endpoint.aclose()
        if process is not None:
            await asyncio.to_thread(process.end)


async def _told(error: EngineError, process: EngineProcess) -> EngineError:
    """The error as a person understands it who knows no address of ours."""
    if isinstance(error, ContextFull):
        return error
    if await asyncio.to_thread(process.ends_within, _DEATH_SECONDS):
        return Interrupted("engine-stopped")
    return Interrupted("engine-built-in-fault") if "url" in error.values else error


def model_id(model: Path) -> str:
    """A name for people: `SmolLM2-135M-Instruct.Q4_1.gguf` is SmolLM2-135M-Instruct."""
    return re.sub(r"[.-](I?Q\d\w*|B?F(16|32))$", "", model.stem, flags=re.IGNORECASE) or model.stem
