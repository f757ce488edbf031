"""The Network page: the list of what left Hearth, and the switch that lets nothing leave."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served, settings_of
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer

pytestmark = pytest.mark.browser

Serve = Callable[..., Served]


def opened(page: Page, served: Served) -> None:
    page.goto(served.address)
    expect(page.locator("#chat-input textarea")).to_be_visible()


def asks(page: Page, question: str) -> None:
    page.locator("#tab-chat-button").click()
    page.locator("#chat-input textarea").fill(question)
    page.locator("#chat-input textarea").press("Enter")


def opens_network(page: Page) -> None:
    page.locator("#tab-settings-button").click()
    page.locator("#page-network-button").click()


def test_the_page_lists_where_a_question_went_and_why(serve: Serve, page: Page) -> None:
    with fake_endpoint(Answer()) as endpoint:
        opened(page, serve("--endpoint", endpoint.url))
        asks(page, "a secret of mine")
        expect(page.locator("#chat-settled")).to_contain_text("Hello")
        opens_network(page)

        place = endpoint.url.removeprefix("http://").removesuffix("/v1")
        row = page.locator("#network-list tbody tr").first
        expect(row).to_contain_text(place)
        expect(row).to_contain_text("the endpoint you chose")
        expect(page.locator("#network-list")).not_to_contain_text("secret")


def test_offline_holds_at_once_and_after_a_restart_and_is_told_in_the_chat(serve: Serve, page: Page) -> None:
    served = serve("--endpoint", "http://192.0.2.1:8080/v1", "--model", "m")
    opened(page, served)
    opens_network(page)
    page.get_by_label("Offline: only this machine").check()
    expect(page.locator("#network-list")).to_be_visible()
    asks(page, "Anybody there?")

    expect(page.locator("#chat-column")).to_contain_text("Offline is switched on: nothing was sent to 192.0.2.1.")
    opens_network(page)
    page.locator("#network-refresh").click()
    expect(page.locator("#network-list tr.hearth-refused")).to_contain_text("192.0.2.1:8080")
    assert settings_of(served)["offline"] is True

    page.goto(served.fresh_address())
    opens_network(page)
    expect(page.get_by_label("Offline: only this machine")).to_be_checked()
