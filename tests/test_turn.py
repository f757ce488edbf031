"""A turn: what an engine sends becomes events, and every end is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from assistant.engines import GenerationOptions
from assistant.engines.endpoint import EndpointEngine
from assistant.events import Event, TextDelta, ToolCallFinished, ToolCallStarted, TurnFailed, TurnFinished
from assistant.messages import Message, user
from assistant.turn import run_turn
from tests.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.fake_steps import Answer, Cut

CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}


def turn(server: FakeEndpoint, messages: Sequence[Message] = (user("Hello?"),), *, step_limit: int = 8) -> list[Event]:
    async def events() -> list[Event]:
        engine = EndpointEngine(server.url, model="fake")
        try:
            options = GenerationOptions()
            return [event async for event in run_turn(messages, engine, options=options, step_limit=step_limit)]
        finally:
            await engine.aclose()

    return asyncio.run(events())


def test_an_answer_is_words_usage_and_an_end() -> None:
    with fake_endpoint(Answer(("One", " two"))) as server:
        events = turn(server)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["One", " two"]
    assert events[-1] == TurnFinished("stop")


def test_an_answer_that_is_cut_keeps_its_words_and_fails() -> None:
    with fake_endpoint(Cut(after=("Half",))) as server:
        events = turn(server)
    assert events[0] == TextDelta("Half")
    assert isinstance(events[-1], TurnFailed)


def test_a_model_that_calls_a_tool_we_do_not_have_is_told_so_and_answers_in_words() -> None:
    with fake_endpoint(Answer((), tool_calls=[CALL], finish_reason="tool_calls"), Answer(("It is noon.",))) as server:
        events = turn(server)
        told = server.chats[1].body["messages"][-1]
    assert any(isinstance(event, ToolCallStarted) for event in events)
    result = next(event.result for event in events if isinstance(event, ToolCallFinished))
    assert result.is_error
    assert (told["role"], told["tool_call_id"], told["content"]) == ("tool", "c1", result.text)
    assert events[-1] == TurnFinished("stop")


def test_a_model_that_calls_tools_for_ever_is_stopped() -> None:
    endless = [Answer((), tool_calls=[CALL | {"id": f"c{each}"}], finish_reason="tool_calls") for each in range(2)]
    with fake_endpoint(*endless) as server:
        events = turn(server, step_limit=2)
    assert events[-1] == TurnFinished("tool_limit")
