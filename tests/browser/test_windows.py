"""Several windows on one Hearth: each is told what happens in its chat, and none keeps another waiting."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, Silence

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]


def ask(page: Page, question: str) -> None:
    page.fill("#chat-input textarea", question)
    page.press("#chat-input textarea", "Enter")


def another(page: Page) -> Page:
    """One more window of the same browser on the same Hearth."""
    window = page.context.new_page()
    window.goto(page.url)
    expect(window.locator("#chat-input textarea")).to_be_visible()
    return window


def test_what_is_asked_in_one_window_is_answered_and_stopped_in_the_other(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("Yes.",)), Silence(after=("Half a",))) as server:
        page.goto(serve("--endpoint", server.url).address)
        ask(page, "Are you there?")
        expect(page.locator("#chat-settled")).to_contain_text("Yes.")
        other = another(page)
        expect(other.locator("#chat-settled")).to_contain_text("Yes.")
        ask(page, "And now?")
        expect(other.locator("#chat-live")).to_contain_text("Half a")
        expect(other.locator("#chat-send")).to_be_hidden()
        other.click("#chat-stop")
        expect(page.locator("#chat-settled")).to_contain_text("stopped")
        expect(page.locator("#chat-send")).to_be_visible()
        expect(page.locator("#chat-live")).to_be_empty()


def test_a_browser_with_many_windows_is_answered_in_each(page: Page, serve: Serve) -> None:
    """A browser opens six connections to an address at the most, and none of ours may hold them all."""
    with fake_endpoint(*[Answer(("Yes.",))] * 9) as server:
        page.goto(serve("--endpoint", server.url).address)
        expect(page.locator("#chat-input textarea")).to_be_visible()
        windows = [page, *(another(page) for _ in range(8))]
        for number, window in enumerate(windows):
            window.bring_to_front()
            ask(window, f"question {number}")
            expect(window.locator("#chat-settled")).to_contain_text(f"question {number}")
            expect(window.locator("#chat-send")).to_be_visible()


def test_a_question_that_cannot_be_taken_comes_back_with_a_reason(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("Yes.",))) as server:
        page.goto(serve("--endpoint", server.url).address)
        ask(page, "Hello?")
        expect(page.locator("#chat-settled")).to_contain_text("Yes.")
        page.route("**/ask", lambda route: route.abort())
        ask(page, "Are you still there?")
        expect(page.locator("#composer-fault")).to_contain_text("did not answer")
        expect(page.locator("#chat-input textarea")).to_have_value("Are you still there?")
        expect(page.locator("#chat-send")).to_be_visible()


def test_words_typed_while_a_question_is_on_its_way_stay(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("Yes.",)), Answer(("Yes, too.",))) as server:
        page.goto(serve("--endpoint", server.url).address)
        ask(page, "Hello?")
        expect(page.locator("#chat-settled")).to_contain_text("Yes.")
        page.route("**/ask", lambda route: (page.wait_for_timeout(700), route.continue_()))
        ask(page, "One?")
        page.locator("#chat-input textarea").press_sequentially("Two")
        expect(page.locator("#chat-settled")).to_contain_text("Yes, too.")
        expect(page.locator("#chat-input textarea")).to_have_value("Two")
