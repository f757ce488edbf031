"""The page in a real browser: a person asks, stops, retries, comes back, and sets things up."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from assistant.paths import asset
from tests.benchmarks.profiles import make
from tests.conftest import Served, eventually, settings_of
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, Cut, Silence

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]

MARKDOWN = (
    "Here is **one** `inline`:\n\n```python\nprint(1 + 1)\n```\n\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\nMaths: \\(x^2\\).\n",
)


def ask(page: Page, question: str) -> None:
    page.fill("#chat-input textarea", question)
    page.press("#chat-input textarea", "Enter")


def open_hearth(page: Page, served: Served) -> None:
    page.goto(served.address)
    expect(page.locator("#chat-input textarea")).to_be_visible()


# What the answer looked like each time it changed: an answer can be whole before a test looks a second time.
WATCH = """() => {
    window.seen = [];
    new MutationObserver(() => {
        const text = document.querySelector("#chat-live .bot")?.innerText;
        if (text && text !== window.seen.at(-1)) window.seen.push(text);
    }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


def test_the_starter_model_answers_word_by_word(page: Page, serve: Serve) -> None:
    served = serve()
    open_hearth(page, served)
    page.evaluate(WATCH)
    ask(page, "Tell me a long story about a lighthouse.")
    expect(page.locator("#chat-settled")).to_contain_text("SmolLM2-135M-Instruct ·", timeout=90_000)
    lengths = [len(text) for text in page.evaluate("window.seen")]
    assert len(lengths) > 3, lengths
    assert lengths[0] < lengths[-1] / 2
    expect(page.locator("#chat-settled")).to_contain_text("Tell me a long story about a lighthouse.")
    expect(page.locator("#chat-live .bot")).to_have_count(0)
    if destination := os.environ.get("HEARTH_SCREENSHOT"):
        page.wait_for_timeout(500)
        page.screenshot(path=destination)


def test_an_answer_is_shown_as_markdown_with_code_tables_and_maths(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(MARKDOWN)) as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Show me.")
        answer = page.locator("#chat-settled .bot")
        expect(answer.locator("strong")).to_have_text("one")
        expect(answer.locator("pre code .hljs-built_in").first).to_be_visible()
        expect(answer.locator("td").first).to_have_text("1")
        expect(answer.locator(".katex").first).to_be_visible()
        expect(answer.locator("button.hearth-copy-code")).to_be_visible()


def test_a_question_is_shown_as_it_was_typed(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer()) as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "What does <b>*this*</b> & $5 mean?")
        expect(page.locator("#chat-settled .user").first).to_contain_text("What does <b>*this*</b> & $5 mean?")
        expect(page.locator("#chat-settled")).to_contain_text("Hello, world!")


def test_shift_and_enter_make_a_new_line_and_enter_sends(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer()) as server:
        open_hearth(page, serve("--endpoint", server.url))
        page.locator("#chat-input textarea").press_sequentially("one")
        page.press("#chat-input textarea", "Shift+Enter")
        page.locator("#chat-input textarea").press_sequentially("two")
        page.press("#chat-input textarea", "Enter")
        expect(page.locator("#chat-settled")).to_contain_text("Hello, world!")
        assert server.chats[0].body["messages"][-1]["content"] == "one\ntwo"
        expect(page.locator("#chat-input textarea")).to_have_value("")


def test_stop_ends_the_request_and_keeps_the_words(page: Page, serve: Serve) -> None:
    with fake_endpoint(Silence(after=("Half a",))) as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Hello?")
        expect(page.locator("#chat-live")).to_contain_text("Half a")
        page.click("#chat-stop")
        assert server.wait_for_disconnect(1)
        expect(page.locator("#chat-settled")).to_contain_text("Half a")
        expect(page.locator("#chat-settled")).to_contain_text("stopped")
        expect(page.locator("#chat-send")).to_be_visible()


def test_a_failed_answer_says_why_and_retry_asks_again(page: Page, serve: Serve) -> None:
    with fake_endpoint(Cut(after=("Half",)), Answer(("Whole.",))) as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Hello?")
        expect(page.locator("#chat-settled .hearth-failure")).to_be_visible()
        expect(page.locator("#chat-settled")).to_contain_text("Half")
        page.locator("#chat-settled .hearth-do-retry").last.click()
        expect(page.locator("#chat-settled")).to_contain_text("Whole.")
        expect(page.locator("#chat-settled .user.message")).to_have_count(1)


def test_words_typed_while_an_answer_runs_stay_in_the_composer(page: Page, serve: Serve) -> None:
    with fake_endpoint(Silence(after=("Half",))) as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Hello?")
        expect(page.locator("#chat-live")).to_contain_text("Half")
        ask(page, "And another thing")
        page.wait_for_timeout(500)
        expect(page.locator("#chat-input textarea")).to_have_value("And another thing")
        page.click("#chat-stop")
        expect(page.locator("#chat-settled")).to_contain_text("stopped")


def test_reasoning_is_folded_away_when_the_answer_is_there(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("Yes.",), reasoning=("First I ", "think."))) as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Hello?")
        expect(page.locator("#chat-settled")).to_contain_text("Yes.")
        expect(page.get_by_text("First I think.")).to_be_hidden()
        page.locator("#chat-settled .hearth-thought summary").click()
        expect(page.get_by_text("First I think.")).to_be_visible()


