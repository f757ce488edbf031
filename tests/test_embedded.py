"""The built-in engine with the real starter model: it answers, dies, comes back, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from assistant.engines import AnswerFinished, EngineEvent, GenerationOptions, embedded, process
from assistant.engines.access import Access
from assistant.engines.embedded import EmbeddedEngine, model_id
from assistant.engines.endpoint import EndpointEngine
from assistant.errors import ContextFull, EngineError, Interrupted, ModelMissing, Unreachable
from assistant.events import ModelLoading, QuestionQueued, TextDelta, UsageReported
from assistant.messages import Attachment, Message, Text, user
from assistant.paths import starter_model
from assistant.pictures import cleaned, data_url
from assistant.settings import EngineSetup
from tests.model_files import projector
from tests.test_pictures import picture

SHORT, LONG = GenerationOptions(max_tokens=8), GenerationOptions(max_tokens=2000, temperature=1.5)
STORY = [user("Tell me a very long story about the sea, in many chapters.")]


@pytest.fixture
def model() -> Path:
    found = starter_model()
    assert found is not None, "the starter model is not installed: uv sync --group starter"
    return found


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "engine.log"


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    yield
    deadline = time.monotonic() + 5
    while (left := children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def children() -> list[psutil.Process]:
    return engine_children(psutil.Process())


def engine_children(process: psutil.Process) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for child in process.children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE and "assistant.engines.child" in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def with_engine(
    model: Path | None, log_file: Path, use: Callable[[EmbeddedEngine], Coroutine[Any, Any, None]], **more: Any
) -> None:
    async def run() -> None:
        engine = EmbeddedEngine(model, log_file=log_file, **more)
        try:
            await use(engine)
        finally:
            await engine.aclose()

    asyncio.run(run())


async def answer(engine: EmbeddedEngine, messages: list[Message] | None = None) -> list[EngineEvent]:
    async with aclosing(engine.stream(messages or [user("Name three colours.")], SHORT)) as stream:
        return [event async for event in stream]


async def begun(stream: AsyncGenerator[EngineEvent], words: int = 3) -> str:
    text = ""
    async for event in stream:
        if isinstance(event, ModelLoading):
            continue  # on a busy machine it takes its time
        assert isinstance(event, TextDelta)
        text += event.text
        words -= 1
        if not words:
            return text
    raise AssertionError("the answer was too short")


async def drained(stream: AsyncGenerator[EngineEvent]) -> EngineError:
    try:
        async for _ in stream:
            pass
    except EngineError as error:
        return error
    raise AssertionError("the answer ended well")


def test_it_answers_and_counts(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        events = await answer(engine)
        assert any(isinstance(event, TextDelta) for event in events)
        [usage] = [event for event in events if isinstance(event, UsageReported)]
        assert usage.completion_tokens == 8 and usage.tokens_per_second
        assert [event.reason for event in events if isinstance(event, AnswerFinished)] == ["length"]
        assert engine.identity.model == "SmolLM2-135M-Instruct"
        assert await engine.models() == ["SmolLM2-135M-Instruct"]

    with_engine(model, log_file, use)


def test_starts_at_the_same_time_start_one_child(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        await asyncio.gather(engine.start(), engine.start(), engine.start())
        assert len(children()) == 1

    with_engine(model, log_file, use)


def test_row_37_a_child_killed_in_mid_answer_keeps_the_text_and_comes_back(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        stream = engine.stream(STORY, LONG)
        text = await begun(stream)
        os.kill(children()[0].pid, signal.SIGKILL)
        error = await drained(stream)
        assert text
        assert isinstance(error, Interrupted) and error.key == "engine-stopped"
        assert "next question starts it again" in error.hint
        assert any(isinstance(event, TextDelta) for event in await answer(engine))

    with_engine(model, log_file, use)


def test_a_child_that_died_between_two_questions_is_not_noticed(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        await engine.start()
        os.kill(children()[0].pid, signal.SIGKILL)
        await asyncio.sleep(0.2)
        assert any(isinstance(event, TextDelta) for event in await answer(engine))

    with_engine(model, log_file, use)


def test_questions_at_once_are_answered_one_after_the_other_and_one_that_is_taken_back_is_not(
    model: Path, log_file: Path
):
    async def use(engine: EmbeddedEngine) -> None:
        first, second, third = (engine.stream(STORY, SHORT) for _ in range(3))
        await begun(first, words=1)
        assert await anext(second) == QuestionQueued(1)
        assert await anext(third) == QuestionQueued(2)
        await second.aclose()
        assert await anext(third) == QuestionQueued(1)
        await first.aclose()
        assert await anext(third) == QuestionQueued(0)
        assert [event async for event in third if isinstance(event, TextDelta)]

    with_engine(model, log_file, use)
    assert log_file.read_text(encoding="utf-8").count("launch_slot_") == 2


def test_stop_frees_the_engine_at_once(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        stream = engine.stream(STORY, LONG)
        await begun(stream)
        began = time.monotonic()
        await stream.aclose()
        await answer(engine)
        assert time.monotonic() - began < 3

    with_engine(model, log_file, use)


def test_a_chat_that_is_too_long_is_told_with_numbers(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        error = await drained(engine.stream([user("word " * 2000)], SHORT))
        assert isinstance(error, ContextFull)
        assert error.values["limit"] == 1024

    with_engine(model, log_file, use, setup=EngineSetup(context_tokens=1024))


def test_without_a_projector_a_picture_is_refused_before_anybody_waits_and_the_next_question_is_answered(
    model: Path, log_file: Path
):
    shown = user("See?", [Attachment("a.png", "image/png", "x")])

    async def use(engine: EmbeddedEngine) -> None:
        assert engine.blindness is not None and "projector" in engine.blindness.hint
        assert (await drained(engine.stream([shown], SHORT))).key == "engine-no-projector"
        assert not children()  # nothing was loaded for it
        events = await answer(engine, [shown, Message("assistant", (Text("No."),)), user("Hi")])
        assert any(isinstance(event, TextDelta) for event in events)

    with_engine(model, log_file, use, show=lambda _: "data:image/png;base64,AAAA")


def test_with_a_projector_a_picture_goes_to_the_model(model: Path, log_file: Path, tmp_path: Path):
    """Nobody trained this eye: what is seen is that the picture is read, as tokens of the prompt."""
    eye = tmp_path / "mmproj-blank.gguf"
    eye.write_bytes(projector(width=576))
    show = lambda _: data_url(cleaned("a", picture("PNG")).content)  # noqa: E731

    async def use(engine: EmbeddedEngine) -> None:
        assert engine.blindness is None
        counts: list[int] = []
        for files in ([], [Attachment("a.png", "image/png", "x")]):
            events = await answer(engine, [user("What do you see?", files)])
            assert any(isinstance(event, TextDelta) for event in events)
            counts += [event.prompt_tokens or 0 for event in events if isinstance(event, UsageReported)]
        assert counts[1] >= counts[0] + 16, "a picture of 4 by 4 patches"

    with_engine(model, log_file, use, setup=EngineSetup(projector=str(eye)), show=show)


def test_llama_cpp_s_own_words_for_a_model_without_sight_are_understood(model: Path, log_file: Path):
    """As a person meets them who runs llama.cpp's server by himself: an address that nobody has tested."""
    show = lambda _: data_url(cleaned("a", picture("PNG")).content)  # noqa: E731
    shown = [user("See?", [Attachment("a.png", "image/png", "x")])]

    async def use(engine: EmbeddedEngine) -> None:
        process, _ = await engine._running()
        address = process.ready()
        theirs = EndpointEngine(address.url, model=engine.identity.model, access=Access(address.key), show=show)
        assert (await drained(theirs.stream(shown, SHORT))).key == "engine-pictures-refused"
        assert theirs.blindness is not None
        await theirs.aclose()

    with_engine(model, log_file, use)


