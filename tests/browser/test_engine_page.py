"""The page Built-in engine: a change loads the model anew, a bad one changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_windows import ask
from tests.conftest import Served, eventually, settings_of
from tests.test_embedded import engine_children

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]


def engine_page(page: Page) -> None:
    page.click("#tab-settings-button")
    page.get_by_role("tab", name="Built-in engine").click()
    expect(page.locator("#engine-estimate")).to_contain_text("takes about")


def test_a_change_loads_the_model_anew_and_lasts(page: Page, serve: Serve) -> None:
    served = serve()
    page.goto(served.address)
    engine_page(page)
    page.fill("#engine-context-tokens input", "1024")
    page.press("#engine-context-tokens input", "Tab")
    expect(page.locator("#engine-estimate")).to_contain_text("1,024 tokens")
    page.click("#engine-run")
    expect(page.locator("#engine-result")).to_contain_text("Loaded", timeout=30_000)
    page.click("#engine-log button")
    expect(page.locator("#engine-log-text")).to_contain_text("n_ctx_slot = 1024")
    page.click("#tab-chat-button")
    ask(page, "Say hello.")
    expect(page.locator("#chat-settled .hearth-meta")).to_contain_text("tokens", timeout=60_000)
    assert served.stop() == 0
    page.goto(serve().address)
    engine_page(page)
    expect(page.locator("#engine-context-tokens input")).to_have_value("1024")


def test_a_model_that_loads_is_seen_on_every_tab_and_by_a_question_that_waits(page: Page, serve: Serve) -> None:
    """The child is stopped while it loads: a stand-in for a file of many gigabytes."""
    served = serve()
    page.goto(served.address)
    engine_page(page)
    hearth = psutil.Process(served.process.pid)
    (old,) = engine_children(hearth)
    page.fill("#engine-context-tokens input", "1024")
    page.click("#engine-run")
    assert eventually(lambda: any(child.pid != old.pid for child in engine_children(hearth)))
    child = next(child for child in engine_children(hearth) if child.pid != old.pid)
    child.suspend()
    loading = page.locator("#engine-loading")
    expect(loading).to_contain_text("Loading the model: ")
    expect(loading.locator("progress")).to_be_visible()
    page.click("#tab-models-button")
    expect(loading).to_be_visible()
    page.click("#tab-chat-button")
    ask(page, "Say hello.")
    child.resume()
    expect(page.locator("#chat-settled .hearth-meta")).to_contain_text("tokens", timeout=60_000)
    expect(loading).to_have_count(0)


def test_what_cannot_be_is_said_and_changes_nothing(page: Page, serve: Serve) -> None:
    served = serve()
    page.goto(served.address)
    engine_page(page)
    for field, typed, said in (
        ("#engine-context-tokens input", "100", "from 256 to"),
        ("#engine-projector textarea, #engine-projector input", "/nowhere/mmproj.gguf", "mmproj.gguf"),
        ("#engine-chat-template textarea", "{% for %}", "chat template"),
    ):
        page.fill(field, typed)
        page.click("#engine-run")
        expect(page.locator("#engine-result")).to_contain_text(said, timeout=30_000)
        assert (
            not (served.data_dir / "settings.json").exists() or settings_of(served)["engine"]["context_tokens"] is None
        )  # type: ignore[index]
        page.fill(field, "")
    page.click("#tab-chat-button")
    ask(page, "Say hello.")
    expect(page.locator("#chat-settled .hearth-meta")).to_contain_text("tokens", timeout=60_000)
