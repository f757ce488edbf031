"""Everything that can be done with chats, by keyboard alone: the pointer is never moved."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_chats import chat_row, open_hearth, settled
from tests.conftest import Served, hearth
from tests.exports import chatgpt_zip
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, Silence

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]

MOST_STOPS = 120


def tab_to(page: Page, selector: str, words: str = "", *, key: str = "Tab") -> None:
    """Presses Tab until the focus is on what the selector means, and has these words in its row or itself."""
    for _ in range(MOST_STOPS):
        page.keyboard.press(key)
        if page.evaluate(
            """([selector, words]) => {
                const here = document.activeElement;
                const row = here.closest("article, .hearth-row, .hearth-hit") ?? here;
                return here.matches(selector) && row.textContent.includes(words); }""",
            [selector, words],
        ):
            return
    raise AssertionError(f"{key} does not lead to {selector} {words}")


def press(page: Page, selector: str, words: str = "", *, key: str = "Enter") -> None:
    """Goes there and presses it."""
    tab_to(page, selector, words)
    page.keyboard.press(key)


def ask(page: Page, question: str) -> None:
    page.keyboard.press("Shift+Escape")
    page.keyboard.type(question)
    page.keyboard.press("Enter")


def choose(page: Page, title: str, command: str) -> None:
    """A command of a chat's menu."""
    page.keyboard.press("Control+K")
    press(page, "#chat-list .hearth-row summary", title)
    press(page, f"#chat-list .hearth-do-{command}", title)


def act(page: Page, where: str, command: str, *, behind_more: bool = False) -> None:
    """What can be done with the message that says `where`."""
    page.keyboard.press("Control+K")  # from the top
    if behind_more:
        press(page, "#chat-settled summary", where)
    press(page, f"#chat-settled .hearth-do-{command}", where)


def test_questions_are_asked_and_chats_found_and_stepped_through(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("One.",)), Answer(("Two.",)), title="") as server:
        server._title = "Chat of keys"  # pyright: ignore[reportPrivateUsage]
        open_hearth(page, serve("--endpoint", server.url))
        keyboard = page.keyboard
        ask(page, "Alpha")
        expect(settled(page)).to_contain_text("One.")
        keyboard.press("Control+Shift+O")
        expect(settled(page)).not_to_contain_text("One.")
        ask(page, "Beta")
        expect(settled(page)).to_contain_text("Two.")
        keyboard.press("Alt+ArrowDown")
        expect(settled(page)).to_contain_text("One.")
        keyboard.press("Alt+ArrowUp")
        expect(settled(page)).to_contain_text("Two.")
        keyboard.press("Alt+ArrowDown")
        keyboard.press("Alt+ArrowUp")  # quicker than the page
        keyboard.press("Alt+ArrowDown")
        expect(settled(page)).to_contain_text("One.")

        keyboard.press("Control+K")
        keyboard.type("One")
        expect(page.locator("#chat-list .hearth-hit")).to_have_count(1)
        press(page, "#chat-list .hearth-hit a")
        expect(settled(page)).to_contain_text("One.")
        expect(settled(page).locator(".hearth-jumped")).to_contain_text("One.")

        keyboard.press("Control+/")
        expect(page.locator("#shortcuts")).to_be_visible()
        keyboard.press("Escape")
        expect(page.locator("#shortcuts")).to_be_hidden()
        keyboard.press("Control+B")
        expect(page.locator("#sidebar")).to_be_hidden()


def test_messages_are_edited_retried_gone_on_with_branched_copied_and_deleted(page: Page, serve: Serve) -> None:
    steps = [Answer((f"{word}.",)) for word in ("One", "Two", "Three", "Four")]
    with fake_endpoint(*steps, Silence(after=("Half a ",)), Answer(("loaf.",)), title="Keys") as server:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "First?")
        expect(settled(page)).to_contain_text("One.")
        act(page, "One.", "retry")
        expect(settled(page)).to_contain_text("Two.")
        expect(settled(page).locator(".hearth-versions")).to_contain_text("2 / 2")
        act(page, "Two.", "show")  # the arrow to the earlier version
        expect(settled(page)).to_contain_text("One.")

        act(page, "First?", "edit")
        expect(page.locator("#chat-input textarea")).to_be_focused()
        expect(page.locator("#chat-input textarea")).to_have_value("First?")
        page.keyboard.press("Control+A")
        page.keyboard.type("Other?")
        page.keyboard.press("Enter")
        expect(settled(page)).to_contain_text("Three.")
        expect(settled(page)).not_to_contain_text("First?")

        act(page, "Three.", "branch", behind_more=True)
        expect(page.locator("#chat-input textarea")).to_be_focused()
        page.keyboard.type("Second?")
        page.keyboard.press("Enter")
        expect(settled(page)).to_contain_text("Four.")
        act(page, "Three.", "split", behind_more=True)
        expect(chat_row(page, "Keys")).to_have_count(2)
        expect(settled(page)).not_to_contain_text("Four.")

        page.keyboard.press("Control+K")
        press(page, "#chat-settled .hearth-copy", "Three.")
        expect(settled(page).locator(".hearth-copy", has_text="Copied")).to_have_count(1)
        assert page.evaluate("navigator.clipboard.readText()") == "Three."

        ask(page, "Bread?")
        expect(page.locator("#chat-live")).to_contain_text("Half a")
        press(page, "#chat-stop")
        expect(settled(page)).to_contain_text("stopped")
        act(page, "Half a", "continue")
        expect(settled(page)).to_contain_text("Half a loaf.")

        act(page, "Bread?", "erase", behind_more=True)
        expect(page.locator("#composer-question")).to_contain_text("everything that follows")
        page.keyboard.press("Escape")
        expect(page.locator("#composer-question")).to_be_hidden()
        expect(settled(page)).to_contain_text("Bread?")
        act(page, "Bread?", "erase", behind_more=True)
        expect(page.locator("#composer-question")).to_be_visible()
        press(page, "#composer-yes")
        expect(settled(page)).not_to_contain_text("Bread?")
        expect(settled(page)).to_contain_text("Three.")


