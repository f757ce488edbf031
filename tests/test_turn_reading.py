"""A turn with a tool on the real engine: what was read before the call is not read again after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import cast

from assistant.calls import TurnTools
from assistant.egress import Egress
from assistant.engines import AnswerFinished, Engine, EngineEvent, GenerationOptions
from assistant.engines.embedded import EmbeddedEngine
from assistant.events import UsageReported
from assistant.messages import Message, ToolCall, user
from assistant.paths import starter_model
from assistant.tools.clock import now as clock_now
from assistant.tools.hands import Hands
from assistant.tools.tool import tool
from assistant.turn import run_turn
from tests.test_prompt_cache import SLACK_TOKENS, Reading


class Calling:
    """The built-in engine, whose first answer ends in a call of a tool: the starter model makes none by itself."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        self._engine, self._is_first = engine, True

    async def stream(self, messages: Sequence[Message], options: GenerationOptions) -> AsyncGenerator[EngineEvent]:
        is_first, self._is_first = self._is_first, False
        async with aclosing(self._engine.stream(messages, options)) as events:
            async for event in events:
                if is_first and isinstance(event, AnswerFinished):
                    event = AnswerFinished("tool_calls", (ToolCall("c1", "now", "{}"),))  # noqa: PLW2901
                yield event


def test_after_a_tool_only_its_call_and_result_are_read(tmp_path: Path) -> None:
    async def whole() -> None:
        engine = EmbeddedEngine(starter_model(), log_file=tmp_path / "engine.log")
        reading = Reading(tmp_path / "engine.log")
        now = tool(clock_now, approval="never")
        tools = TurnTools((now,), (), lambda said: Hands("c", tuple(said), Egress()), lambda _: "itself")
        question = user("The stone lay in the river. " * 60 + "What time is it?")
        options = GenerationOptions(max_tokens=12)
        try:
            events = [
                event
                async for event in run_turn([question], cast("Engine", Calling(engine)), options=options, tools=tools)
            ]
        finally:
            await engine.aclose()
        counted = [event.prompt_tokens for event in events if isinstance(event, UsageReported)]
        said = [event.completion_tokens for event in events if isinstance(event, UsageReported)]
        first, second = reading.counts()
        assert counted[0] and counted[1] and said[0]
        assert first > 400
        assert second <= counted[1] - counted[0] - said[0] + SLACK_TOKENS

    asyncio.run(whole())
