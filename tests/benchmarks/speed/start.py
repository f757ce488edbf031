"""A start, and a question as soon as one can be typed."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

from playwright.sync_api import Page

from tests.benchmarks.speed.browser import chromium, comes_true, new_page
from tests.benchmarks.speed.contenders import Contender
from tests.benchmarks.speed.endpoint import Endpoint, scripted

ARRIVAL = Path(__file__).with_name("arrival.js")
QUESTION = "What is the capital of France?"
PATIENCE_SECONDS = 180.0
QUIET_SECONDS = 1.5  # so long no word has come: the answer is whole
TOKENS, RATE = 20, 200.0


@dataclass(frozen=True)
class Started:
    """Seconds; None where it was not seen in time, or does not apply."""

    address: float  # from the start of the process until the browser is sent to its page
    usable: float | None  # from there on too: until a letter stands in the input
    request: float | None = None  # from the key press until the endpoint has the question
    first: float | None = None  # from usable until the first words of the answer can be seen
    whole: float | None = None  # from usable until its last ones can


def start(contender: Contender, *, asks_engine: bool = False) -> Started:
    """Starts a contender, and asks at once: the scripted endpoint, or the engine that is built in."""
    if asks_engine:
        return _started(contender, None)
    with scripted(TOKENS, RATE) as endpoint:
        return _started(contender, endpoint)


def _started(contender: Contender, endpoint: Endpoint | None) -> Started:
    with chromium() as browser:
        page = new_page(browser, [ARRIVAL, watching(contender)])
        page.goto("about:blank")
        with contender.serving(endpoint.url if endpoint else "") as served:
            address = time.time() - served.began
            page.goto(served.address, wait_until="commit")
            usable = usable_at(page)
            if usable is None:
                return Started(address, None)
            page.locator(contender.input).first.fill(QUESTION)
            page.keyboard.press("Enter")
            request = _asked(page, endpoint) if endpoint else None
            words = answered(page, contender)
    return Started(
        address=address,
        usable=usable - served.began,
        request=request,
        first=words and words[0] - usable,
        whole=words and words[1] - usable,
    )


def watching(contender: Contender) -> str:
    """The script that has a page tell when it can be used and when answers grow."""
    return f"arrival.watch({json.dumps({'input': contender.input, 'answers': contender.answers})})"


def usable_at(page: Page) -> float | None:
    """The moment at which the page took a letter."""
    if not comes_true(page, "arrival.usable", within_seconds=PATIENCE_SECONDS):
        return None
    return page.evaluate("arrival.usable") / 1000


def answered(page: Page, contender: Contender) -> tuple[float, float] | None:
    """The moments at which the first and the last words of an answer could be seen; None: no word came."""
    grown = "arrival.grown.length"
    over = f"{grown} && Date.now() - arrival.grown[{grown} - 1][0] > {QUIET_SECONDS * 1000} && {contender.is_over}"
    comes_true(page, over, within_seconds=PATIENCE_SECONDS)
    moments = page.evaluate("arrival.grown.map(([moment]) => moment / 1000)")
    return (moments[0], moments[-1]) if moments else None


def _asked(page: Page, endpoint: Endpoint) -> float | None:
    try:
        moments = endpoint.moments(PATIENCE_SECONDS)
    except Empty:
        return None
    return moments.asked - page.evaluate("arrival.pressed") / 1000
