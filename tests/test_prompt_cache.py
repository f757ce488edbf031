"""What the built-in engine reads: each word of a chat once, by the counts in its own log."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from assistant.attachments import Attachments
from assistant.conversation import Conversation, EngineChoice
from assistant.conversations import Conversations
from assistant.database import Database
from assistant.engines import AnswerFinished, EngineEvent, GenerationOptions
from assistant.engines.embedded import EmbeddedEngine
from assistant.engines.machine import Machine
from assistant.engines.process import batch_tokens_for
from assistant.events import PromptRead, TextDelta
from assistant.messages import Message, ToolResult, user
from assistant.paths import starter_model
from assistant.settings import Settings
from assistant.store import Store
from assistant.tools.builtin import BUILTIN_TOOLS

SLACK_TOKENS = 2  # the last word of an answer was said and not yet read; its end mark
TURNS = 20
MOST_BATCHES_AFTER_STOP = 4  # until it is noticed, on a busy machine; by its clock alone llama.cpp takes a second


class Reading:
    """The engine's log: how many tokens each request made it read, and how many it held when each was over."""

    def __init__(self, log_file: Path) -> None:
        self._log_file = log_file

    def counts(self) -> list[int]:
        return self._numbers(r"prompt eval time =.*/\s+(\d+) tokens")

    def held_at_the_end(self) -> list[int]:
        return self._numbers(r"release:.*n_tokens = (\d+)")

    def begun(self) -> int:
        return len(self._numbers(r"launch_slot_:.*task (\d+)"))

    def _numbers(self, pattern: str) -> list[int]:
        return [int(found) for found in re.findall(pattern, self._log_file.read_text(encoding="utf-8"))]


@asynccontextmanager
async def chats(folder: Path) -> AsyncGenerator[tuple[Conversations, Reading]]:
    """Chats on the built-in engine, with short answers."""
    engine = EmbeddedEngine(starter_model(), log_file=folder / "engine.log")
    store = Store(Database(folder / "hearth.db"), Attachments(folder / "attachments"))
    settings = Settings(max_tokens=12)
    opened = Conversations(store, private=Store(Database(None)), choose=lambda _pick: EngineChoice(engine, settings))
    try:
        yield opened, Reading(folder / "engine.log")
    finally:
        await opened.aclose()
        await engine.aclose()
        store.close()


async def answered(chat: Conversation, asked: Awaitable[None]) -> tuple[int, int]:
    """Tokens of the whole prompt and of the answer, once the chat is at rest."""
    await asked
    while True:
        news = chat.news
        if not chat.is_settling:
            break
        await news.wait()
    usage = chat.settled[-1].usage
    assert usage is not None and usage.prompt_tokens is not None and usage.completion_tokens is not None
    return usage.prompt_tokens, usage.completion_tokens


def run(use: Callable[[Conversations, Reading], Awaitable[None]], folder: Path) -> None:
    async def whole() -> None:
        async with chats(folder) as (opened, reading):
            await use(opened, reading)

    asyncio.run(whole())


def test_over_twenty_turns_and_a_retry_only_new_words_are_read(tmp_path: Path) -> None:
    async def use(opened: Conversations, reading: Reading) -> None:
        chat = await opened.new()
        known = 0
        for turn in range(TURNS):
            prompt, said = await answered(chat, chat.send(f"Question {turn}: what is special about {turn * 7}?"))
            read = reading.counts()[-1 if turn else 0]  # the first is followed by the request for a title
            assert read <= prompt - known + SLACK_TOKENS, f"turn {turn}"
            known = prompt + said
        await answered(chat, chat.retry())
        counts = reading.counts()
        assert len(counts) == TURNS + 2
        assert counts[-1] <= SLACK_TOKENS, "a retry reads nothing anew"
        assert counts[1] < 64, "nor does the request for a title"

    run(use, tmp_path)


