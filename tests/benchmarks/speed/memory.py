"""The memory of a server after a chat of a thousand messages."""

from __future__ import annotations

from queue import Empty

from tests.benchmarks.speed.browser import chromium, new_page
from tests.benchmarks.speed.contenders import Contender
from tests.benchmarks.speed.endpoint import scripted
from tests.benchmarks.speed.processes import megabytes, tree

MESSAGES = 1000
TOKENS, RATE = 200, 200.0
SETTLING_SECONDS = 3.0


def memory(contender: Contender, messages: int = MESSAGES) -> float:
    """MB (PSS) of a server with its children, once one more question to such a chat has been answered."""
    with (
        scripted(TOKENS, RATE) as endpoint,
        contender.serving(endpoint.url, messages) as served,
        chromium() as browser,
    ):
        page = new_page(browser)
        page.goto(served.address)
        page.locator(contender.input).first.fill("And what comes next?")
        page.wait_for_timeout(SETTLING_SECONDS * 1000)
        page.keyboard.press("Enter")
        try:
            endpoint.moments(60)
        except Empty:
            raise RuntimeError(f"{contender.name} did not ask") from None
        page.wait_for_timeout(SETTLING_SECONDS * 1000)
        return megabytes(tree(served.pid))