def test_a_second_question_reads_only_what_is_new(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        first = [user("word " * 700)]
        began = time.monotonic()
        await answer(engine, first)
        slow = time.monotonic() - began
        began = time.monotonic()
        await answer(engine, [*first, Message("assistant", (Text("Yes."),)), user("And now?")])
        assert time.monotonic() - began < slow / 2

    with_engine(model, log_file, use)


def test_without_a_model_the_sentence_says_how_to_get_one(log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        with pytest.raises(ModelMissing) as caught:
            await engine.start()
        assert "starter" in caught.value.hint
        assert await engine.models() == []

    with_engine(None, log_file, use)


@pytest.mark.parametrize("content", [b"", b"GG", b"<html>not found</html>", b"GGUF" + bytes(100), None])
def test_row_37_a_file_that_is_no_model_is_said(tmp_path: Path, log_file: Path, model: Path, content: bytes | None):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(model.read_bytes()[:5_000_000] if content is None else content)

    async def use(engine: EmbeddedEngine) -> None:
        with pytest.raises(ModelMissing) as caught:
            await engine.start()
        assert "broken.gguf" in caught.value.message

    with_engine(broken, log_file, use)


def test_row_37_a_model_file_that_is_gone_is_said(tmp_path: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        with pytest.raises(ModelMissing):
            await engine.start()

    with_engine(tmp_path / "gone.gguf", log_file, use)


def test_row_37_a_child_that_is_not_ready_in_time_is_ended(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        with pytest.raises(Unreachable) as caught:
            await engine.start()
        assert caught.value.key == "engine-not-ready"
        assert not children()

    with_engine(model, log_file, use, ready_seconds=0.05)


def test_a_start_that_is_cancelled_leaves_no_child(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        starting = asyncio.create_task(engine.start())
        await asyncio.sleep(0.3)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)

    with_engine(model, log_file, use)


def test_a_start_that_was_stopped_is_of_use_to_the_next_question(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        starting = asyncio.create_task(engine.start())
        await asyncio.sleep(0.3)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        [first] = children()
        await answer(engine)
        assert children() == [first]

    with_engine(model, log_file, use)


def test_a_model_that_was_loaded_ahead_answers_the_first_question(model: Path, log_file: Path):
    """As it is at a start: the child is begun before there is an event loop."""
    engine = EmbeddedEngine(model, log_file=log_file)
    engine.load()
    [ahead] = children()
    engine.load()

    async def run() -> None:
        try:
            assert any(isinstance(event, TextDelta) for event in await answer(engine))
            assert children() == [ahead]
        finally:
            await engine.aclose()

    asyncio.run(run())


def test_closing_does_not_wait_for_a_model_that_loads(model: Path, log_file: Path):
    async def run() -> None:
        engine = EmbeddedEngine(model, log_file=log_file)
        starting = asyncio.create_task(engine.start())
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await engine.aclose()
        assert time.monotonic() - began < 2
        assert not children()
        [ended] = await asyncio.gather(starting, return_exceptions=True)
        assert isinstance(ended, EngineError)

    asyncio.run(run())


def test_closing_ends_the_child_within_two_seconds_even_in_mid_answer(model: Path, log_file: Path):
    async def run() -> None:
        engine = EmbeddedEngine(model, log_file=log_file)
        stream = engine.stream(STORY, LONG)
        await begun(stream)
        began = time.monotonic()
        await engine.aclose()
        assert time.monotonic() - began < 2
        assert not children()
        assert isinstance(await drained(stream), Interrupted)

    asyncio.run(run())


def test_the_key_is_in_no_argument_and_no_key_of_ours_in_its_environment(
    model: Path, log_file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HEARTH_API_KEY", "sk-CANARY")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-CANARY")

    async def use(engine: EmbeddedEngine) -> None:
        await engine.start()
        key = (await engine._running())[0].ready().key
        [child] = children()
        told = " ".join(child.cmdline()) + repr(child.environ())
        assert "CANARY" not in told and key not in told
        keys.append(key)

    keys: list[str] = []
    with_engine(model, log_file, use)
    assert keys[0] not in log_file.read_text(encoding="utf-8")


def test_its_port_is_loopback_only_and_closed_without_the_key(model: Path, log_file: Path):
    import httpx2

    async def use(engine: EmbeddedEngine) -> None:
        await engine.start()
        [child] = children()
        listening = [c for c in child.net_connections(kind="inet") if c.status == psutil.CONN_LISTEN]
        assert [c.laddr.ip for c in listening] == ["127.0.0.1"]
        root = engine.identity.url.removesuffix("/v1")
        async with httpx2.AsyncClient(trust_env=False, headers={"Origin": "http://evil.example"}) as client:
            for path in ("/v1/models", "/v1/chat/completions", "/slots", "/props", "/metrics", "/", "/health"):
                reply = await client.get(root + path)
                assert reply.status_code in (401, 404) or path == "/health"
                assert reply.headers.get("access-control-allow-origin", "") == ""

    with_engine(model, log_file, use)


def test_its_log_is_private_and_starts_anew(model: Path, log_file: Path):
    log_file.parent.mkdir()
    log_file.write_text("an older log", encoding="utf-8")
    log_file.chmod(0o644)

    async def use(engine: EmbeddedEngine) -> None:
        await engine.start()

    with_engine(model, log_file, use)
    assert stat.S_IMODE(log_file.stat().st_mode) == 0o600
    text = log_file.read_text(encoding="utf-8")
    assert "older" not in text and "listening" in text


def test_a_chat_is_not_in_the_engine_s_log(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        await answer(engine, [user("The word is xylophonist.")])

    with_engine(model, log_file, use)
    assert "xylophonist" not in log_file.read_text(encoding="utf-8")


@pytest.mark.parametrize("is_answering", [False, True])
def test_row_37_no_child_outlives_a_parent_that_is_killed(model: Path, log_file: Path, is_answering: bool):
    code = f"""
import asyncio
from pathlib import Path
from assistant.engines import GenerationOptions
from assistant.engines.embedded import EmbeddedEngine
from assistant.messages import user
async def main():
    engine = EmbeddedEngine(Path({str(model)!r}), log_file=Path({str(log_file)!r}))
    await engine.start()
    if {is_answering}:
        async for _ in engine.stream([user("A long story.")], GenerationOptions(max_tokens=4000)):
            print("ready", flush=True)
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None and parent.stdout.readline()
        [child] = engine_children(psutil.Process(parent.pid))
        parent.kill()
        began = time.monotonic()
        child.wait(5)
        assert time.monotonic() - began < 5


def test_a_child_ends_with_its_parent_while_it_still_loads(model: Path):
    command = [sys.executable, "-P", "-m", "assistant.engines.child"]
    order = {"model_path": str(model), "model_id": "m", "key": "k", "context_tokens": 8192}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.close()
        assert child.wait(5) == 0


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct"),
        ("Qwen3-4B-Q4_K_M.gguf", "Qwen3-4B"),
        ("gemma-3.F16.gguf", "gemma-3"),
        ("plain.gguf", "plain"),
    ],
)
def test_a_model_s_name_is_its_file_s_without_the_technical_tail(file: str, named: str):
    assert model_id(Path(file)) == named


ALIKE = ("The cat sleeps on the sofa.", "A kitten is napping on the couch.")
OTHERS = ("Stock prices fell sharply on Monday.", "How do I bake bread at home?")


def nearness(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths


def test_sentences_of_one_meaning_are_nearer_than_others_and_the_chat_goes_on(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        await answer(engine, STORY)
        cat, kitten, *others = await engine.embed([*ALIKE, *OTHERS])
        assert all(nearness(cat, kitten) > max(nearness(cat, each), nearness(kitten, each)) for each in others)
        assert await engine.embed([]) == []
        (long,) = await engine.embed(["The stone lay in the river. " * 40])  # several batches
        assert len(long) == len(cat)
        events = await answer(engine, [*STORY, Message("assistant", (Text("Once."),)), user("Go on.")])
        assert any(isinstance(event, TextDelta) for event in events)
        with pytest.raises(ContextFull):
            await engine.embed(["The stone lay in the river. " * 2000])

    with_engine(model, log_file, use)


def test_embeddings_of_a_child_that_was_killed_are_told_and_the_next_ones_come(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        await engine.embed(["a"])
        asked = asyncio.create_task(engine.embed(["The stone lay in the river. " * 1000]))
        await asyncio.sleep(0.3)
        children()[0].kill()
        with pytest.raises(Interrupted) as told:
            await asked
        assert told.value.key == "engine-stopped"
        assert await engine.embed(["a"])

    with_engine(model, log_file, use)


def test_a_question_that_waits_for_the_model_is_told_how_far_it_is(model: Path, log_file: Path, tmp_path: Path):
    """The child is stopped while it loads: a stand-in for a file of many gigabytes on a slow disk."""

    async def use(engine: EmbeddedEngine) -> None:
        engine.load()
        (child,) = children()
        child.suspend()
        events: list[EngineEvent] = []
        stream = engine.stream([user("Hi")], SHORT)
        async with aclosing(stream):
            async for event in stream:
                events.append(event)
                if isinstance(event, ModelLoading):
                    child.resume()
        told = [event for event in events if isinstance(event, ModelLoading)]
        assert told and told[0].seconds >= 1 and 0 < told[0].loaded_bytes < told[0].needed_bytes
        assert any(isinstance(event, TextDelta) for event in events)
        assert engine.loading is None

    with_engine(model, log_file, use)


def test_a_stop_while_the_model_loads_ends_the_question_at_once(model: Path, log_file: Path):
    async def use(engine: EmbeddedEngine) -> None:
        engine.load()
        (child,) = children()
        child.suspend()
        stream = engine.stream([user("Hi")], SHORT)
        assert isinstance(await anext(stream), ModelLoading)
        await stream.aclose()
        assert engine.loading is not None  # it goes on for the next question
        child.resume()
        assert await answer(engine)

    with_engine(model, log_file, use)


def test_a_model_that_was_let_go_comes_back_in_sight(model: Path, log_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded, "LOADS_SOON_SECONDS", 0.0)
    monkeypatch.setattr(embedded, "_LOOK_SECONDS", 0.05)
    ordered = process.order_for
    monkeypatch.setattr(process, "order_for", lambda *a, **more: replace(ordered(*a, **more), idle_seconds=1))

    async def use(engine: EmbeddedEngine) -> None:
        await engine.start()
        assert not any(isinstance(event, ModelLoading) for event in await answer(engine))
        _, endpoint = await engine._running()
        async with asyncio.timeout(20):
            while not await endpoint.is_asleep():  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(0.1)
        events = await answer(engine)
        kinds = [type(event) for event in events]
        assert ModelLoading in kinds and TextDelta in kinds
        assert kinds.index(ModelLoading) < kinds.index(TextDelta)

    with_engine(model, log_file, use, setup=EngineSetup(idle_minutes=1))
