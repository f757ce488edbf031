"""Two models in one question: both answers are saved as they come, and neither is anything to the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from assistant.catalogue import Catalogue
from assistant.conversation import Conversation
from assistant.conversations import Conversations
from assistant.database import Database
from assistant.engines.endpoint import EndpointEngine
from assistant.exchange.exporter import Exporter
from assistant.exchange.importer import Importer
from assistant.i18n import ENGLISH
from assistant.pick import Pick, Wish
from assistant.records import StoredMessage
from assistant.running import Column, EngineChoice
from assistant.settings import Settings
from assistant.store import Store
from tests.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.fake_steps import Answer, Silence, Status
from tests.test_conversation import at_rest, texts

Scene = Callable[[Conversation, Store], Awaitable[None]]


def play(scene: Scene, left: FakeEndpoint, right: FakeEndpoint, tmp_path: Path, *, is_private: bool = False) -> None:
    async def run() -> None:
        picks = {server.url: Pick(server.url, "fake") for server in (left, right)}
        engines = {url: EndpointEngine(url, model="fake") for url in picks}

        def choose(pick: Pick | None) -> EngineChoice:
            asked = pick or picks[left.url]
            return EngineChoice(engines[asked.endpoint], Settings(), asked)

        store, private = Store(Database(tmp_path / "hearth.db")), Store(Database(None))
        conversations = Conversations(store, private=private, choose=choose)
        try:
            chat = await (conversations.new_private() if is_private else conversations.last())
            await chat.ask_for(Wish(beside=picks[right.url]))
            await scene(chat, private if is_private else store)
        finally:
            await conversations.aclose()
            await asyncio.gather(*(engine.aclose() for engine in engines.values()))
            store.close()

    asyncio.run(run())


def said_in(column: Column) -> str:
    return column.answer.messages[-1].text if column.answer.messages else ""


async def both_say(chat: Conversation, *texts: str) -> None:
    async with asyncio.timeout(10):
        while [said_in(column) for column in chat.columns] != [*texts]:
            await chat.news.wait()


def columns(chat: Conversation) -> list[tuple[str, str]]:
    return [(column.rows[-1].message.text, column.rows[-1].status) for column in chat.columns]


def tree(store: Store, chat: Conversation) -> list[StoredMessage]:
    return store.tree(chat.id)


def test_both_answers_are_siblings_and_the_chat_goes_on_with_the_first(tmp_path: Path) -> None:
    async def scene(chat: Conversation, store: Store) -> None:
        await chat.send("Hello?")
        await at_rest(chat)
        assert columns(chat) == [("Left.", "complete"), ("Right.", "complete")]
        assert texts(chat) == ["Hello?", "Left."]
        question, *answers = tree(store, chat)
        assert [(item.message.text, item.parent_id) for item in answers] == [
            ("Left.", question.id),
            ("Right.", question.id),
        ]
        assert chat.siblings[answers[0].id] == (answers[0].id, answers[1].id)
        stored = store.conversation(chat.id)
        assert stored and stored.leaf_id == answers[0].id

    with fake_endpoint(Answer(("Left.",))) as left, fake_endpoint(Answer(("Right.",))) as right:
        play(scene, left, right, tmp_path)


def test_the_next_question_goes_on_with_the_one_that_was_chosen_and_asks_both(tmp_path: Path) -> None:
    async def scene(chat: Conversation, store: Store) -> None:
        await chat.send("Hello?")
        await at_rest(chat)
        await chat.show(chat.columns[1].rows[-1].id)
        assert (texts(chat), chat.columns) == (["Hello?", "Right."], ())
        await chat.send("And?")
        await at_rest(chat)
        assert columns(chat) == [("Left again.", "complete"), ("Right again.", "complete")]
        for server in (left, right):
            said = [message["content"] for message in server.chats[-1].body["messages"]][-3:]
            assert said == ["Hello?", "Right.", "And?"]

    with (
        fake_endpoint(Answer(("Left.",)), Answer(("Left again.",))) as left,
        fake_endpoint(Answer(("Right.",)), Answer(("Right again.",))) as right,
    ):
        play(scene, left, right, tmp_path)


def test_the_words_of_both_are_on_disk_within_a_second_and_stop_ends_both(tmp_path: Path) -> None:
    async def scene(chat: Conversation, store: Store) -> None:
        await chat.send("Hello?")
        await both_say(chat, "Left half", "Right half")
        await asyncio.sleep(1)
        saved = [(item.message.text, item.status) for item in tree(store, chat)[1:]]
        assert saved == [("Left half", "streaming"), ("Right half", "streaming")]
        async with asyncio.timeout(1):
            await chat.stop()
        assert columns(chat) == [("Left half", "stopped"), ("Right half", "stopped")]
        for server in (left, right):
            assert await asyncio.to_thread(server.wait_for_disconnect, 1)

    with fake_endpoint(Silence(after=("Left half",))) as left, fake_endpoint(Silence(after=("Right half",))) as right:
        play(scene, left, right, tmp_path)


def test_one_that_fails_is_settled_while_the_other_goes_on_and_the_chat_goes_on_with_that(tmp_path: Path) -> None:
    async def scene(chat: Conversation, store: Store) -> None:
        await chat.send("Hello?")
        async with asyncio.timeout(10):
            while not chat.columns[0].is_over:
                await chat.news.wait()
        assert chat.is_running and not chat.columns[1].is_over
        assert tree(store, chat)[1].status == "failed"
        await both_say(chat, "", "Right half")
        await chat.stop()
        assert [column.goes_on for column in chat.columns] == [False, True]
        assert texts(chat) == ["Hello?", "Right half"]

    refused = Status(400, {"error": {"message": "not today"}})
    with fake_endpoint(refused) as left, fake_endpoint(Silence(after=("Right half",))) as right:
        play(scene, left, right, tmp_path)


def test_a_retry_of_one_asks_its_own_model_and_leaves_the_other_beside_it(tmp_path: Path) -> None:
    async def scene(chat: Conversation, store: Store) -> None:
        await chat.send("Hello?")
        await at_rest(chat)
        await chat.retry(chat.columns[1].rows[-1].id)
        await at_rest(chat)
        assert columns(chat) == [("Left.", "complete"), ("Right again.", "complete")]
        assert texts(chat) == ["Hello?", "Left."]
        assert [item.message.text for item in tree(store, chat)[1:]] == ["Left.", "Right.", "Right again."]

    with (
        fake_endpoint(Answer(("Left.",))) as left,
        fake_endpoint(Answer(("Right.",)), Answer(("Right again.",))) as right,
    ):
        play(scene, left, right, tmp_path)


def test_erasing_one_leaves_the_other(tmp_path: Path) -> None:
    async def scene(chat: Conversation, store: Store) -> None:
        await chat.send("Hello?")
        await at_rest(chat)
        await chat.erase(chat.columns[0].rows[0].id)
        assert (texts(chat), chat.columns) == (["Hello?", "Right."], ())
        assert [item.message.text for item in tree(store, chat)] == ["Hello?", "Right."]

    with fake_endpoint(Answer(("Left.",))) as left, fake_endpoint(Answer(("Right.",))) as right:
        play(scene, left, right, tmp_path, is_private=True)


def test_an_answer_of_the_two_that_ended_early_can_be_gone_on_with(tmp_path: Path) -> None:
    async def scene(chat: Conversation, _: Store) -> None:
        await chat.send("Hello?")
        await both_say(chat, "Left half", "Right half")
        await chat.stop()
        await chat.go_on(chat.columns[1].rows[-1].id)
        await at_rest(chat)
        assert (texts(chat)[-1], chat.columns) == ("Right half and whole.", ())

    with (
        fake_endpoint(Silence(after=("Left half",)), Answer((" and whole.",))) as left,
        fake_endpoint(Silence(after=("Right half",))) as right,
    ):
        play(scene, left, right, tmp_path)


def test_both_answers_go_out_come_in_and_are_found(tmp_path: Path) -> None:
    async def scene(chat: Conversation, store: Store) -> None:
        await chat.send("Hello?")
        await at_rest(chat)
        file = tmp_path / "chats.json"
        assert Exporter(store, store.attachments, ENGLISH).write_all(file, "json") == 1
        other = Store(Database(tmp_path / "other.db"))
        try:
            assert Importer(other, other.attachments).bring_in([file], lambda _done, _of: None).added == 1
            (came,) = Catalogue(other.database).chats(limit=9)
            assert [item.message.text for item in other.tree(came.id)] == ["Hello?", "Left.", "Right."]
            for word in ("Left", "Right"):
                assert [found.conversation_id for found in Catalogue(other.database).search(word)] == [came.id]
        finally:
            other.close()

    with fake_endpoint(Answer(("Left.",))) as left, fake_endpoint(Answer(("Right.",))) as right:
        play(scene, left, right, tmp_path)
