"""The real browser that everything is looked at with, and the processes that draw its pages."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import CHROMIUM_FLAGS


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, running."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def new_page(browser: Browser, scripts: Sequence[Path | str] = ()) -> Page:
    """A page of a size people use, in which these files and texts run before anything else does."""
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.set_default_timeout(120_000)
    for script in scripts:
        page.add_init_script(path=script) if isinstance(script, Path) else page.add_init_script(script)
    return page


def comes_true(page: Page, claim: str, *, within_seconds: float = 60) -> bool:
    """Whether a JavaScript expression comes true in time. (Playwright's own way needs eval, which Hearth forbids.)"""
    deadline = time.monotonic() + within_seconds
    while not (holds := page.evaluate(claim)) and time.monotonic() < deadline:
        page.wait_for_timeout(20)
    return bool(holds)


def renderers(browser: Browser) -> list[psutil.Process]:
    """The processes that draw pages."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return [psutil.Process(each["id"]) for each in told if each["type"] == "renderer"]
