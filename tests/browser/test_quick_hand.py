"""A hand that is quicker than the page: nothing that was asked may be lost from sight."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer

pytestmark = pytest.mark.browser

Serve = Callable[..., Served]


def ask(page: Page, question: str) -> None:
    page.locator("#chat-input textarea").fill(question)
    page.locator("#chat-input textarea").press("Enter")
    expect(page.locator("#chat-settled")).to_contain_text(question, timeout=5000)
    expect(page.locator("#chat-send")).to_be_visible(timeout=5000)


def test_questions_asked_while_the_page_loads_are_shown_and_answered(page: Page, serve: Serve, tmp_path: Path) -> None:
    with fake_endpoint(*[Answer()] * 8) as endpoint:
        page.goto(serve("--endpoint", endpoint.url, "--model", "fake", data_dir=tmp_path).address)
        for number in range(8):
            page.reload()
            ask(page, f"question {number} of eight")


def test_questions_asked_at_once_after_an_answer_are_shown_and_answered(page: Page, serve: Serve) -> None:
    with fake_endpoint(*[Answer(("Yes.",))] * 60) as endpoint:
        page.goto(serve("--endpoint", endpoint.url, "--model", "fake").address)
        for number in range(60):
            ask(page, f"question {number} of sixty")


def test_a_paste_of_a_hundred_megabytes_is_told_in_a_sentence_and_loses_nothing(page: Page, serve: Serve) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(serve().address)
    composer = page.locator("#chat-input textarea")
    composer.fill("What I had typed.")
    page.evaluate("navigator.clipboard.writeText('Some words.\\n'.repeat(100e6 / 12))")
    composer.focus()
    page.keyboard.press("Control+V")
    expect(page.locator("#composer-fault")).to_contain_text("99,999,996 characters, and 1,000,000 fit")
    expect(composer).to_have_value("What I had typed.")
    composer.press_sequentially(" More.")
    expect(page.locator("#composer-fault")).to_be_hidden()
    page.evaluate("navigator.clipboard.writeText(' And this.')")
    page.keyboard.press("Control+V")
    expect(composer).to_have_value("What I had typed. More. And this.")


def test_a_question_asked_while_a_new_chat_is_on_its_way_is_that_chats_first(page: Page, serve: Serve) -> None:
    with fake_endpoint(*[Answer(("Yes.",))] * 4) as endpoint:
        page.goto(serve("--endpoint", endpoint.url, "--model", "fake").address)
        for number in range(4):
            page.click("#new-chat")
            ask(page, f"the only question {number}")
            expect(page.locator("#chat-settled .user")).to_have_count(1)
        assert all(len([m for m in chat.body["messages"] if m["role"] == "user"]) == 1 for chat in endpoint.chats)


def test_an_answer_that_runs_elsewhere_holds_up_no_question_to_a_new_chat(page: Page, serve: Serve) -> None:
    """Each new chat is on its way while the question is asked, and the last one's answer still runs."""
    with fake_endpoint(*[Answer(("Once ",) * 200, rate_per_second=5)] * 4) as endpoint:
        page.goto(serve("--endpoint", endpoint.url, "--model", "fake").address)
        for number in range(4):
            page.locator("#chat-input textarea").fill(f"question {number} of four")
            page.locator("#chat-input textarea").press("Enter")
            expect(page.locator("#chat-settled .user")).to_have_text(re.compile(f"question {number} of four"))
            expect(page.locator("#chat-live")).to_contain_text("Once")
            page.click("#new-chat")
        assert len(endpoint.chats) == 4