def test_chats_are_renamed_pinned_moved_archived_exported_and_deleted_with_undo(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("One.",)), title="By hand") as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Alpha")
        expect(chat_row(page, "By hand")).to_be_visible()
        choose(page, "By hand", "rename")
        expect(page.locator("#chat-name input, #chat-name textarea")).to_be_visible()
        tab_to(page, "#chat-name input, #chat-name textarea")
        page.keyboard.press("Control+A")
        page.keyboard.type("My title")
        page.keyboard.press("Enter")
        expect(chat_row(page, "My title")).to_be_visible()

        choose(page, "My title", "pin")
        expect(page.locator("#chat-list h3").first).to_have_text("Pinned")
        choose(page, "My title", "unpin")
        expect(page.locator("#chat-list h3").first).to_have_text("Today")

        choose(page, "My title", "move")
        expect(page.locator("#chat-folder input")).to_be_visible()
        tab_to(page, "#chat-folder input")
        page.keyboard.type("Work")
        page.keyboard.press("Enter")
        press(page, "#chat-form-save")
        expect(page.locator("#chat-list .hearth-folder")).to_have_text(re.compile(r"Work \(1\)"))
        expect(page.locator("#chat-list .hearth-inside")).to_contain_text("My title")
        page.keyboard.press("Control+K")
        press(page, "#chat-list .hearth-folder")
        expect(page.locator("#chat-list .hearth-inside")).not_to_contain_text("My title")
        page.keyboard.press("Control+K")
        press(page, "#chat-list .hearth-folder")
        choose(page, "My title", "move")
        expect(page.locator("#chat-folder input")).to_have_value("Work")
        press(page, "#chat-form-cancel")
        expect(page.locator("#chat-folder input")).to_be_hidden()

        choose(page, "My title", "export")
        expect(page.locator("#chat-format")).to_be_visible()
        with page.expect_download() as given:
            press(page, "#chat-form-save")
        assert given.value.suggested_filename == "My title.md"

        choose(page, "My title", "archive")
        expect(chat_row(page, "My title")).to_have_count(0)
        page.keyboard.press("Control+K")
        press(page, "#sidebar-foot .hearth-do-archived")
        choose(page, "My title", "unarchive")
        expect(chat_row(page, "My title")).to_have_count(0)
        page.keyboard.press("Control+K")
        press(page, "#chat-list .hearth-do-archived")
        expect(chat_row(page, "My title")).to_be_visible()

        choose(page, "My title", "delete")
        expect(chat_row(page, "My title")).to_have_count(0)
        press(page, "#chat-undo .hearth-do-restore")
        expect(chat_row(page, "My title")).to_be_visible()
        expect(settled(page)).to_contain_text("One.")

        page.keyboard.press("Control+K")
        press(page, "#sidebar-foot .hearth-do-private")
        expect(page.locator("#engine-line")).to_contain_text("in memory only")
        expect(page.locator("#chat-input textarea")).to_be_focused()


def test_an_open_menu_is_left_with_escape(page: Page, serve: Serve, tmp_path: Path) -> None:
    export = chatgpt_zip(tmp_path / "export.zip")
    assert hearth("import", str(export), "--data-dir", str(tmp_path / "data")).returncode == 0
    open_hearth(page, serve())
    page.keyboard.press("Control+K")
    press(page, "#chat-list .hearth-row summary", key="Space")
    expect(page.locator("#chat-list details[open]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#chat-list details[open]")).to_have_count(0)
    assert page.evaluate("document.activeElement.matches('summary')")


def test_chats_are_brought_in_taken_out_backed_up_and_restored(page: Page, serve: Serve, tmp_path: Path) -> None:
    served = serve()
    open_hearth(page, served)
    press(page, "#tab-settings-button")
    press(page, "#page-chats-button")
    with page.expect_file_chooser() as chooser:
        press(page, "#import-files button")
    chooser.value.set_files(str(chatgpt_zip(tmp_path / "export.zip")))
    expect(page.locator("#import-report")).to_contain_text("Chats added: 1.")
    with page.expect_download() as given:
        press(page, "#export-all")
    told = json.loads(given.value.path().read_text(encoding="utf-8"))
    assert [chat["title"] for chat in told["chats"]] == ["A heron, twice"]
    press(page, "#export-format input[value=md]", key="Space")
    with page.expect_download() as given:
        press(page, "#export-all")
    assert given.value.suggested_filename == "hearth-chats.zip"

    page.keyboard.press("Shift+Escape")
    press(page, "#page-backups-button")
    press(page, "#backup-now")
    expect(page.locator("#backup-preview")).to_contain_text("Backed up, and checked")
    choose(page, "A heron, twice", "delete")
    expect(page.locator("#chat-undo")).to_be_visible()
    expect(page.locator("#chat-undo")).to_be_hidden(timeout=40_000)
    press(page, "#tab-settings-button")
    press(page, "#page-backups-button")
    expect(page.locator("#backup-choice input").first).to_be_visible()
    tab_to(page, "#backup-choice input")
    page.keyboard.press("Space")
    expect(page.locator("#backup-preview")).to_contain_text("Chats that come back: 1.")
    press(page, "#backup-restore")
    expect(page.locator("#backup-preview")).to_contain_text("Chats that came back: 1.")