def test_a_reload_in_mid_answer_shows_the_answer_going_on(page: Page, serve: Serve) -> None:
    tokens = tuple(f"word{number} " for number in range(60))
    with fake_endpoint(Answer(tokens, rate_per_second=15)) as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Hello?")
        expect(page.locator("#chat-live")).to_contain_text("word3")
        page.reload()
        expect(page.locator("#chat-live")).to_contain_text("word")
        expect(page.locator("#chat-settled")).to_contain_text("word59")


def test_a_new_chat_is_empty_and_the_old_answer_goes_on_unseen(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("One ", "two ", "three."), rate_per_second=2)) as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Hello?")
        expect(page.locator("#chat-live")).to_contain_text("One")
        page.click("#new-chat")
        expect(page.locator("#chat-settled")).not_to_contain_text("Hello?")
        page.wait_for_timeout(2500)
        expect(page.locator("#chat-settled")).not_to_contain_text("three.")
        page.reload()
        expect(page.locator("#chat-settled")).to_contain_text("One two three.")


def test_the_last_chat_is_there_after_a_kill_with_the_words_that_had_streamed(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    with fake_endpoint(Silence(after=("Half a thought",))) as server:
        served = serve("--endpoint", server.url)
        open_hearth(page, served)
        ask(page, "Hello?")
        expect(page.locator("#chat-live")).to_contain_text("Half a thought")
        page.wait_for_timeout(1000)
        served.process.kill()
        served.process.wait()
        open_hearth(page, serve("--endpoint", server.url))
        expect(page.locator("#chat-settled")).to_contain_text("Half a thought")
        expect(page.locator("#chat-settled")).to_contain_text("interrupted")


def test_row_37_a_killed_engine_is_told_and_the_next_question_starts_it_again(page: Page, serve: Serve) -> None:
    served = serve()
    open_hearth(page, served)
    ask(page, "Tell me a very long story about a dragon, with many chapters.")
    expect(page.locator("#chat-live .hearth-prose")).to_contain_text(re.compile(r"\w+ \w+ \w+"), timeout=60_000)
    children = psutil.Process(served.process.pid).children(recursive=True)
    engine = next(child for child in children if "engine" in " ".join(child.cmdline()))
    os.kill(engine.pid, signal.SIGKILL)
    expect(page.locator("#chat-settled .hearth-failure")).to_contain_text("engine stopped")
    ask(page, "Name one colour.")
    expect(page.locator("#chat-settled .hearth-meta")).to_have_count(2, timeout=90_000)


def test_row_37_no_engine_outlives_a_killed_hearth(page: Page, serve: Serve) -> None:
    served = serve()
    open_hearth(page, served)
    assert eventually(lambda: bool(psutil.Process(served.process.pid).children(recursive=True)), within_seconds=20)
    children = psutil.Process(served.process.pid).children(recursive=True)
    served.process.kill()
    served.process.wait()
    assert eventually(lambda: not any(child.is_running() for child in children), within_seconds=5)


def open_settings(page: Page) -> None:
    page.click("#tab-settings-button")
    expect(page.locator("#settings-save")).to_be_visible()


def test_settings_are_tested_saved_and_used_by_the_next_question(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(), Answer(("From the endpoint.",)), key="sk-right", models=("fake", "other")) as server:
        served = serve()
        open_hearth(page, served)
        open_settings(page)
        page.fill("#settings-endpoint input, #settings-endpoint textarea", server.url)
        page.fill("#settings-api-key input", "sk-wrong")
        page.click("#settings-test")
        expect(page.locator("#settings-result")).to_contain_text("did not accept the API key")
        page.fill("#settings-api-key input", "sk-right")
        page.fill("#settings-model input", "nothing-like-it")
        page.click("#settings-test")
        expect(page.locator("#settings-result")).to_contain_text("no model named nothing-like-it")
        page.fill("#settings-model input", "fake")
        page.click("#settings-test")
        expect(page.locator("#settings-result")).to_contain_text("fake answered")
        page.click("#settings-save")
        expect(page.locator("#settings-result")).to_contain_text("Saved")
        assert (settings_of(served)["endpoint"], settings_of(served)["model"]) == (server.url, "fake")
        page.click("#tab-chat-button")
        ask(page, "Hello?")
        expect(page.locator("#chat-settled")).to_contain_text("From the endpoint.")


def test_a_saved_key_is_nowhere_in_the_page(page: Page, serve: Serve) -> None:
    served = serve()
    seen: list[str] = []
    page.on("response", lambda answer: seen.append(_body(answer)))
    open_hearth(page, served)
    open_settings(page)
    page.fill("#settings-endpoint input, #settings-endpoint textarea", "http://127.0.0.1:9/v1")
    page.fill("#settings-api-key input", "sk-CANARY-1234")
    page.get_by_label("In a file that only you can read").check()
    page.click("#settings-save")
    expect(page.locator("#settings-result")).to_contain_text("Saved")
    expect(page.locator("#settings-api-key input")).to_have_value("")
    page.reload()
    expect(page.locator("#chat-input textarea")).to_be_visible()
    open_settings(page)
    expect(page.locator("#settings-key-line")).to_contain_text("A key is kept in a file.")
    assert "CANARY" not in page.content()
    assert not any("CANARY" in body for body in seen)
    assert "CANARY" not in (served.data_dir / "settings.json").read_text(encoding="utf-8")
    assert "CANARY" not in served.log.read_text(encoding="utf-8")
    page.click("#settings-remove-key")
    expect(page.locator("#settings-result")).to_contain_text("The key is gone.")
    assert not (served.data_dir / "keys.json").exists()


def _body(answer: object) -> str:
    try:
        return answer.text()  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001  # a stream or a redirect has no body to read
        return ""


def test_a_bad_setting_is_told_and_the_form_keeps_everything(page: Page, serve: Serve) -> None:
    open_hearth(page, serve())
    open_settings(page)
    page.fill("#settings-system-prompt textarea", "Be brief.")
    page.fill("#settings-temperature input", "7")
    page.click("#settings-save")
    expect(page.locator("#settings-result")).to_contain_text("The temperature has to be a number from 0 to 2.")
    expect(page.locator("#settings-system-prompt textarea")).to_have_value("Be brief.")


@pytest.mark.parametrize(("choice", "is_dark"), [("dark", True), ("light", False)])
def test_the_theme_changes_at_once_and_stays(page: Page, serve: Serve, choice: str, is_dark: bool) -> None:
    page.emulate_media(color_scheme="light" if is_dark else "dark")
    open_hearth(page, serve())
    open_settings(page)
    page.check(f"#settings-theme input[value={choice}]")
    page.click("#settings-save")
    dark = page.locator("body.dark")
    expect(dark).to_have_count(1 if is_dark else 0)
    page.reload()
    expect(page.locator("#chat-input textarea")).to_be_visible()
    expect(dark).to_have_count(1 if is_dark else 0)


def test_a_page_of_a_narrow_window_does_not_scroll_sideways(page: Page, serve: Serve) -> None:
    with fake_endpoint(
        Answer(("W" * 500, "\n\n```\n" + "x" * 500 + "\n```\n", "\n\n|a|b|\n|-|-|\n|" + "y" * 300 + "|z|"))
    ) as server:
        page.set_viewport_size({"width": 360, "height": 640})
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "A" * 300)
        expect(page.locator("#chat-settled .hearth-meta")).to_be_visible()
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 360


