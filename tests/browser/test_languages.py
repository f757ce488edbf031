"""The page in another language: chosen in Settings, there at once, without a restart."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from assistant.i18n import Translator
from tests.conftest import Served, eventually
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]


def choose(page: Page, name: str) -> None:
    page.locator("#tab-settings-button").click()
    field = page.locator("#settings-language input")
    field.click()
    page.get_by_role("option", name=name, exact=True).click()
    page.locator("#settings-save").click()


def test_a_language_is_spoken_as_soon_as_it_is_saved_and_at_the_next_start(serve: Serve, page: Page) -> None:
    arabic, english = Translator("ar"), Translator("en")
    with fake_endpoint(Answer(("Still ", "here."))) as endpoint:
        served = serve("--endpoint", endpoint.url)
        page.goto(served.address)
        page.locator("#chat-input textarea").fill("What I had begun")
        eventually(lambda: page.locator("#chat-send").is_enabled())
        choose(page, "العربية")
        expect(page.locator("#tab-chat-button")).to_have_text(arabic("tab.chat"))
        assert page.locator("html").get_attribute("dir") == "rtl"
        assert page.locator("html").get_attribute("lang") == "ar"
        expect(page.locator("#chat-input textarea")).to_have_attribute("placeholder", arabic("chat.placeholder"))
        expect(page.locator("#chat-input textarea")).to_have_value("What I had begun")
        page.locator("#chat-input textarea").fill("Are you there?")
        page.locator("#chat-input textarea").press("Enter")
        expect(page.locator("#chat-settled")).to_contain_text("Still here.")
        assert json.loads((served.data_dir / "settings.json").read_text(encoding="utf-8"))["language"] == "ar"

        choose(page, "English")
        expect(page.locator("#tab-chat-button")).to_have_text(english("tab.chat"))
        assert page.locator("html").get_attribute("dir") == "ltr"
        expect(page.locator("#chat-settled")).to_contain_text("Still here.")
        assert served.process.poll() is None


def test_another_window_follows_when_it_is_loaded(serve: Serve, page: Page) -> None:
    with fake_endpoint() as endpoint:
        served = serve("--endpoint", endpoint.url)
        page.goto(served.address)
        choose(page, "العربية")
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        second = page.context.new_page()
        second.goto(served.address.split("/open")[0] + "/")
        expect(second.locator("#tab-chat-button")).to_have_text(Translator("ar")("tab.chat"))
