"""A chat: it saves as it goes, ends when told, and outlives whoever watches it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from gc import collect
from pathlib import Path
from weakref import ref

import pytest

from assistant.conversation import Conversation, EngineChoice
from assistant.conversations import MOST_RECENT, Conversations
from assistant.database import Database
from assistant.engines import EngineIdentity
from assistant.engines.endpoint import EndpointEngine
from assistant.messages import Attachment
from assistant.pictures import data_url
from assistant.settings import Settings
from assistant.store import Store
from tests.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.fake_steps import Answer, Cut, Silence

Scene = Callable[[Conversations, Store], Awaitable[None]]


def play(scene: Scene, server: FakeEndpoint, tmp_path: Path, settings: Settings | None = None) -> None:
    async def run() -> None:
        store, private = Store(Database(tmp_path / "hearth.db")), Store(Database(None))

        def show(file: Attachment) -> str | None:
            return data_url(private.attachments.read(file) or store.attachments.read(file) or b"")

        engine = EndpointEngine(server.url, model="fake", show=show)
        conversations = Conversations(
            store, private=private, choose=lambda _pick: EngineChoice(engine, settings or Settings())
        )
        try:
            await scene(conversations, store)
        finally:
            await conversations.aclose()
            await engine.aclose()
            store.close()

    asyncio.run(run())


async def at_rest(conversation: Conversation) -> None:
    async with asyncio.timeout(10):
        while conversation.live is not None:
            await conversation.news.wait()


async def live_text(conversation: Conversation, text: str) -> None:
    async with asyncio.timeout(10):
        while conversation.live is None or not any(text in message.text for message in conversation.live.messages):
            await conversation.news.wait()


def texts(conversation: Conversation) -> list[str]:
    return [item.message.text for item in conversation.settled]


def test_a_question_and_its_answer_are_there_at_the_next_start(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.last()
        await chat.send("Hello?")
        await at_rest(chat)
        again = await Conversations(
            store, private=Store(Database(None)), choose=lambda _pick: pytest.fail("asked for an engine")
        ).last()
        assert again.settled == chat.settled
        assert texts(again) == ["Hello?", "Hello, world!"]
        assert (again.settled[1].status, again.settled[1].model) == ("complete", "fake")
        assert again.settled[1].usage is not None

    with fake_endpoint(Answer()) as server:
        play(scene, server, tmp_path)


def test_the_first_word_and_the_end_wait_for_no_pace_and_the_words_between_do(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.last()
        await chat.send("Hello?")
        at_once: list[str] = []
        async with asyncio.timeout(10):
            while chat.live is not None:
                news, milestone = chat.news, chat.milestone
                await news.wait()
                if milestone.is_set():
                    at_once.append(chat.live.messages[-1].text if chat.live else "settled")
        assert at_once == ["1 ", "1 2 3 4 5 ", "settled"]

    with fake_endpoint(Answer(("1 ", "2 ", "3 ", "4 ", "5 "), rate_per_second=20)) as server:
        play(scene, server, tmp_path)


def test_words_are_on_disk_within_a_second_of_the_stream(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.last()
        await chat.send("Hello?")
        await live_text(chat, "Hello")
        await asyncio.sleep(1)
        last = store.last_conversation()
        assert last is not None
        saved = store.branch(last.leaf_id)[-1]
        assert (saved.message.text, saved.status) == ("Hello", "streaming")
        await chat.stop()

    with fake_endpoint(Silence(after=("Hello",))) as server:
        play(scene, server, tmp_path)


def test_stop_reaches_the_engine_within_a_second_and_keeps_the_text(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await chat.send("Hello?")
        await live_text(chat, "Hello")
        async with asyncio.timeout(1):
            await chat.stop()
        assert await asyncio.to_thread(server.wait_for_disconnect, 1)
        assert (texts(chat)[-1], chat.settled[-1].status) == ("Hello", "stopped")

    with fake_endpoint(Silence(after=("Hello",))) as server:
        play(scene, server, tmp_path)


def test_stop_before_the_first_word_ends_the_answer_too(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await chat.send("Hello?")
        await asyncio.gather(chat.stop(), chat.stop())
        assert (chat.live, chat.settled[-1].status) == (None, "stopped")

    server = FakeEndpoint(None, free=Answer(rate_per_second=1))  # it may be asked, or not yet
    play(scene, server, tmp_path)
    server.close()


def test_a_failed_answer_keeps_its_words_and_says_why_after_a_restart(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.last()
        await chat.send("Hello?")
        await at_rest(chat)
        again = await Conversations(
            store, private=Store(Database(None)), choose=lambda _pick: pytest.fail("asked for an engine")
        ).last()
        answer = again.settled[-1]
        assert (answer.message.text, answer.status) == ("Half", "failed")
        assert answer.failure is not None
        assert answer.failure.key.startswith("engine-")

    with fake_endpoint(Cut(after=("Half",))) as server:
        play(scene, server, tmp_path)


def test_a_retry_answers_the_same_question_and_keeps_the_earlier_answer(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.last()
        await chat.send("Hello?")
        await at_rest(chat)
        first = chat.settled[-1]
        await chat.retry()
        await at_rest(chat)
        assert texts(chat) == ["Hello?", "Better."]
        assert [item.message.text for item in store.branch(first.id)] == ["Hello?", "Half"]
        assert server.chats[0].body["messages"] == server.chats[1].body["messages"]

    with fake_endpoint(Cut(after=("Half",)), Answer(("Better.",))) as server:
        play(scene, server, tmp_path)


def test_a_double_click_asks_once(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await asyncio.gather(chat.send("Hello?"), chat.send("Hello?"))
        await at_rest(chat)
        assert texts(chat) == ["Hello?", "Hello, world!"]

    with fake_endpoint(Answer()) as server:
        play(scene, server, tmp_path)


def test_the_engine_reads_the_system_prompt_and_the_chat_in_order(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        for question in ("One?", "Two?"):
            await chat.send(question)
            await at_rest(chat)
        asked = server.chats[1].body
        assert [(m["role"], m["content"]) for m in asked["messages"]] == [
            ("system", "Be brief."),
            ("user", "One?"),
            ("assistant", "Hello, world!"),
            ("user", "Two?"),
        ]
        assert (asked["temperature"], asked["max_tokens"]) == (0.5, 9)

    with fake_endpoint(Answer(), Answer()) as server:
        play(scene, server, tmp_path, Settings(system_prompt="Be brief.", temperature=0.5, max_tokens=9))


def test_an_answer_that_reached_the_limit_of_tokens_says_so(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await chat.send("Hello?")
        await at_rest(chat)
        assert chat.settled[-1].status == "cut"

    with fake_endpoint(Answer(finish_reason="length")) as server:
        play(scene, server, tmp_path)


@pytest.mark.parametrize(("reason", "key"), [("content_filter", "answer-filtered")])
def test_an_answer_that_the_server_ended_says_so(tmp_path: Path, reason: str, key: str) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await chat.send("Hi")
        await at_rest(chat)
        last = chat.settled[-1]
        assert (last.status, last.failure and last.failure.key) == ("failed", key)
        assert last.message.text == "Hello, world!"

    with fake_endpoint(Answer(finish_reason=reason)) as server:
        play(scene, server, tmp_path)


def test_whatever_cannot_be_saved_the_chat_takes_the_next_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.last()
        monkeypatch.setattr(EndpointEngine, "identity", EngineIdentity("endpoint", "\ud800", ""))
        await chat.send("Hi")
        await at_rest(chat)
        assert texts(chat) == ["Hi", "Hello, world!"]
        assert chat.unsaved is not None
        monkeypatch.undo()
        await chat.send("Again")
        await at_rest(chat)
        assert texts(chat) == ["Hi", "Hello, world!", "Again", "Hello, world!"]

    with fake_endpoint(Answer(), Answer()) as server:
        play(scene, server, tmp_path)


def test_a_question_that_cannot_be_saved_is_kept_and_answered_all_the_same(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.last()
        store.close()
        await chat.send("Hello?")
        await at_rest(chat)
        assert texts(chat) == ["Hello?", "Hello, world!"]
        assert chat.unsaved is not None
        assert conversations.unsaved is chat.unsaved

    with fake_endpoint(Answer()) as server:
        play(scene, server, tmp_path)


def test_closing_hearth_marks_a_running_answer_as_interrupted(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.last()
        await chat.send("Hello?")
        await live_text(chat, "Hello")
        await conversations.aclose()
        last = store.last_conversation()
        assert last is not None
        saved = store.branch(last.leaf_id)[-1]
        assert (saved.message.text, saved.status) == ("Hello", "interrupted")

    with fake_endpoint(Silence(after=("Hello",))) as server:
        play(scene, server, tmp_path)


def test_new_chats_leave_no_empty_ones_behind(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        first = await conversations.new()
        assert await conversations.new() is first
        await first.send("Hello?")
        await at_rest(first)
        assert await conversations.new() is not first

    with fake_endpoint(Answer()) as server:
        play(scene, server, tmp_path)


def test_chats_that_nobody_looks_at_leave_memory_and_the_same_chat_is_never_open_twice(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, store: Store) -> None:
        looked_at = await conversations.new()
        await looked_at.send("Hello?")
        await at_rest(looked_at)
        left = await conversations.new()
        await left.send("Hello?")
        await at_rest(left)
        ids = (looked_at.id, left.id)
        gone = ref(left)
        del left
        for _ in range(MOST_RECENT):
            chat = await conversations.new()
            await chat.send("Hello?")
            await at_rest(chat)
        collect()

        assert gone() is None
        assert await conversations.open(ids[0]) is looked_at
        again = await conversations.open(ids[1])
        assert again is not None
        assert texts(again) == ["Hello?", "Hello, world!"]

    with fake_endpoint(*[Answer()] * (MOST_RECENT + 2)) as server:
        play(scene, server, tmp_path)


def test_an_answer_that_nobody_waits_for_is_written_to_its_end(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.new()
        await chat.send("Hello?")
        identity = chat.id
        del chat
        for _ in range(MOST_RECENT + 1):
            assert await conversations.open(store.add_conversation().id)
        collect()

        chat = await conversations.open(identity)
        assert chat is not None
        assert chat.is_running
        await at_rest(chat)
        assert texts(chat) == ["Hello?", "a b c"]

    slow = Answer(("a ", "b ", "c"), 1.0)
    with fake_endpoint(slow) as server:
        play(scene, server, tmp_path)