@pytest.mark.slow
def test_neither_a_long_chat_s_title_nor_another_chat_costs_it_what_was_read(tmp_path: Path) -> None:
    """A title is asked for with a part of a long chat, which is another prompt: the engine keeps both."""

    async def use(opened: Conversations, reading: Reading) -> None:
        long = await opened.new()
        prompt, said = await answered(long, long.send("The stone lay in the river. " * 400 + "Tell me a story of it."))
        assert prompt > 1500
        other = await opened.new()
        await answered(other, other.send("Name three colours."))
        again, _ = await answered(long, long.send("And how does it end?"))
        assert reading.counts()[-1] <= again - prompt - said + SLACK_TOKENS

    run(use, tmp_path)


def test_how_far_a_long_prompt_has_been_read_is_told_while_it_is_read(tmp_path: Path) -> None:
    async def use() -> None:
        engine = EmbeddedEngine(starter_model(), log_file=tmp_path / "engine.log")
        try:
            events = [
                event
                async for event in engine.stream(
                    [user("stone river cloud " * 150)], GenerationOptions(max_tokens=4, temperature=0)
                )
            ]
        finally:
            await engine.aclose()
        shares = [event.share for event in events if isinstance(event, PromptRead)]
        assert len(shares) >= 3 and shares == sorted(set(shares)) and shares[-1] == 1
        first_word = next(index for index, event in enumerate(events) if isinstance(event, TextDelta))
        assert not any(isinstance(event, PromptRead) for event in events[first_word:])

    asyncio.run(use())


def test_stop_ends_the_reading_of_a_long_prompt_at_the_next_batch(tmp_path: Path) -> None:
    """And with it the engine is free: what it holds of 4,000 tokens when the next question begins is a batch or two."""

    async def use() -> None:
        engine = EmbeddedEngine(starter_model(), log_file=tmp_path / "engine.log")
        reading = Reading(tmp_path / "engine.log")
        try:
            await engine.start()
            words = [user("stone river cloud " * 1400)]
            stream = engine.stream(words, GenerationOptions(max_tokens=4))
            first = asyncio.ensure_future(anext(stream))
            while not reading.begun():  # noqa: ASYNC110  # another process writes the log
                await asyncio.sleep(0.01)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await stream.aclose()
            async with aclosing(engine.stream([user("Hi.")], GenerationOptions(max_tokens=4))) as stream:
                assert [event async for event in stream]
            while not reading.held_at_the_end():  # noqa: ASYNC110  # its log has a thread of its own
                await asyncio.sleep(0.01)
            assert reading.held_at_the_end()[0] <= MOST_BATCHES_AFTER_STOP * batch_tokens_for(Machine.this().cores)
        finally:
            await engine.aclose()

    asyncio.run(use())


def test_a_call_and_its_result_are_read_once_and_tools_cost_an_ordinary_question_nothing(tmp_path: Path) -> None:
    """The arguments are asked for with the very prompt of an answer in words; then the call and its result are new."""

    async def use() -> None:
        engine = EmbeddedEngine(starter_model(), log_file=tmp_path / "engine.log")
        reading = Reading(tmp_path / "engine.log")
        offered = GenerationOptions(temperature=0, max_tokens=8, tools=tuple(one.offer for one in BUILTIN_TOOLS))

        async def asked(messages: list[Message], options: GenerationOptions) -> list[EngineEvent]:
            async with aclosing(engine.stream(messages, options)) as stream:
                return [event async for event in stream]

        try:
            ordinary = [user("What is the capital of France?")]
            for options in (offered, GenerationOptions(temperature=0, max_tokens=8)):
                await asked(ordinary, options)
            assert reading.counts()[1] <= SLACK_TOKENS, "the prompt is the same with tools and without"
            question = [user("The sea is wide. " * 40 + "What is 17 times 23?")]
            events = await asked(question, offered)
            [call] = next(event.tool_calls for event in events if isinstance(event, AnswerFinished))
            result = [
                Message("assistant", (call,)),
                Message("tool", (ToolResult(call.id, "391\nby long multiplication"),)),
            ]
            await asked([*question, *result], offered)
            assert reading.counts()[2] > 150
            assert reading.counts()[3] < 80
            assert len(reading.counts()) == 4
        finally:
            await engine.aclose()

    asyncio.run(use())
