"""What tools may reach is said and set on the Tools tab: a folder, the web, the notes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served, eventually, settings_of
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer
from tests.toolkit import call, calls

pytestmark = pytest.mark.browser


def test_folder_web_and_notes_are_the_persons(page: Page, serve: Callable[..., Served], tmp_path: Path) -> None:
    served = serve()
    (served.data_dir / "notes.md").write_text("- Likes tea\n", encoding="utf-8")
    project = tmp_path / "project"
    project.mkdir()
    page.goto(served.address)
    page.click("#tab-tools-button")
    page.click("#page-reach-button")
    folder, notes = page.locator("#reach-workspace :is(input, textarea)"), page.locator("#reach-notes textarea")
    expect(folder).to_have_value(str(served.data_dir / "workspace"))
    expect(notes).to_have_value("- Likes tea")
    expect(page.locator("#reach-web input")).not_to_be_checked()

    folder.fill(str(served.data_dir))
    page.click("#reach-use")
    expect(page.locator("#reach-said")).to_contain_text("where Hearth keeps its own data")
    folder.fill(str(project))
    page.click("#reach-use")
    expect(page.locator("#reach-said")).to_contain_text("File tools work in this folder now")
    page.click("#reach-web input")
    expect(page.locator("#reach-said")).to_be_empty()
    notes.fill("- Likes coffee")
    folder.fill(str(project))
    page.click("#reach-use")
    expect(page.locator("#reach-said")).to_contain_text("File tools work in this folder now")
    expect(notes).to_have_value("- Likes coffee")  # typed, and not saved yet
    (served.data_dir / "notes.md").write_text("- Likes tea\n- Has a cat\n", encoding="utf-8")  # noted meanwhile
    page.click("#reach-notes-save")
    expect(page.locator("#reach-said")).to_contain_text("saved")
    expect(notes).to_have_value("- Likes coffee\n- Has a cat")

    assert (served.data_dir / "notes.md").read_text(encoding="utf-8") == "- Likes coffee\n- Has a cat\n"
    settings = settings_of(served)
    assert (settings["workspace"], settings["web_tools"]) == (str(project), True)


def ask(page: Page, question: str) -> None:
    page.fill("#chat-input textarea", question)
    page.press("#chat-input textarea", "Enter")


def test_a_model_is_told_of_the_web_once_it_is_switched_on_and_each_search_is_asked_about(
    page: Page, serve: Callable[..., Served]
) -> None:
    search = calls(call("web_search", {"words": "green tea"}))
    with fake_endpoint(Answer(("Hello.",)), search, Answer(("Then not.",))) as server:
        served = serve("--endpoint", server.url, "--model", "fake")
        page.goto(served.address)
        ask(page, "Hello?")
        expect(page.locator("#chat-settled")).to_contain_text("Hello.")
        page.click("#tab-tools-button")
        page.click("#page-reach-button")
        page.click("#reach-web input")
        saved = served.data_dir / "settings.json"  # not there before the first change
        assert eventually(lambda: saved.exists() and settings_of(served)["web_tools"])
        page.click("#tab-chat-button")
        ask(page, "Look it up.")
        card = page.locator(".hearth-card")
        expect(card.locator(".hearth-tool-address")).to_contain_text("q=green+tea")
        card.get_by_role("button", name="Deny").click()
        expect(page.locator("#chat-settled")).to_contain_text("Then not.")
    before, after = ([offer["function"]["name"] for offer in chat.body["tools"]] for chat in server.chats[:2])
    assert "web_search" not in before and {"web_search", "fetch_page"} <= set(after)
