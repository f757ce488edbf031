"""Four real servers, each looked at, tested, asked, and asked too much: llama.cpp's without and with a key,
llama-cpp-python's, and LiteLLM's proxy in front of two of the first."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from assistant.engines import AnswerFinished, EngineEvent, GenerationOptions
from assistant.engines.access import Access
from assistant.engines.endpoint import EndpointEngine
from assistant.engines.neighbours import Neighbour, look
from assistant.engines.probe import Findings, probe, tried_out
from assistant.errors import ContextFull, EngineError, WrongKey
from assistant.events import TextDelta
from assistant.messages import user
from tests.servers.machines import CONTEXT_TOKENS, MODEL, Machine, llama_cpp, llama_cpp_python, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first one may have to build a server
TOO_LONG = "word " * 1500


@dataclass(frozen=True)
class Known:
    """What there is to be found out about a server."""

    kind: str
    server: str
    context_tokens: int | None
    can: dict[str, bool]
    key: str | None = None
    model: str = MODEL


@dataclass(frozen=True)
class Place:
    url: str
    known: Known
    access: Access = field(default_factory=Access)


LLAMA_CPP_CAN = {
    "streams": True,
    "counts_tokens": True,
    "reasons": False,
    "calls_tools": False,
    "keeps_to_json": True,
    "sees_images": False,
    "embeds": False,
}


@pytest.fixture(scope="module", params=["llama.cpp", "llama.cpp with a key", "llama-cpp-python", "LiteLLM"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("server")
    with _running(request.param, request, folder) as (machine, known):
        yield Place(machine.url, known, Access(known.key))


@contextmanager
def _running(name: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[Machine, Known]]:
    native = Known("llama.cpp", "llama.cpp", CONTEXT_TOKENS, LLAMA_CPP_CAN)
    match name:
        case "llama.cpp":
            with running(llama_cpp(folder)) as machine:
                yield machine, native
        case "llama.cpp with a key":
            with running(llama_cpp(folder, "desk-key")) as machine:
                yield machine, Known("llama.cpp", "llama.cpp", CONTEXT_TOKENS, LLAMA_CPP_CAN, "desk-key")
        case "llama-cpp-python":
            can = LLAMA_CPP_CAN | {"counts_tokens": False, "keeps_to_json": False}
            with running(llama_cpp_python(folder, request.getfixturevalue("python_of_llama_cpp_python"))) as machine:
                yield machine, Known("unknown", "", None, can)
        case _:
            machine, key = request.getfixturevalue("gateway"), request.getfixturevalue("key")
            yield machine, Known("unknown", "LiteLLM 1.108.7", CONTEXT_TOKENS, LLAMA_CPP_CAN, key, "house")


def found_at(place: Place) -> Neighbour | None:
    return asyncio.run(look(place.url, access=place.access, seconds=5))


async def _tested(place: Place) -> Findings:
    findings = await probe(place.url, access=place.access)
    engine = EndpointEngine(place.url, model=findings.model, access=place.access)
    try:
        return await tried_out(engine, findings)
    finally:
        await engine.aclose()


async def _asked(place: Place, question: str, access: Access) -> tuple[list[EngineEvent], EngineError | None]:
    engine, events = EndpointEngine(place.url, model=place.known.model, access=access), list[EngineEvent]()
    try:
        async with aclosing(engine.stream([user(question)], GenerationOptions(max_tokens=40))) as stream:
            async for event in stream:
                events.append(event)  # what came before an error counts
    except EngineError as error:
        return events, error
    finally:
        await engine.aclose()
    return events, None


def ask(place: Place, question: str, *, access: Access | None = None) -> tuple[list[EngineEvent], EngineError | None]:
    return asyncio.run(_asked(place, question, access or place.access))


def test_it_is_found_at_its_address_with_its_models(place: Place) -> None:
    assert found_at(place) == Neighbour(place.url, place.known.kind, (place.known.model,))


def test_a_test_says_what_it_is_and_what_it_can_and_nothing_that_was_not_seen(place: Place) -> None:
    findings = asyncio.run(_tested(place))
    print(place.known.server or place.known.kind, findings)  # `-rP` or `-s` shows the table
    assert findings.ok and findings.models == (place.known.model,)
    assert findings.abilities is not None
    seen = asdict(findings.abilities)
    assert (seen.pop("server"), seen.pop("context_tokens")) == (place.known.server, place.known.context_tokens)
    assert seen == place.known.can


def test_it_answers_word_by_word_also_right_after_a_test(place: Place) -> None:
    asyncio.run(_tested(place))
    events, error = ask(place, "Name three colours.")
    assert error is None
    assert len([event for event in events if isinstance(event, TextDelta)]) > 3
    assert isinstance(events[-1], AnswerFinished)


def test_a_chat_that_is_too_long_is_told_with_both_numbers_and_the_next_answer_comes(place: Place) -> None:
    events, error = ask(place, TOO_LONG)
    assert events == []
    assert isinstance(error, ContextFull)
    assert re.search(r"15[37]1 tokens, and 1024 fit", str(error))  # some count the 40 of the answer too
    assert ask(place, "Hello?")[1] is None


def test_a_wrong_key_is_called_one(place: Place) -> None:
    if place.known.key is None:
        assert ask(place, "Hello?", access=Access("any"))[1] is None
        return
    assert isinstance(ask(place, "Hello?", access=Access("sk-wrong"))[1], WrongKey)
