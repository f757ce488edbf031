"""The context: what of a chat its model is sent, and how a chat goes on that is longer than the model can read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.context import filling, next_cover, unsent
from assistant.conversation import Conversation, EngineChoice
from assistant.conversations import Conversations
from assistant.database import Database
from assistant.engines import Engine
from assistant.engines.embedded import EmbeddedEngine
from assistant.engines.endpoint import EndpointEngine
from assistant.errors import EngineError
from assistant.events import UsageReported
from assistant.messages import Message, Text, user
from assistant.paths import starter_model
from assistant.records import StoredMessage, new_message
from assistant.settings import EngineSetup, Settings
from assistant.store import Store
from assistant.summaries import summary_tokens
from tests.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.fake_steps import Answer, ContextOverflow, Silence, Status

Scene = Callable[[Conversations, Store], Awaitable[None]]
LONG = "The stone lay in the river and thought of nothing at all. " * 6  # about 100 tokens


def perform(scene: Scene, engine: Engine, folder: Path, settings: Settings) -> None:
    async def run() -> None:
        store = Store(Database(folder / "hearth.db"))
        conversations = Conversations(
            store, private=Store(Database(None)), choose=lambda _pick: EngineChoice(engine, settings)
        )
        try:
            await scene(conversations, store)
        finally:
            await conversations.aclose()
            await engine.aclose()
            store.close()

    asyncio.run(run())


def play(scene: Scene, server: FakeEndpoint, folder: Path, settings: Settings, context: int | None = None) -> None:
    perform(scene, EndpointEngine(server.url, model="fake", context_tokens=context), folder, settings)


async def at_rest(chat: Conversation) -> None:
    async with asyncio.timeout(60):
        while True:
            news = chat.news
            if not chat.is_settling:
                return
            await news.wait()


async def ask(chat: Conversation, *questions: str) -> None:
    for question in questions:
        await chat.send(question)
        await at_rest(chat)


def texts(chat: Conversation) -> list[str]:
    return [item.message.text for item in chat.settled]


def sent(server: FakeEndpoint, place: int = -1) -> list[str]:
    return [message["content"] for message in server.chats[place].body["messages"]]


def said(*words: str) -> tuple[StoredMessage, ...]:
    """A chat of questions and answers in turns."""
    rows: list[StoredMessage] = []
    for place, text in enumerate(words):
        role = "assistant" if place % 2 else "user"
        rows.append(new_message(rows[-1].id if rows else None, Message(role, (Text(text),)), model="fake"))
    return tuple(rows)


# What fills it


def test_a_pinned_message_stays_and_whole_exchanges_are_covered_from_the_oldest() -> None:
    branch = said(*(LONG for _ in range(9)))
    found = filling(branch, "Be brief.", model="fake", size=1000)
    most = found.tokens // 2
    count = next_cover(found, most)
    assert count is not None and count % 2 == 0, "questions go with their answers"
    left = found.tokens - sum(share.tokens for share in found.shares[:count])
    assert left <= most < left + sum(share.tokens for share in found.shares[count - 2 : count]), "as few as it takes"
    assert next_cover(filling(said(LONG), "", model="fake", size=100), 10) is None, "the last question never"


def test_what_is_sent_begins_with_what_changes_least_and_keeps_its_turns() -> None:
    q1, a1, q2, a2, q3 = said("q1", "a1", "q2", "a2", "q3")
    branch = (q1, replace(a1, mark="pinned"), q2, replace(a2, stand_in="They spoke."), q3)
    prompt = filling(branch, "Be brief.", model="fake", size=None).prompt
    assert [message.role for message in prompt] == ["system", "user", "assistant", "user"]
    assert prompt[1].text.endswith("They spoke.") and prompt[2].text == "a1"
    alone = filling((q1, replace(a1, mark="pinned"), q2, replace(a2, stand_in=""), q3), "", model="fake", size=None)
    assert [message.role for message in alone.prompt] == ["user", "assistant", "user"], (
        "no template gets an answer first"
    )
    assert unsent(branch) == {q1.id, q2.id, a2.id}


def test_the_last_counted_answer_makes_estimates_right() -> None:
    question, answer = said(LONG, LONG)
    counted = replace(answer, usage=UsageReported(120, 110, None))
    found = filling((question, counted), "", model="fake", size=4096)
    assert found.shares[0].tokens == 120
    assert abs(found.shares[1].tokens - 110) <= 5
    assert filling((question, counted), "", model="another", size=None).shares[0].tokens != 120, "another tokenizer"


# A person says what is sent


def test_what_is_left_out_is_not_sent_and_can_be_sent_again_and_both_last(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.last()
        await ask(chat, "one", "two")
        first, answer = chat.settled[:2]
        await chat.mark(first.id, "left_out")
        await chat.mark(answer.id, "left_out")
        await ask(chat, "three")
        assert sent(server) == ["two", "B", "three"]
        assert store.branch(chat.settled[-1].id) == list(chat.settled), "on disk"
        await chat.mark(first.id, None)
        await chat.mark(answer.id, None)
        await ask(chat, "four")
        assert sent(server)[:2] == ["one", "A"]
        assert len(chat.settled) == 8

    with fake_endpoint(*(Answer((word,)) for word in "ABCD")) as server:
        play(scene, server, tmp_path, Settings())


def test_each_branch_has_its_own(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await ask(chat, "one", "two", "three")
        await chat.make_room("leave_out")
        covered = unsent(chat.settled)
        assert chat.settled[0].id in covered
        await chat.edit(chat.settled[0].id, "another one")
        await at_rest(chat)
        assert sent(server) == ["another one"]
        assert not unsent(chat.settled)
        await chat.show(next(iter(covered)))
        assert unsent(chat.settled) == covered

    with fake_endpoint(*(Answer((word,)) for word in "ABCD")) as server:
        play(scene, server, tmp_path, Settings())


# It becomes full


def test_the_oldest_are_left_out_in_large_steps_and_nothing_is_lost(tmp_path: Path) -> None:
    turns = 24

    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.last()
        await ask(chat, *(f"{number} {LONG}" for number in range(turns)))
        assert len(store.branch(chat.settled[-1].id)) == 2 * turns
        assert [item.failure for item in chat.settled if item.failure] == []
        begins = [sent(server, place)[0] for place in range(turns)]
        assert 2 <= len(set(begins)) - 1 <= turns // 3, "the prompt begins the same for several turns"
        longest = max(sum(map(len, sent(server, place))) for place in range(turns))
        assert longest / 3.6 < 1024
        await chat.send_all()
        assert not unsent(chat.settled)

    with fake_endpoint(*(Answer((LONG,), usage=None) for _ in range(turns))) as server:
        play(scene, server, tmp_path, Settings(when_full="leave_out"), context=1024)


def test_a_summary_stands_in_is_grown_and_can_be_undone(tmp_path: Path) -> None:
    def steps() -> Iterator[Answer]:
        for number in range(12):
            if number in (4, 8):  # with 1,024 tokens; each time of more than can be summarised at once
                yield Answer((f"Half of {number}.",))
                yield Answer((f"Summary {number}.",))
            yield Answer((LONG,), usage=None)

    async def scene(conversations: Conversations, store: Store) -> None:
        chat = await conversations.last()
        await ask(chat, *(f"{number} {LONG}" for number in range(12)))
        summaries = [request.body for request in server.chats if request.body.get("max_tokens") == summary_tokens(1024)]
        begins = [body["messages"][0]["content"] for body in summaries]
        assert len(begins) == 4
        assert "Half of 4." in begins[1] and "Summary 4." in begins[2], "each builds on the last"
        assert "Summary 8." in sent(server)[0]
        assert len(chat.settled) == 24
        again = await Conversations(
            store, private=Store(Database(None)), choose=lambda _pick: pytest.fail("asked for an engine")
        ).last()
        assert unsent(again.settled) == unsent(chat.settled) != frozenset()
        await chat.send_all()
        assert "Summary" not in (await chat.filling()).prompt[0].text

    with fake_endpoint(*steps()) as server:
        play(scene, server, tmp_path, Settings(when_full="summarise"), context=1024)


def test_when_it_asks_an_overflow_is_said_and_either_way_goes_on(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await ask(chat, "one", "two", "three")
        failed = chat.settled[-1]
        assert (failed.status, failed.failure and failed.failure.key) == ("failed", "engine-context-full-by")
        assert (await chat.filling()).size == 8192, "the refusal says it"
        await chat.retry(failed.id, way="leave_out")
        await at_rest(chat)
        assert sent(server) == ["two", "B", "three"]
        await chat.send_all()
        await chat.retry(chat.settled[-1].id, way="summarise")
        await at_rest(chat)
        assert "In short." in sent(server)[0] and sent(server)[-1] == "three"
        assert texts(chat)[-1] == "D"

    with fake_endpoint(
        Answer(("A",)), Answer(("B",)), ContextOverflow(), Answer(("C",)), Answer(("In short.",)), Answer(("D",))
    ) as server:
        play(scene, server, tmp_path, Settings())


def test_where_the_engine_alone_knows_its_size_the_chosen_way_is_gone_at_its_word(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await ask(chat, "one", "two", "three")
        assert texts(chat) == ["one", "A", "two", "B", "three", "C"]
        assert sent(server) == ["two", "B", "three"]

    with fake_endpoint(Answer(("A",)), Answer(("B",)), ContextOverflow(), Answer(("C",))) as server:
        play(scene, server, tmp_path, Settings(when_full="leave_out"))


def test_a_server_that_would_cut_in_silence_is_not_asked_for_too_much(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await ask(chat, "one", LONG * 5)
        failure = chat.settled[-1].failure
        assert failure is not None and failure.key == "engine-context-full-about"
        await chat.retry(way="leave_out")
        await at_rest(chat)
        failure = chat.settled[-1].failure
        assert failure is not None and failure.key == "engine-question-too-long-about", (
            "no way is offered that does not help"
        )

    with fake_endpoint(
        Answer(("A",)), pages={"/api/ps": {"models": [{"name": "fake", "context_length": 400}]}}
    ) as server:
        play(scene, server, tmp_path, Settings())


@pytest.mark.parametrize("step", [Status(500), Answer(("  ",)), ContextOverflow()])
def test_a_summary_that_fails_costs_nothing(tmp_path: Path, step: Status) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await ask(chat, "one", "two")
        before = chat.settled
        with pytest.raises(EngineError) as fault:
            await chat.make_room("summarise")
        assert fault.value.key == "engine-summary-failed"
        assert chat.settled == before and not unsent(before)

    with fake_endpoint(Answer(("A",)), Answer(("B",)), step) as server:
        play(scene, server, tmp_path, Settings())


def test_a_question_ends_the_making_of_a_summary(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await ask(chat, "one", "two")
        making = asyncio.create_task(chat.make_room("summarise"))
        while len(server.chats) < 3:  # noqa: ASYNC110  # the server's thread
            await asyncio.sleep(0.01)
        await ask(chat, "three")
        await making
        assert texts(chat)[-1] == "C" and not unsent(chat.settled)

    with fake_endpoint(Answer(("A",)), Answer(("B",)), Silence(after=("Sum",)), Answer(("C",))) as server:
        play(scene, server, tmp_path, Settings())


def test_stop_during_a_summary_keeps_the_question_and_covers_nothing(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await ask(chat, "one", "two")
        await chat.retry(way="summarise")
        while len(server.chats) < 3:  # noqa: ASYNC110  # the server's thread
            await asyncio.sleep(0.01)
        assert chat.live is not None and chat.live.is_summarising
        await chat.stop()
        assert chat.settled[-1].status == "stopped" and not unsent(chat.settled)

    with fake_endpoint(Answer(("A",)), Answer(("B",)), Silence(after=("Sum",))) as server:
        play(scene, server, tmp_path, Settings())


def test_an_answer_that_ends_with_the_context_says_so(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        for question, key in (("one", "answer-context-ended-alone"), ("two", "answer-context-ended")):
            await ask(chat, question)
            last = chat.settled[-1]
            assert (last.status, last.failure and last.failure.key) == ("cut", key)
        await ask(chat, "three")
        assert (chat.settled[-1].status, chat.settled[-1].failure) == ("cut", None), "that was the longest answer"

    with fake_endpoint(
        Answer(("A",), usage=(1000, 24), finish_reason="length"),
        Answer(("B",), usage=(1000, 24), finish_reason="length"),
        Answer(("C",), usage=(30, 4), finish_reason="length"),
    ) as server:
        play(scene, server, tmp_path, Settings(), context=1024)


def test_going_on_with_a_long_answer_makes_room_for_it(tmp_path: Path) -> None:
    async def scene(conversations: Conversations, _: Store) -> None:
        chat = await conversations.last()
        await ask(chat, *(f"{number} {LONG}" for number in range(4)))
        await chat.go_on(chat.settled[-1].id)
        await at_rest(chat)
        assert sent(server, 3)[0].startswith("0 ") and not sent(server)[0].startswith("0 ")
        assert texts(chat)[-1] == f"{LONG * 4}And so on."

    answers = [Answer((LONG,), usage=None) for _ in range(3)]
    cut = Answer((LONG * 4,), usage=None, finish_reason="length")
    with fake_endpoint(*answers, cut, Answer(("And so on.",))) as server:
        play(scene, server, tmp_path, Settings(when_full="leave_out"), context=1024)


# The built-in engine


@pytest.mark.slow
@pytest.mark.parametrize(("way", "context", "long"), [("leave_out", 512, 2 * LONG), ("summarise", 256, LONG)])
def test_a_chat_of_three_times_the_context_goes_on_with_the_real_engine(
    tmp_path: Path, way: str, context: int, long: str
) -> None:
    """With the engine's own count before each question."""
    engine = EmbeddedEngine(
        starter_model(), log_file=tmp_path / "engine.log", setup=EngineSetup(context_tokens=context)
    )
    settings = Settings.model_validate({"when_full": way, "max_tokens": 12})

    async def scene(conversations: Conversations, store: Store) -> None:
        await engine.start()
        chat = await conversations.last()
        read = 0
        while read < 3 * context:
            await ask(chat, f"{len(chat.settled)} {long} What lay there?")
            answer = chat.settled[-1]
            assert answer.failure is None and answer.message.text, answer
            assert answer.usage is not None and answer.usage.prompt_tokens is not None
            assert answer.usage.prompt_tokens <= context
            read += await engine.count([user(long)]) or 0
        assert len(store.branch(chat.settled[-1].id)) == len(chat.settled)
        assert len(unsent(chat.settled)) > len(chat.settled) // 2
        stand_ins = [item.stand_in for item in chat.settled if item.stand_in is not None]
        assert len(stand_ins) >= 3 and all(map(bool, stand_ins)) == (way == "summarise")
        counted = await chat.counted_filling()
        assert counted.tokens <= context

    perform(scene, engine, tmp_path, settings)


def test_the_real_engine_s_count_is_what_it_reads(tmp_path: Path) -> None:
    engine = EmbeddedEngine(starter_model(), log_file=tmp_path / "engine.log", setup=EngineSetup(context_tokens=512))

    async def scene(conversations: Conversations, _: Store) -> None:
        await engine.start()
        chat = await conversations.last()
        await ask(chat, LONG)
        usage = chat.settled[-1].usage
        assert usage is not None
        prompt = (await chat.filling()).prompt[:1]
        assert await engine.count(prompt) == usage.prompt_tokens
        await ask(chat, LONG * 8)
        failure = chat.settled[-1].failure
        assert failure is not None and failure.key == "engine-context-full-by"
        await chat.retry(way="leave_out")
        await at_rest(chat)
        failure = chat.settled[-1].failure
        assert failure is not None and failure.key == "engine-question-too-long-by"

    perform(scene, engine, tmp_path, Settings(max_tokens=8))
