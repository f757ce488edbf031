"""Several servers side by side: which model answers a chat is chosen below the composer and kept with the chat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_windows import ask
from tests.conftest import Served, eventually, settings_of
from tests.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.fake_steps import Answer, Silence, Status, Step

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]


@contextmanager
def server(*steps: Step, models: tuple[str, ...], **choices: Any) -> Iterator[FakeEndpoint]:
    with fake_endpoint(*steps, models=models, **choices) as endpoint:
        yield endpoint


def connect(page: Page, served: Served, endpoint: FakeEndpoint, model: str, **own: str) -> None:
    """Saves a server in Settings, as a person would."""
    page.click("#tab-settings-button")
    page.fill("#settings-endpoint input", endpoint.url)
    page.fill("#settings-model input", model)
    page.keyboard.press("Enter")
    if own:
        if not page.locator("#settings-own-name input").is_visible():
            page.click("#settings-more button")
        for name, words in own.items():
            field = page.locator(f"#settings-own-{name}").locator("input, textarea")
            field.fill(words)
            page.wait_for_timeout(300)  # a fold that was just opened draws its fields once more
            field.fill(words)
    page.click("#settings-save")
    expect(page.locator("#settings-result")).to_contain_text("Saved")
    assert eventually(lambda: settings_of(served)["endpoint"] == endpoint.url)


def pick(page: Page, name: str, *, field: str = "#model-picker") -> None:
    page.click(f"{field} input")
    page.get_by_role("option", name=name).first.click()


def test_a_chat_keeps_the_model_that_was_picked_for_it(page: Page, serve: Serve) -> None:
    with (
        server(Answer(("From the first.",)), models=("small", "large")) as first,
        server(Answer(("From the second.",)), Answer(("Again.",)), models=("other",)) as second,
    ):
        served = serve()
        page.goto(served.address)
        connect(page, served, second, "other", name="Second")
        connect(page, served, first, "small", name="First")
        page.click("#tab-chat-button")
        pick(page, "other · Second")
        expect(page.locator("#engine-line")).to_contain_text(second.url)
        ask(page, "Who are you?")
        expect(page.locator("#chat-settled")).to_contain_text("From the second.")
        assert settings_of(served)["endpoint"] == first.url, "the settings stay as they are"

        page.click("#new-chat")
        pick(page, "small · First (default)")
        ask(page, "And you?")
        expect(page.locator("#chat-settled")).to_contain_text("From the first.")
        assert served.stop() == 0

        served = serve()
        page.goto(served.address)
        page.locator("#sidebar .hearth-do-open").nth(1).click()
        expect(page.locator("#model-picker input")).to_have_value("other · Second")
        ask(page, "Still you?")
        expect(page.locator("#chat-settled")).to_contain_text("Again.")
        assert second.chats[-1].body["model"] == "other"


def test_a_run_with_an_endpoint_of_its_own_answers_from_there_and_says_so(page: Page, serve: Serve) -> None:
    with (
        server(Answer(("From the second.",)), models=("other",)) as second,
        server(Answer(("From this run's.",)), models=("own",)) as own,
    ):
        served = serve()
        page.goto(served.address)
        connect(page, served, second, "other")
        page.click("#tab-chat-button")
        page.click("#model-picker input")
        page.get_by_role("option", name="other").last.click()
        ask(page, "Who are you?")
        expect(page.locator("#chat-settled")).to_contain_text("From the second.")
        assert served.stop() == 0
        page.goto(serve("--endpoint", own.url, "--model", "own").address)
        expect(page.locator("#model-picker input")).to_have_value(f"own · 127.0.0.1:{own.port} (default)")
        ask(page, "And now?")
        expect(page.locator("#chat-settled")).to_contain_text("From this run's.")


def test_the_models_of_every_server_are_offered_once_the_list_is_opened(page: Page, serve: Serve) -> None:
    with server(models=("small", "large")) as first, server(models=("other",)) as second:
        served = serve()
        page.goto(served.address)
        connect(page, served, second, "other")
        connect(page, served, first, "small")
        second.requests.clear()
        page.reload()
        expect(page.locator("#model-picker input")).to_have_value(f"small · 127.0.0.1:{first.port} (default)")
        assert second.requests == [], "nobody asked for it yet"
        page.click("#model-picker input")
        expect(page.get_by_role("option", name="large")).to_be_visible()
        expect(page.get_by_role("option", name="built in")).to_be_visible()
        assert {each.path for each in second.requests} == {"/v1/models"}


def test_a_server_that_does_not_answer_takes_no_model_from_the_list(page: Page, serve: Serve) -> None:
    with (
        server(models=("small", "large")) as first,
        fake_endpoint(models=("slow",), list_step=Silence()) as second,
    ):
        served = serve()
        page.goto(served.address)
        connect(page, served, second, "slow")
        connect(page, served, first, "small")
        page.click("#tab-chat-button")
        page.click("#model-picker input")
        expect(page.get_by_role("option", name="large")).to_be_visible()
        expect(page.get_by_role("option", name="slow")).to_be_visible()


def test_a_second_opinion_keeps_both_answers(page: Page, serve: Serve) -> None:
    with (
        server(Answer(("First opinion.",)), models=("small",)) as first,
        server(Answer(("Second opinion.",)), models=("other",)) as second,
    ):
        served = serve()
        page.goto(served.address)
        connect(page, served, second, "other", name="Second")
        connect(page, served, first, "small", name="First")
        page.click("#tab-chat-button")
        ask(page, "Which one?")
        expect(page.locator("#chat-settled")).to_contain_text("First opinion.")
        page.locator("#chat-settled .hearth-more summary").last.click()
        page.locator("#chat-settled .hearth-do-other").click()
        pick(page, "other · Second", field="#other-model")
        page.click("#other-ask")
        expect(page.locator("#chat-settled")).to_contain_text("Second opinion.")
        expect(page.locator("#chat-settled .hearth-versions").last).to_contain_text("2 / 2")
        expect(page.locator("#model-picker input")).to_have_value("small · First (default)")
        page.locator("#chat-settled .hearth-do-show").last.click()
        expect(page.locator("#chat-settled")).to_contain_text("First opinion.")


def test_headers_go_to_their_server_alone_and_the_key_in_them(page: Page, serve: Serve) -> None:
    with (
        server(Answer(("Let in.",)), models=("small",)) as first,
        server(Answer(("Let in too.",)), models=("other",)) as second,
    ):
        served = serve()
        page.goto(served.address)
        page.click("#tab-settings-button")
        page.fill("#settings-api-key input", "sk-CANARY-0123456789")
        connect(page, served, first, "small", headers="X-Team: research\nApi-Key: {key}")
        connect(page, served, second, "other")  # over the first one's address, whose headers stay with it
        page.click("#tab-chat-button")
        ask(page, "Open?")
        expect(page.locator("#chat-settled")).to_contain_text("Let in too.")
        pick(page, "small")
        ask(page, "Open?")
        expect(page.locator("#chat-settled")).to_contain_text("Let in.")
        asked = first.chats[-1].headers
        assert (asked["x-team"], asked["api-key"]) == ("research", "sk-CANARY-0123456789")
        assert "authorization" not in asked
        assert not {"x-team", "api-key", "authorization"} & set(second.chats[-1].headers)
        assert "CANARY" not in (served.data_dir / "settings.json").read_text(encoding="utf-8")


def test_a_key_among_the_headers_is_not_saved(page: Page, serve: Serve) -> None:
    with server(models=("small",)) as first:
        served = serve()
        page.goto(served.address)
        connect(page, served, first, "small")
        page.click("#settings-more button")
        page.fill("#settings-own-headers textarea", "Api-Key: sk-CANARY-0123456789")
        page.click("#settings-save")
        expect(page.locator("#settings-result")).to_contain_text("looks like a key")
        expect(page.locator("#settings-own-headers textarea")).to_have_value("Api-Key: sk-CANARY-0123456789")
        assert "CANARY" not in (served.data_dir / "settings.json").read_text(encoding="utf-8")


def test_a_removed_server_is_gone_with_its_key_and_its_chat_goes_to_no_other(page: Page, serve: Serve) -> None:
    with (
        server(models=("small",)) as first,
        server(Answer(("Here.",)), Status(401, {"error": {"message": "no key"}}), models=("other",)) as second,
    ):
        served = serve()
        page.goto(served.address)
        page.click("#tab-settings-button")
        page.fill("#settings-api-key input", "sk-CANARY-0123456789")
        connect(page, served, second, "other")
        connect(page, served, first, "small")
        page.click("#tab-chat-button")
        pick(page, "other")
        ask(page, "Where?")
        expect(page.locator("#chat-settled")).to_contain_text("Here.")
        assert second.chats[-1].headers["authorization"] == "Bearer sk-CANARY-0123456789"
        page.click("#tab-settings-button")
        page.click("#settings-connection input")
        page.get_by_role("option", name=f"127.0.0.1:{second.port}").click()
        expect(page.locator("#settings-endpoint input")).to_have_value(second.url)
        page.click("#settings-forget")
        expect(page.locator("#settings-result")).to_contain_text("Removed")
        assert [each["endpoint"] for each in settings_of(served)["connections"]] == [first.url]
        page.click("#tab-chat-button")
        ask(page, "And now?")
        expect(page.locator("#chat-settled .hearth-failure")).to_be_visible()
        assert first.chats == []
        assert "authorization" not in second.chats[-1].headers


def test_how_long_to_think_is_asked_where_a_model_thinks_and_kept(page: Page, serve: Serve) -> None:
    steps = [Answer(("Yes.",), reasoning=("Hm.",)), Answer(("No.",))]
    with server(*steps, models=("thinker",)) as endpoint:
        served = serve()
        page.goto(served.address)
        connect(page, served, endpoint, "thinker")
        page.click("#tab-chat-button")
        expect(page.locator("#thinking-picker")).to_be_hidden()
        ask(page, "Sure?")
        expect(page.locator("#chat-settled")).to_contain_text("Yes.")
        assert "reasoning_effort" not in endpoint.chats[0].body
        pick(page, "Does not think", field="#thinking-picker")
        page.reload()
        expect(page.locator("#thinking-picker input")).to_have_value("Does not think")
        ask(page, "Really?")
        expect(page.locator("#chat-settled")).to_contain_text("No.")
        body = endpoint.chats[-1].body
        assert body["reasoning_effort"] == "none"
        assert body["chat_template_kwargs"]["enable_thinking"] is False


def test_in_a_narrow_window_there_is_room_for_the_list_of_models(page: Page, serve: Serve) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    page.goto(serve().address)
    field = page.locator("#model-picker input")
    expect(field).to_be_visible()
    for locator in (field, page.locator("#tool-switch"), page.locator("#context-gauge")):
        box = locator.bounding_box()
        assert box is not None and box["width"] > 20 and box["x"] + box["width"] <= 360
    box = field.bounding_box()
    assert box is not None and box["width"] > 180
