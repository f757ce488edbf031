"""How full the model's context is, in a real browser: the gauge, what fills it, and the ways on when it is full."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from assistant.context import unsent
from assistant.database import Database
from assistant.messages import Message, Text
from assistant.records import StoredMessage, new_message
from assistant.store import Store
from tests.conftest import Served, eventually, settings_of
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, ContextOverflow

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]

LONG = "The stone lay in the river and thought of nothing at all. " * 6  # about 100 tokens


def of_size(tokens: int) -> dict[str, object]:
    """What Ollama says of a loaded model."""
    return {"/api/ps": {"models": [{"name": "fake", "context_length": tokens}]}}


def open_hearth(page: Page, served: Served) -> None:
    page.goto(served.address)
    expect(page.locator("#chat-input textarea")).to_be_visible()


def ask(page: Page, question: str) -> None:
    page.fill("#chat-input textarea", question)
    page.press("#chat-input textarea", "Enter")
    expect(page.locator("#chat-settled")).to_contain_text(question)
    expect(page.locator("#chat-live .bot")).to_have_count(0)


def last_branch(served: Served) -> list[StoredMessage]:
    store = Store(Database(served.data_dir / "hearth.db", is_owner=False))
    try:
        chat = store.last_conversation()
        return store.branch(chat.leaf_id if chat else None)
    finally:
        store.close()


def written_before(data_dir: Path, messages: int) -> None:
    """A long chat on disk, from before this start."""
    data_dir.mkdir(parents=True)
    store = Store(Database(data_dir / "hearth.db"))
    chat = store.add_conversation()
    rows: list[StoredMessage] = []
    for number in range(messages):
        role = "assistant" if number % 2 else "user"
        words = (f"<i>{number}</i> " + LONG * (1 + number % 3), "tail")
        rows.append(new_message(rows[-1].id if rows else None, Message(role, (Text(" ".join(words)),)), model="fake"))
    store.save_messages(chat.id, *rows)
    store.close()


def test_the_gauge_says_how_full_it_is_and_its_panel_what_the_model_is_sent(page: Page, serve: Serve) -> None:
    steps = (Answer(("First.",), usage=(300, 100)), Answer(("Second.",)), Answer(("Third.",)))
    with fake_endpoint(*steps, pages=of_size(2000)) as server:
        served = serve("--endpoint", server.url, "--model", "fake")
        open_hearth(page, served)
        gauge, panel = page.locator("#context-gauge"), page.get_by_role("dialog", name="What the model reads")
        expect(gauge).to_have_text(re.compile(r"^[\d,]+ tokens$"))  # nobody has said yet how many there can be
        ask(page, "What is <b>one</b>?")
        expect(gauge).to_have_text(re.compile(r"^\d+ %$"))
        label = gauge.get_attribute("aria-label")
        assert label is not None and gauge.inner_text() in label
        ask(page, "And two?")
        gauge.click()
        expect(panel).to_contain_text("of 2,000 tokens")
        expect(panel).to_contain_text("Room kept for the answer: 500 tokens")
        panel.get_by_role("button", name="Leave out: First.").click()
        panel.get_by_role("button", name="Pin: What is <b>one</b>?").click()
        expect(panel).to_contain_text("pinned")
        expect(page.locator("#chat-settled .bot").first).to_contain_text("not sent to the model")
        assert [item.mark for item in last_branch(served)] == ["pinned", "left_out", None, None]
        page.keyboard.press("Escape")
        expect(panel).to_have_count(0)
        expect(gauge).to_be_focused()
        ask(page, "And three?")
        sent = [message["content"] for message in server.chats[-1].body["messages"]]
        assert sent == ["What is <b>one</b>?\n\nAnd two?", "Second.", "And three?"]
        gauge.click()
        panel.get_by_role("button", name="Send again: First.").click()
        expect(page.locator(".hearth-unsent")).to_have_count(0)


def test_a_refused_question_has_both_ways_on_and_the_summary_can_be_undone(page: Page, serve: Serve) -> None:
    steps = (Answer(("First.",)), Answer(("Second.",)), ContextOverflow(), Answer(("They <b>greeted</b>.",)))
    with fake_endpoint(*steps, Answer(("Third.",))) as server:
        served = serve("--endpoint", server.url, "--model", "fake")
        open_hearth(page, served)
        ask(page, "One?")
        ask(page, "Two?")
        ask(page, "Three?")
        failure = page.locator(".hearth-failure")
        expect(failure).to_contain_text("9031 tokens, and 8192 fit")
        expect(failure.get_by_text("Leave out the oldest and try again")).to_be_visible()
        failure.get_by_text("Summarise the oldest and try again").click()
        expect(page.locator("#chat-settled")).to_contain_text("Third.")
        note = page.locator("article.note")
        note.get_by_text("Summary of 2 earlier messages").click()
        expect(note).to_contain_text("They greeted.")
        assert len(unsent(last_branch(served))) == 2
        note.get_by_text("Use the full messages again").click()
        expect(note).to_have_count(0)
        assert not unsent(last_branch(served))


def test_when_it_is_nearly_full_the_person_chooses_once_for_all(page: Page, serve: Serve) -> None:
    answers = [Answer((LONG,), usage=None) for _ in range(4)]
    with fake_endpoint(*answers, pages=of_size(800)) as server:
        served = serve("--endpoint", server.url, "--model", "fake")
        open_hearth(page, served)
        for number in range(3):
            ask(page, f"{number} {LONG}")
        notice = page.locator("#context-notice")
        expect(notice).to_contain_text("nearly as long as the model can read")
        notice.get_by_role("button", name="Leave out the oldest").click()
        expect(notice).to_have_count(0)
        expect(page.locator("article.note")).to_contain_text("earlier messages are not sent to the model")
        page.click("#context-gauge")
        page.locator("#context-panel select").select_option("leave_out")
        assert eventually((served.data_dir / "settings.json").exists)
        assert settings_of(served)["when_full"] == "leave_out"
        page.keyboard.press("Escape")
        ask(page, f"3 {LONG}")
        expect(notice).to_have_count(0)


def test_a_chat_of_hundreds_of_messages_fits_into_the_panel(page: Page, serve: Serve, tmp_path: Path) -> None:
    written_before(tmp_path / "data", 301)
    with fake_endpoint() as server:
        open_hearth(page, serve("--endpoint", server.url, "--model", "fake"))
        page.set_viewport_size({"width": 400, "height": 700})
        page.click("#context-gauge")
        rows = page.locator(".context-row")
        tools = rows.filter(has_text="Description of the tools")
        expect(tools).to_have_count(1)
        rows = rows.filter(has_not_text="Description of the tools")
        expect(rows).to_have_count(199)
        expect(rows.first).to_contain_text("<i>0</i>")
        page.get_by_role("button", name="Largest first").click()
        expect(rows.first).to_contain_text("<i>2</i>")
        page.get_by_role("button", name="Show more").click()
        expect(rows).to_have_count(301)
        box = page.locator("#context-panel").bounding_box()
        assert box is not None and box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= 400
