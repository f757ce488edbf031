"""Many turns, as fast as they go through the page: what grows with them that should not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.benchmarks.speed.browser import chromium, comes_true, new_page, renderers
from tests.benchmarks.speed.contenders import HEARTH, Served
from tests.benchmarks.speed.endpoint import scripted
from tests.benchmarks.speed.processes import descriptors, megabytes, threads, tree

TOKENS = 60
IN_A_CHAT = 20  # turns; then a new one begins
SETTLING_SECONDS = 2.0
WARM = 100  # what is needed for good is there by then
MARKS = (1, WARM, 500, 1000, 2000)


@dataclass(frozen=True)
class Grown:
    """After so many turns, `seconds` since the first: the server with its children (`megabytes` as PSS), the files it
    keeps for a while, and the page."""

    turns: int
    seconds: float
    megabytes: float
    page_megabytes: float
    threads: int
    descriptors: int
    temporary_files: int


def turns(marks: Sequence[int] = MARKS) -> Iterator[Grown]:
    """Asks as soon as an answer stands, and tells at each mark."""
    with scripted(TOKENS, 0) as endpoint, HEARTH.serving(endpoint.url) as served, chromium() as browser:
        page = new_page(browser)
        page.goto(served.address)
        page.locator(HEARTH.input).wait_for()
        began = time.monotonic()
        for number in range(1, max(marks) + 1):
            _ask(page, (number - 1) % IN_A_CHAT)
            if number in marks:
                seconds = time.monotonic() - began
                page.wait_for_timeout(SETTLING_SECONDS * 1000)
                yield _grown(served, number, seconds, page_megabytes=megabytes(renderers(browser)))


def _ask(page: Page, before: int) -> None:
    """The next question, behind `before` others of its chat; in a new chat where there is none."""
    answers = f"document.querySelectorAll('{HEARTH.settled} [data-testid=bot]').length"
    if before == 0 and page.evaluate(answers):
        page.locator("#new-chat").click()
        assert comes_true(page, f"{answers} === 0"), "no new chat"
    page.locator(HEARTH.input).fill("And what comes next?")
    page.locator(HEARTH.input).press("Enter")
    stands = f"{answers} === {before + 1} && {HEARTH.is_over}"
    assert comes_true(page, stands), f"no answer to question {before + 1} of a chat"


def _grown(served: Served, number: int, seconds: float, *, page_megabytes: float) -> Grown:
    servers = tree(served.pid)
    return Grown(
        number, seconds, megabytes(servers), page_megabytes, threads(servers), descriptors(servers),
        files_in(served.temporary),
    )  # fmt: skip


def files_in(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
