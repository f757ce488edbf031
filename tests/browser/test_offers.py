"""What runs on this machine already is offered, and used on a click alone."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from assistant.engines.neighbours import USUAL_PORTS
from tests.browser.test_windows import ask
from tests.conftest import Served, settings_of
from tests.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.fake_steps import Answer, Status, Step

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]

OLLAMA = ("nomic-embed-text:latest", "llama3.2:3b", "qwen3:8b")


@contextmanager
def neighbour(
    *steps: Step, models: tuple[str, ...] = OLLAMA, owner: str = "library", **choices: Any
) -> Iterator[FakeEndpoint]:
    """A chat server where one is looked for: at the first usual address that is free."""
    listed = Status(200, {"object": "list", "data": [{"id": name, "owned_by": owner} for name in models]})
    with fake_endpoint(*steps, list_step=listed, models=models, port=free_port(), **choices) as server:
        yield server


def free_port() -> int:
    for port in USUAL_PORTS:
        with closing(socket.socket()) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if tried.connect_ex(("127.0.0.1", port)) != 0:
                return port
    pytest.fail("a server runs at every usual address: end one, and try again")


def offer(page: Page, server: FakeEndpoint, *, within: str = "#offers") -> Any:
    return page.locator(f"{within} .hearth-offer").filter(has_text=f"127.0.0.1:{server.port}/v1")


def test_a_server_is_offered_with_its_models_and_used_on_a_click_alone(page: Page, serve: Serve) -> None:
    with neighbour(Answer(("Better.",))) as server:
        served = serve()
        page.goto(served.address)
        expect(offer(page, server)).to_contain_text("Ollama is running on this machine with 3 models.")
        assert {(each.method, each.path) for each in server.requests} == {("GET", "/v1/models")}
        assert all("authorization" not in each.headers for each in server.requests)
        assert not (served.data_dir / "settings.json").exists()

        offer(page, server).get_by_role("button").click()
        expect(page.locator("#model-picker input")).to_have_value(
            re.compile("^llama3.2:3b ")
        )  # the first that can chat
        expect(page.locator("#offers")).to_be_hidden()
        assert settings_of(served)["endpoint"] == server.url
        ask(page, "Who are you?")
        expect(page.locator("#chat-settled")).to_contain_text("Better.")
        assert server.chats[0].body["model"] == "llama3.2:3b"


def test_what_was_declined_is_not_offered_again(page: Page, serve: Serve) -> None:
    with neighbour() as server:
        served = serve()
        page.goto(served.address)
        expect(offer(page, server)).to_be_visible()
        page.click("#offers-decline")
        expect(page.locator("#offers")).to_be_hidden()
        assert served.stop() == 0
        server.requests.clear()

        page.goto(serve().address)
        page.click("#tab-settings-button")
        page.click("#settings-look")  # in Settings it can be had all the same
        expect(offer(page, server, within="#settings-search")).to_be_visible()
        page.click("#tab-chat-button")
        page.wait_for_timeout(500)
        expect(page.locator("#offers")).to_be_hidden()


def test_settings_finds_a_server_that_was_started_later_and_keeps_what_was_typed(page: Page, serve: Serve) -> None:
    served = serve()
    page.goto(served.address)
    page.click("#tab-settings-button")
    expect(page.locator("#settings-temperature input")).to_be_visible()
    page.fill("#settings-temperature input", "0.5")
    with neighbour(models=("one",), owner="someone") as server:
        page.click("#settings-look")
        found = offer(page, server, within="#settings-search")
        expect(found).to_contain_text("A chat server is running on this machine with one model.")
        found.get_by_role("button").click()
        expect(page.locator("#settings-endpoint input, #settings-endpoint textarea")).to_have_value(server.url)
        expect(page.locator("#settings-model input")).to_have_value("one")
        expect(page.locator("#settings-temperature input")).to_have_value("0.5")
        expect(page.locator("#settings-search")).to_contain_text("Saved.")
        assert settings_of(served) | {"endpoint": server.url, "model": "one"} == settings_of(served)


def test_who_has_chosen_an_endpoint_is_offered_nothing_and_nobody_is_looked_for(page: Page, serve: Serve) -> None:
    with neighbour() as server, fake_endpoint(Answer(("Yes.",))) as chosen:
        page.goto(serve("--endpoint", chosen.url).address)
        ask(page, "Are you there?")
        expect(page.locator("#chat-settled")).to_contain_text("Yes.")
        page.click("#new-chat")
        expect(page.locator("#welcome")).to_be_visible()
        expect(page.locator("#offers")).to_be_hidden()
        assert server.requests == []


def test_a_server_that_wants_a_key_is_found_and_not_offered_at_the_start(page: Page, serve: Serve) -> None:
    with neighbour(key="secret") as server:
        page.goto(serve().address)
        page.click("#tab-settings-button")
        page.click("#settings-look")
        expect(offer(page, server, within="#settings-search")).to_contain_text("it may want a key")
        page.click("#tab-chat-button")
        expect(page.locator("#offers")).to_be_hidden()
