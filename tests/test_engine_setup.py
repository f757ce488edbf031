"""How the built-in engine is told to run: what it finds by itself, and what it refuses before anything is loaded."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.engines import GenerationOptions
from assistant.engines.embedded import EmbeddedEngine
from assistant.engines.gguf import read_model
from assistant.engines.machine import Machine
from assistant.engines.process import check_memory, memory_needed, order_for
from assistant.errors import HearthError, ModelMissing
from assistant.events import TextDelta
from assistant.messages import user
from assistant.paths import starter_model
from assistant.settings import EngineSetup


@pytest.fixture
def model() -> Path:
    found = starter_model()
    assert found is not None
    return found


def order(model: Path, *, cores: int = 2, **setup: Any) -> Any:
    return order_for(model, read_model(model), EngineSetup(**setup), model_id="starter", cores=cores)


def answered(model: Path, folder: Path, **setup: Any) -> tuple[str, int | None]:
    """The beginning of an answer with this setup, and the context in force."""

    async def run() -> tuple[str, int | None]:
        engine = EmbeddedEngine(model, log_file=folder / "engine.log", setup=EngineSetup(**setup))
        try:
            options = GenerationOptions(max_tokens=4)
            events = [event async for event in engine.stream([user("Say hello.")], options)]
            return "".join(event.text for event in events if isinstance(event, TextDelta)), engine.context_tokens
        finally:
            await engine.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize(("cores", "writing", "reading"), [(1, 1, 1), (2, 2, 2), (16, 16, 16), (64, 16, 64)])
def test_two_cores_or_sixty_four_are_used(model: Path, cores: int, writing: int, reading: int) -> None:
    told = order(model, cores=cores)
    assert (told.threads, told.reading_threads) == (writing, reading)
    told = order(model, cores=cores, threads=3)
    assert (told.threads, told.reading_threads) == (3, 3)


def test_a_context_is_no_longer_by_itself_than_the_model_can_read(model: Path) -> None:
    header = replace(read_model(model), context_tokens=2048)
    assert order_for(model, header, EngineSetup(), model_id="starter", cores=2).context_tokens == 2048
    assert order(model).context_tokens == 8192
    assert order(model, context_tokens=512).context_tokens == 512


def test_a_smaller_cache_needs_less_memory(model: Path) -> None:
    header = read_model(model)
    needs = [
        memory_needed(header, order(model, cache_type=kind, context_tokens=100_000)) for kind in ("f16", "q8_0", "q4_0")
    ]
    assert needs == sorted(needs, reverse=True) and needs[0] > 1.5 * needs[1]


def test_what_does_not_fit_is_refused_with_the_numbers(model: Path) -> None:
    header, small = read_model(model), Machine(memory_bytes=2_000_000_000, cores=2)
    check_memory(header, order(model), small)
    with pytest.raises(ModelMissing) as refused:
        check_memory(header, order(model, context_tokens=200_000), small)
    assert refused.value.key == "engine-over-memory"
    assert (refused.value.values["have"], refused.value.values["context"]) == ("2.0", "200,000")


def test_a_projector_that_is_none_is_refused(model: Path) -> None:
    with pytest.raises(ModelMissing) as refused:
        order(model, projector=str(model))
    assert refused.value.key == "model-no-projector"


@pytest.mark.parametrize(
    "setup",
    [
        {"context_tokens": 512, "flash_attention": "on", "cache_type": "q8_0"},
        {"context_tokens": 1024, "flash_attention": "off", "threads": 1, "batch_tokens": 64, "gpu_layers": 0},
        {"chat_template": "chatml", "idle_minutes": 1},
    ],
)
def test_the_real_engine_answers_with_each_setting(model: Path, tmp_path: Path, setup: dict[str, Any]) -> None:
    words, context = answered(model, tmp_path, **setup)
    assert words
    assert context == setup.get("context_tokens", 8192)


def test_a_template_that_is_none_is_said(model: Path, tmp_path: Path) -> None:
    with pytest.raises(HearthError) as refused:
        answered(model, tmp_path, chat_template="{% for %}")
    assert refused.value.key == "engine-setup-refused"
