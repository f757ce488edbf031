"""How soon the built-in engine is free for the next question after Stop, while it reads a long prompt, and what its
batches cost: reading is cancelled only between two of them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from assistant.engines import GenerationOptions
from assistant.engines.embedded import EmbeddedEngine
from assistant.engines.machine import Machine
from assistant.engines.process import batch_tokens_for
from assistant.events import TextDelta
from assistant.messages import user
from assistant.paths import starter_model
from assistant.settings import EngineSetup

BATCHES = (batch_tokens_for(Machine.this().cores), 128, 512, 2048)  # Hearth's own first, llama.cpp's own last
STOPPED_AFTER = (0.3, 1.0, 2.5, 8.0)  # seconds of reading
PROMPT_WORDS = 4000  # a token each


@dataclass(frozen=True)
class Stops:
    """What an engine with these batches does: seconds."""

    batch_tokens: int
    reading: float  # of the whole prompt, until the first word of the answer
    waiting: Sequence[float]  # from each Stop until the first word of the answer to the next question


def stops(rounds: int) -> Iterator[Stops]:
    """Each batch size in turn, `rounds` times."""
    for _ in range(rounds):
        for batch_tokens in BATCHES:
            yield asyncio.run(_with(batch_tokens))


async def _with(batch_tokens: int) -> Stops:
    async with _engine(batch_tokens) as built_in:
        await _first_word(built_in, "Hello.")
        began = monotonic()
        await _first_word(built_in, _long_question("0"))
        reading = monotonic() - began
        waiting = []
        for number, seconds in enumerate(STOPPED_AFTER, start=1):
            asked = asyncio.create_task(_first_word(built_in, _long_question(str(number))))
            await asyncio.sleep(seconds)
            began = monotonic()
            asked.cancel()
            with suppress(asyncio.CancelledError):
                await asked
            await _first_word(built_in, "Hello again.")
            waiting.append(monotonic() - began)
        return Stops(batch_tokens, reading, waiting)


@asynccontextmanager
async def _engine(batch_tokens: int) -> AsyncGenerator[EmbeddedEngine]:
    with tempfile.TemporaryDirectory() as folder:
        setup = EngineSetup(batch_tokens=batch_tokens)
        built_in = EmbeddedEngine(starter_model(), log_file=Path(folder) / "engine.log", setup=setup)
        try:
            yield built_in
        finally:
            await built_in.aclose()


async def _first_word(built_in: EmbeddedEngine, question: str) -> None:
    async for event in built_in.stream([user(question)], GenerationOptions(temperature=0.0, max_tokens=4)):
        if isinstance(event, TextDelta):
            return


def _long_question(name: str) -> str:
    """One that shares nothing with others, so that none of it has been read before."""
    return f"{name}: " + "lighthouse keeper and sea " * (PROMPT_WORDS // 4)
