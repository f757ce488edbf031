"""Two models in one question: their answers stream side by side, and the person goes on with one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_picker import connect, server
from tests.browser.test_windows import ask
from tests.conftest import Served, eventually
from tests.fake_endpoint import FakeEndpoint
from tests.fake_steps import Answer, Silence, Status, Step

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]
WHO = ["small · First", "other · Second"]


@contextmanager
def asking_two(
    page: Page, serve: Serve, first: list[Step], second: list[Step]
) -> Iterator[tuple[Served, FakeEndpoint, FakeEndpoint]]:
    """A page that asks both of two servers."""
    with server(*first, models=("small",)) as left, server(*second, models=("other",)) as right:
        served = serve()
        page.goto(served.address)
        connect(page, served, right, "other", name="Second")
        connect(page, served, left, "small", name="First")
        page.click("#tab-chat-button")
        switch_on(page)
        yield served, left, right


def switch_on(page: Page) -> None:
    page.click("#beside-switch")
    expect(page.locator("#beside-picker input")).to_have_value("other · Second")


def settled(page: Page) -> Locator:
    return page.locator("#chat-settled .bot")


def said_to(endpoint: FakeEndpoint) -> list[str]:
    return [message["content"] for message in endpoint.chats[-1].body["messages"] if message["role"] != "system"]


def test_both_answer_and_the_chat_goes_on_with_the_one_that_is_chosen(page: Page, serve: Serve) -> None:
    first: list[Step] = [Answer(("From the first.",)), Answer(("First again.",)), Answer(("Alone.",))]
    with asking_two(page, serve, first, [Answer(("From the second.",)), Answer(("Second again.",))]) as (
        _,
        left,
        right,
    ):
        ask(page, "Who are you?")
        expect(settled(page)).to_contain_text(["From the first.", "From the second."])
        expect(page.locator("#chat-settled .hearth-who")).to_have_text(WHO)
        boxes = [settled(page).nth(place).bounding_box() for place in (0, 1)]
        assert boxes[0] and boxes[1]
        assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"], "in a wide window they stand side by side"
        page.reload()
        expect(settled(page)).to_have_count(2)

        page.locator("#chat-settled .hearth-choice a").last.click()
        expect(settled(page)).to_have_count(1)
        expect(settled(page)).to_contain_text("From the second.")
        expect(page.locator("#chat-settled .hearth-who")).to_have_count(0)
        expect(settled(page).locator(".hearth-versions")).to_contain_text("2 / 2")
        ask(page, "And now?")
        expect(settled(page)).to_contain_text(["From the second.", "First again.", "Second again."])
        assert said_to(left) == said_to(right) == ["Who are you?", "From the second.", "And now?"]

        page.click("#beside-switch")
        expect(page.locator("#beside-picker")).to_be_hidden()
        ask(page, "One is enough?")
        expect(settled(page)).to_contain_text(["From the second.", "First again.", "Alone."])
        assert said_to(left)[-2:] == ["First again.", "One is enough?"], "without a choice it goes on with the first"


def test_both_stream_at_once_and_stop_ends_both(page: Page, serve: Serve) -> None:
    first, second = [Silence(after=("Left half",))], [Silence(after=("Right half",))]
    with asking_two(page, serve, [*first], [*second]) as (_, left, right):
        ask(page, "Who are you?")
        live = page.locator("#chat-live .bot")
        expect(live).to_contain_text(["Left half", "Right half"])
        expect(page.locator("#chat-live .hearth-who")).to_have_text(WHO)
        page.set_viewport_size({"width": 420, "height": 800})
        boxes = [live.nth(place).bounding_box() for place in (0, 1)]
        assert boxes[0] and boxes[1]
        assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"], "in a narrow window one stands below the other"
        page.click("#chat-stop")
        expect(settled(page)).to_contain_text(["Left half", "Right half"])
        expect(page.locator("#chat-settled .hearth-choice a")).to_have_count(2)
        assert left.wait_for_disconnect(2)
        assert right.wait_for_disconnect(2)


def test_one_that_fails_says_so_at_once_and_is_asked_again_beside_the_other(page: Page, serve: Serve) -> None:
    refused = Status(400, {"error": {"message": "not today"}})
    slow = Answer(("Slow, ", "but ", "there."), rate_per_second=1)
    with asking_two(page, serve, [refused, Answer(("Better now.",))], [slow]):
        ask(page, "Who are you?")
        live = page.locator("#chat-live .bot")
        expect(live.first.locator(".hearth-failure")).to_be_visible()
        expect(live.last).to_contain_text("Slow")
        expect(settled(page).last).to_contain_text("Slow, but there.")
        expect(settled(page).last.locator(".hearth-choice")).to_contain_text("goes on from here")
        settled(page).first.locator(".hearth-do-retry").click()
        expect(settled(page)).to_contain_text(["Better now.", "Slow, but there."])
        expect(settled(page).first.locator(".hearth-versions")).to_contain_text("3 / 3")


def test_a_kill_in_the_middle_loses_the_words_of_neither(page: Page, serve: Serve) -> None:
    first, second = [Silence(after=("Left half",))], [Silence(after=("Right half",))]
    with asking_two(page, serve, [*first], [*second]) as (served, left, _):
        ask(page, "Who are you?")
        expect(page.locator("#chat-live .bot")).to_contain_text(["Left half", "Right half"])
        log = served.data_dir / "hearth.db-wal"
        assert eventually(lambda: all(words in log.read_bytes() for words in (b"Left half", b"Right half")))
        served.process.kill()
        assert left.wait_for_disconnect(5)
        page.goto(serve().address)
        expect(settled(page)).to_contain_text("Left half")
        expect(settled(page)).to_contain_text("interrupted")
        settled(page).locator(".hearth-do-show").click()
        expect(settled(page)).to_contain_text("Right half")


def test_a_private_chat_asks_two_and_a_new_chat_asks_one(page: Page, serve: Serve) -> None:
    with asking_two(page, serve, [Answer(("Secret.",))], [Answer(("Secret too.",))]) as (served, _, _right):
        page.locator("#sidebar .hearth-do-private").click()
        expect(page.locator("#beside-picker")).to_be_hidden()
        switch_on(page)
        ask(page, "Between us?")
        expect(settled(page)).to_contain_text(["Secret.", "Secret too."])
        assert served.stop() == 0
        assert eventually(lambda: b"Between us" not in (served.data_dir / "hearth.db").read_bytes())
