"""Two pages ask the built-in model at once: the second says that it waits, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served

pytestmark = pytest.mark.browser


def ask(page: Page, question: str) -> None:
    page.fill("#chat-input textarea", question)
    page.press("#chat-input textarea", "Enter")


def test_a_question_that_waits_says_so_and_can_be_taken_back(page: Page, serve: Callable[..., Served]) -> None:
    served = serve()
    page.goto(served.address)
    ask(page, "Tell me a very long story about the sea, in many chapters.")
    expect(page.locator("#chat-live .hearth-prose")).to_be_visible(timeout=60_000)
    other = page.context.new_page()
    other.goto(served.fresh_address())
    other.click("#new-chat")
    expect(other.locator("#welcome")).to_be_visible()
    ask(other, "Name three colours.")
    expect(other.locator("#chat-live")).to_contain_text("Answers before this one: 1")
    other.click("#chat-stop")
    expect(other.locator("#chat-settled")).to_contain_text("stopped")
    expect(other.locator("#chat-live")).to_be_empty()
    ask(other, "Name three animals.")
    expect(other.locator("#chat-live")).to_contain_text("Answers before this one: 1")
    page.click("#chat-stop")
    expect(page.locator("#chat-settled")).to_contain_text("stopped")
    expect(other.locator("#chat-settled .hearth-meta").last).to_contain_text("tokens", timeout=60_000)
