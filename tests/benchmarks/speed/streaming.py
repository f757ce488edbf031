"""One question to one contender: what the page, the endpoint and the system say about its answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

from playwright.sync_api import Page

from tests.benchmarks.speed import text
from tests.benchmarks.speed.browser import chromium, new_page, renderers
from tests.benchmarks.speed.cases import Case
from tests.benchmarks.speed.contenders import Contender
from tests.benchmarks.speed.endpoint import scripted
from tests.benchmarks.speed.processes import megabytes, processor_seconds, tree
from tests.fake_steps import Moments

INSTRUMENTS = Path(__file__).with_name("instruments.js")
QUIET_SECONDS = 3.0  # after the page is there: nothing of its loading is left
SETTLING_SECONDS = 2.0  # after the last word is where it stays: what that costs has been seen
Slow = tuple[int, int]  # frames over 50 and over 100 ms


@dataclass(frozen=True)
class Streamed:
    """Seconds, megabytes, and updates per second; None where something was not seen in time."""

    request: float  # from the key press until the endpoint has the question
    first: float | None  # from the first token until it can be seen
    late: float | None  # from the last token until it can be seen
    whole: float | None  # from the key press until the last token can be seen
    settled: float | None  # from the last token until it stands where it stays
    is_in_view: bool  # whether the end is where the reader looks
    slow_asking: Slow  # frames between the key press and the first token
    slow_streaming: Slow
    slow_settling: Slow  # frames that ended after the endpoint had sent its last token
    longest: float  # the longest frame while it streams
    longest_settling: float
    updates: float | None  # visible ones per second, while it streams
    server_seconds: float
    page_seconds: float
    server_megabytes: float
    page_megabytes: float


def stream(contender: Contender, case: Case, *, patience_seconds: float) -> Streamed:
    """Starts the endpoint, the contender and a browser, asks once, and ends all three."""
    with (
        scripted(case.tokens, case.rate_per_second, case.reasoning) as endpoint,
        contender.serving(endpoint.url, case.messages) as served,
        chromium() as browser,
    ):
        page = new_page(browser, [INSTRUMENTS])
        page.goto(served.address)
        page.locator(contender.input).first.wait_for()
        page.wait_for_timeout(QUIET_SECONDS * 1000)
        watched = {"roots": contender.roots, "settled": contender.settled, "first": text.FIRST, "last": text.LAST}
        page.evaluate("(what) => speed.watch(what)", watched)
        page.locator(contender.input).first.fill("Tell me everything.")
        page.wait_for_timeout(1000)
        servers, drawing = tree(served.pid), renderers(browser)
        before = processor_seconds(servers), processor_seconds(drawing)
        page.keyboard.press("Enter")
        duration = (case.tokens + case.reasoning) / case.rate_per_second if case.rate_per_second else 0
        moments = _moments(endpoint.moments, 60 + duration + patience_seconds)
        seen = _seen(page, patience_seconds)
        after = processor_seconds(servers), processor_seconds(drawing)
        memory = megabytes(tree(served.pid)), megabytes(drawing)
    return judged(seen, moments, (after[0] - before[0], after[1] - before[1]), memory)


def judged(seen: dict[str, Any], moments: Moments, used: tuple[float, float], memory: tuple[float, float]) -> Streamed:
    """The figures, from the page's moments (ms) and the endpoint's (s)."""
    pressed, first, last = (None if seen[key] is None else seen[key] / 1000 for key in ("pressed", "first", "last"))
    settled = None if seen["settled"] is None else seen["settled"] / 1000
    assert pressed is not None, "the key press was not seen"
    gaps = [(begin / 1000, end / 1000) for begin, end in seen["gaps"] if end / 1000 > pressed]
    asking = [end - begin for begin, end in gaps if end <= (first or moments.first)]
    settling = [end - begin for begin, end in gaps if end > moments.last]
    streaming = [end - begin for begin, end in gaps if (first or moments.first) < end <= moments.last]
    updates = [at / 1000 for at in seen["updates"] if moments.first < at / 1000 <= moments.last]
    return Streamed(
        request=moments.asked - pressed,
        first=first and first - moments.first,
        late=last and last - moments.last,
        whole=last and last - pressed,
        settled=settled and settled - moments.last,
        is_in_view=seen["isInView"],
        slow_asking=_slow(asking),
        slow_streaming=_slow(streaming),
        slow_settling=_slow(settling),
        longest=max(streaming, default=0.0),
        longest_settling=max(settling, default=0.0),
        updates=len(updates) / (moments.last - moments.first) if moments.last > moments.first else None,
        server_seconds=used[0],
        page_seconds=used[1],
        server_megabytes=memory[0],
        page_megabytes=memory[1],
    )


def _slow(frames: list[float]) -> Slow:
    return sum(seconds > 0.05 for seconds in frames), sum(seconds > 0.1 for seconds in frames)


def _moments(wait: Any, timeout_seconds: float) -> Moments:
    try:
        return wait(timeout_seconds)
    except Empty:
        raise RuntimeError("the endpoint's answer did not end in time") from None


def _seen(page: Page, patience_seconds: float) -> dict[str, Any]:
    """What the instruments saw, once the answer has settled, or nobody would wait any longer."""
    deadline = time.monotonic() + patience_seconds
    while not page.evaluate("speed.seen.settled") and time.monotonic() < deadline:
        page.wait_for_timeout(250)
    page.wait_for_timeout(SETTLING_SECONDS * 1000)
    return page.evaluate("({...speed.seen, isInView: speed.isEndInView()})")
