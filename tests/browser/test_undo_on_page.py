"""A model edits files: the person sees the diff, allows it, and takes it back from below the answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer
from tests.toolkit import call, calls
from tests.workbench import tree

pytestmark = pytest.mark.browser

Serve = Callable[..., Served]
EDITS = calls(
    call("edit_file", {"path": "plan.md", "old": "two", "new": "2"}, "c1"),
    call("write_file", {"path": "notes/list.txt", "text": "milk\nbread\n"}, "c2"),
)


def ask(page: Page, question: str) -> None:
    page.fill("#chat-input textarea", question)
    page.press("#chat-input textarea", "Enter")


def allow(page: Page, call_id: str) -> None:
    card = page.locator(f".hearth-card[data-call='{call_id}']")
    card.locator(".hearth-card-once").click()
    expect(card.locator(".hearth-card-once")).to_have_count(0)


def furnish(served: Served) -> Path:
    workspace = served.data_dir / "workspace"
    (workspace / "plan.md").write_bytes(b"one\r\ntwo\r\n")
    return workspace


def test_two_files_are_changed_undone_and_changed_again(page: Page, serve: Serve) -> None:
    with fake_endpoint(EDITS, Answer(["Both", " done."])) as server:
        served = serve("--endpoint", server.url)
        workspace = furnish(served)
        before = tree(workspace)
        page.goto(served.address)
        ask(page, "Edit both.")
        expect(page.locator(".hearth-card .hearth-diff").first).to_contain_text("plan.md")
        expect(page.locator(".hearth-diff-comes").first).to_contain_text("2")
        assert tree(workspace) == before, "to be asked changes nothing"
        allow(page, "c1")
        allow(page, "c2")
        changes = page.locator(".hearth-changes")
        expect(changes).to_contain_text("2 files changed")
        assert (workspace / "plan.md").read_bytes() == b"one\r\n2\r\n"
        after = tree(workspace)

        changes.locator("summary").click()
        expect(changes).to_contain_text("notes/list.txt")
        changes.get_by_text("Undo", exact=True).click()
        expect(changes).to_contain_text("and undone")
        assert tree(workspace) == before

        changes.get_by_text("Redo", exact=True).click()
        expect(changes.get_by_text("Undo", exact=True)).to_be_visible()
        assert tree(workspace) == after

        (workspace / "plan.md").write_bytes(b"mine")
        changes.get_by_text("Undo", exact=True).click()
        expect(page.locator("#notice")).to_contain_text("plan.md was changed since, so nothing was undone")
        assert (workspace / "plan.md").read_bytes() == b"mine"


def test_undo_is_there_after_a_restart_and_retry_offers_it(page: Page, serve: Serve) -> None:
    with fake_endpoint(EDITS, Answer(["Done."]), Answer(["Done", " otherwise."])) as server:
        served = serve("--endpoint", server.url)
        workspace = furnish(served)
        before = tree(workspace)
        page.goto(served.address)
        ask(page, "Edit both.")
        allow(page, "c1")
        allow(page, "c2")
        expect(page.locator(".hearth-changes")).to_contain_text("2 files changed")
        served.process.terminate()
        served.process.wait(20)

        again = serve("--endpoint", server.url)
        page.goto(again.address)
        page.locator(".hearth-do-retry").last.click()
        expect(page.locator("#composer-question")).to_contain_text("This answer changed files")
        page.click("#composer-yes")
        expect(page.locator("#chat-settled")).to_contain_text("Done otherwise.")
        assert tree(workspace) == before