def test_the_page_holds_the_last_screens_of_a_long_chat_and_more_as_one_scrolls_up(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    make(tmp_path / "data", chats=2, messages=1010)  # two chats, the last changed of which has 1,000 messages
    open_hearth(page, serve())
    articles = page.locator("#chat-settled article")
    expect(articles.last).to_be_in_viewport()
    assert articles.count() < 30
    seen = articles.first.inner_text()
    page.mouse.move(700, 400)
    for _ in range(40):
        page.mouse.wheel(0, -1500)
        page.wait_for_timeout(50)
        if articles.count() > 60:
            break
    assert articles.count() > 60
    assert articles.first.inner_text() != seen


def test_earlier_messages_come_without_a_jump(page: Page, serve: Serve, tmp_path: Path) -> None:
    make(tmp_path / "data", chats=2, messages=1010)
    open_hearth(page, serve())
    first = page.locator("#chat-settled article").first
    expect(first).to_be_attached()
    read = page.locator(f"#chat-settled article:has-text({json.dumps(first.inner_text()[:40])})").first
    first.scroll_into_view_if_needed()
    page.mouse.move(700, 400)
    page.mouse.wheel(0, -30)
    expect(page.locator("#chat-settled article").nth(20)).to_be_attached()
    page.wait_for_timeout(300)
    expect(read).to_be_in_viewport()


def test_a_broken_settings_file_is_told_on_the_page(page: Page, serve: Serve, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "settings.json").write_text("{", encoding="utf-8")
    open_hearth(page, serve(data_dir=data_dir))
    expect(page.locator("#notice")).to_contain_text("settings.json.corrupt-")


def test_the_page_asks_nobody_but_this_hearth(page: Page, serve: Serve) -> None:
    with fake_endpoint(
        Answer(("![x](http://127.0.0.1:9/leak.png) <img src='http://127.0.0.1:9/leak2.png'>",))
    ) as server:
        served = serve("--endpoint", server.url)
        asked: list[str] = []
        page.on("requestfinished", lambda request: asked.append(request.url))
        open_hearth(page, served)
        ask(page, "Hello?")
        expect(page.locator("#chat-settled .hearth-meta")).to_be_visible()
        page.wait_for_timeout(500)
        origin = "/".join(served.address.split("/")[:3]) + "/"
        assert [url for url in asked if not url.startswith((origin, "data:", "blob:"))] == []


@pytest.mark.skipif(shutil.which("git") is None, reason="needs a checkout")
def test_the_picture_in_the_readme_is_there() -> None:
    assert asset("screenshot.png").is_file()


def test_a_question_without_a_word_changes_nothing(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer()) as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Hello?")
        expect(page.locator("#chat-settled")).to_contain_text("Hello, world!")
        ask(page, "   ")
        page.wait_for_timeout(700)
        expect(page.locator("#chat-settled")).to_contain_text("Hello, world!")
        expect(page.locator("#chat-send")).to_have_text("Send")
