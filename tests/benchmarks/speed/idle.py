"""What Hearth costs while nobody asks anything."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.benchmarks.speed.browser import chromium, new_page, renderers
from tests.benchmarks.speed.contenders import Contender
from tests.benchmarks.speed.endpoint import scripted
from tests.benchmarks.speed.processes import descriptors, processor_seconds, threads, tree

MESSAGES = 20
SETTLING_SECONDS = 8.0


@dataclass(frozen=True)
class Idle:
    """Processor time as percent of one core; threads and descriptors of the server with its children."""

    server_percent: float
    page_percent: float | None  # None without a page
    threads: int
    descriptors: int


def idle(contender: Contender, *, has_page: bool, seconds: float, has_engine: bool = False) -> Idle:
    """Starts a contender on a short chat and looks at it for so long: with a page open, or with none since one was
    closed. `has_engine`: with the built-in engine, loaded, instead of an endpoint."""
    with (
        scripted(1, 0) as endpoint,
        contender.serving("" if has_engine else endpoint.url, MESSAGES) as served,
        chromium() as browser,
    ):
        page = new_page(browser)
        page.goto(served.address)
        page.locator(contender.input).first.wait_for()
        if not has_page:
            page.close()
        time.sleep(SETTLING_SECONDS)
        servers, drawing = tree(served.pid), renderers(browser) if has_page else []
        before, began = (processor_seconds(servers), processor_seconds(drawing)), time.monotonic()
        time.sleep(seconds)
        after, passed = (processor_seconds(servers), processor_seconds(drawing)), time.monotonic() - began
        return Idle(
            server_percent=100 * (after[0] - before[0]) / passed,
            page_percent=100 * (after[1] - before[1]) / passed if has_page else None,
            threads=threads(servers),
            descriptors=descriptors(servers),
        )
