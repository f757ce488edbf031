"""Two machines behind LiteLLM, as the README describes it, and one of them killed in mid-chat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from assistant.conversation import Conversation, EngineChoice
from assistant.conversations import Conversations
from assistant.database import Database
from assistant.engines.access import Access
from assistant.engines.endpoint import EndpointEngine
from assistant.i18n import Translator
from assistant.settings import Settings
from assistant.store import Store
from tests.conftest import Served, eventually
from tests.servers.machines import Machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
Pair = tuple[Machine, Machine]
LONG = "Write a long story about a ship and its captain."
FAULT = "had a fault of its own"


@pytest.fixture(autouse=True)
def both_run(pair: Pair) -> Iterator[None]:
    yield
    for machine in pair:
        machine.kill()
        machine.start()


def kill_the_one_that_answers(pair: Pair) -> Machine:
    assert eventually(lambda: any(machine.is_answering() for machine in pair))
    [killed] = [machine for machine in pair if machine.is_answering()]
    killed.kill()
    return killed


def play(
    scene: Callable[[Conversation], Awaitable[None]], gateway: Machine, key: str, folder: Path, *, max_tokens: int = 60
) -> None:
    async def run() -> None:
        engine = EndpointEngine(gateway.url, access=Access(key))
        store = Store(Database(folder / "hearth.db"))
        conversations = Conversations(
            store,
            private=Store(Database(None)),
            choose=lambda _pick: EngineChoice(engine, Settings(max_tokens=max_tokens)),
        )
        try:
            await scene(await conversations.last())
        finally:
            await conversations.aclose()
            await engine.aclose()
            store.close()

    asyncio.run(run())


async def at_rest(chat: Conversation) -> None:
    async with asyncio.timeout(90):
        while chat.live is not None:
            await chat.news.wait()


async def some_words(chat: Conversation) -> None:
    async with asyncio.timeout(60):
        while chat.live is None or not any(len(message.text) > 20 for message in chat.live.messages):
            await chat.news.wait()


@pytest.mark.parametrize("dies", [0, 1])
def test_when_one_dies_between_answers_the_other_answers_and_nobody_notices(
    dies: int, pair: Pair, gateway: Machine, key: str, tmp_path: Path
) -> None:
    async def scene(chat: Conversation) -> None:
        await chat.send("Name three colours.")
        await at_rest(chat)
        pair[dies].kill()
        for question in ("Name one more.", "And another one."):
            await chat.send(question)
            await at_rest(chat)
        answers = chat.settled[1::2]
        assert [answer.failure for answer in answers] == [None] * 3
        assert all(answer.message.text for answer in answers)

    play(scene, gateway, key, tmp_path)


def test_when_one_dies_in_mid_answer_the_text_is_kept_and_retry_gets_a_whole_one(
    pair: Pair, gateway: Machine, key: str, tmp_path: Path
) -> None:
    async def scene(chat: Conversation) -> None:
        await chat.send(LONG)
        await some_words(chat)
        await asyncio.to_thread(kill_the_one_that_answers, pair)
        await at_rest(chat)
        broken = chat.settled[-1]
        assert len(broken.message.text) > 20
        assert broken.failure is not None
        assert FAULT in Translator("en")(f"error.{broken.failure.key}", **broken.failure.values)
        await chat.retry(broken.id)
        await at_rest(chat)
        again = chat.settled[-1]
        assert again.failure is None
        assert again.message.text
        await chat.show(broken.id)
        assert chat.settled[-1].message.text == broken.message.text

    play(scene, gateway, key, tmp_path, max_tokens=400)


def test_when_both_are_dead_it_is_said_and_the_question_is_kept(
    pair: Pair, gateway: Machine, key: str, tmp_path: Path
) -> None:
    async def scene(chat: Conversation) -> None:
        for machine in pair:
            machine.kill()
        await chat.send("Name three colours.")
        await at_rest(chat)
        assert chat.settled[0].message.text == "Name three colours."
        failure = chat.settled[-1].failure
        assert failure is not None and FAULT in Translator("en")(f"error.{failure.key}", **failure.values)
        pair[1].start()
        await chat.retry()
        await at_rest(chat)
        assert chat.settled[-1].failure is None

    play(scene, gateway, key, tmp_path)


def words_of(page: Page, place: str) -> str:
    """What stands in an answer; no page script, which the page's own policy forbids."""
    return "".join(page.locator(f"{place} .bot").all_inner_texts())


@pytest.mark.browser
def test_on_the_page_the_words_stay_a_sentence_says_why_and_retry_is_answered(
    page: Page, serve: Callable[..., Served], pair: Pair, gateway: Machine, key: str
) -> None:
    page.goto(serve("--endpoint", gateway.url, HEARTH_API_KEY=key).address)
    page.fill("#chat-input textarea", LONG)
    page.press("#chat-input textarea", "Enter")
    assert eventually(lambda: len(words_of(page, "#chat-live")) > 20, within_seconds=60)
    kill_the_one_that_answers(pair)
    settled = page.locator("#chat-settled")
    expect(settled.locator(".hearth-failure")).to_contain_text(FAULT, timeout=60_000)
    assert len(words_of(page, "#chat-settled")) > 20
    settled.locator(".hearth-do-retry").last.click()
    expect(settled.locator(".hearth-versions")).to_contain_text("2 / 2", timeout=90_000)
    expect(settled.locator(".hearth-meta")).to_contain_text("house")
    expect(settled.locator(".hearth-failure")).to_have_count(0)
