"""What a page asks for at its start: a browser takes longer to fetch many small files than to read them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served

pytestmark = pytest.mark.browser


def test_the_styles_come_as_one_sheet_and_few_files_beside(page: Page, serve: Callable[..., Served]) -> None:
    """Gradio's own page of these components asks for thirty style sheets. A new Gradio that looks for them in another
    way would ask for them all again: the page looks the same then, and starts later."""
    page.goto(serve().address)
    expect(page.locator("#chat-input textarea")).to_be_visible()
    page.wait_for_load_state("load")
    names: list[str] = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert len([name for name in names if name.endswith(".css")]) <= 4
    assert len(names) < 65
