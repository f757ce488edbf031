"""The instruments of tests/benchmarks/speed: what is late, held, hidden or thrown away is seen as just that."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.benchmarks.speed.browser import comes_true, new_page
from tests.benchmarks.speed.contenders import FLOOR
from tests.benchmarks.speed.start import ARRIVAL, answered, usable_at, watching
from tests.benchmarks.speed.streaming import INSTRUMENTS, judged
from tests.fake_steps import Moments

pytestmark = pytest.mark.browser

# What floor.py's page has, and `note(name)` for when something was done.
PAGE = """<!doctype html><main id="chat"></main><textarea id="input"%s></textarea><script>
  const chat = document.getElementById("chat"), input = document.getElementById("input"), noted = {};
  const note = (name) => { noted[name] = Date.now() / 1000; };
  const say = (words) => { chat.appendChild(document.createElement("p")).textContent = words; };
  const hold = (milliseconds) => { const end = performance.now() + milliseconds; while (performance.now() < end); };
  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  %s
</script>"""


def opened(page: Page, script: str, *, attributes: str = "") -> Page:
    page.route("http://stage.test/", lambda it: it.fulfill(body=PAGE % (attributes, script), content_type="text/html"))
    page.goto("http://stage.test/")
    return page


def noted(page: Page, name: str) -> float:
    return page.evaluate(f"noted.{name}")


def streamed(browser: Browser, script: str) -> tuple[Page, dict[str, Any]]:
    """A page that runs this after a key press, of which it lets nobody else hear, and what the instruments saw until
    the last word stood."""
    pressed = f"async (event) => {{ event.stopImmediatePropagation(); {script} }}"
    page = opened(new_page(browser, [INSTRUMENTS]), f"addEventListener('keydown', {pressed}, true);")
    page.evaluate("speed.watch({roots: '#chat', settled: '#chat', first: 'begins', last: 'ends'})")
    page.locator("#input").press("Enter")
    assert comes_true(page, "speed.seen.settled")
    return page, page.evaluate("({...speed.seen, isInView: speed.isEndInView()})")


def test_an_input_that_is_late_is_usable_when_it_takes_a_letter(browser: Browser) -> None:
    late = "setTimeout(() => { note('enabled'); input.disabled = false; }, 500);"
    page = opened(new_page(browser, [ARRIVAL, watching(FLOOR)]), late, attributes=" disabled")
    usable = usable_at(page)
    assert usable is not None
    assert usable >= noted(page, "enabled")
    page.close()


def test_a_letter_that_is_thrown_away_does_not_count(browser: Browser) -> None:
    """As where a page's script arrives after its markup, and draws it anew."""
    page = opened(
        new_page(browser, [ARRIVAL, watching(FLOOR)]),
        "const timer = setInterval(() => { input.value = ''; }, 5);"
        "setTimeout(() => { note('alive'); clearInterval(timer); }, 500);",
    )
    assert comes_true(page, "noted.alive && Date.now() / 1000 > noted.alive + 0.8")
    usable = usable_at(page)
    assert usable is not None
    assert usable >= noted(page, "alive")
    page.close()


def test_words_of_an_answer_count_from_when_they_stand_in_the_page(browser: Browser) -> None:
    page = opened(
        new_page(browser, [ARRIVAL, watching(FLOOR)]),
        "const answer = async () => { say('the question'); say(''); await wait(300); note('first');"
        " chat.lastChild.textContent = 'It'; await wait(500); note('last'); chat.lastChild.textContent = 'It is.'; };"
        "answer();",
    )
    words = answered(page, FLOOR)
    assert words is not None
    assert noted(page, "first") <= words[0] < noted(page, "last") <= words[1]
    page.close()


def test_a_frame_that_is_held_is_seen_whole(browser: Browser) -> None:
    page, seen = streamed(
        browser,
        "say('begins'); await wait(300); note('held'); hold(120); note('free'); await wait(300); say('ends');",
    )
    held, free = noted(page, "held") * 1000, noted(page, "free") * 1000
    slop = 2  # the page's clock and the one that notes are read one after the other
    assert any(begin <= held + slop and end >= free - slop for begin, end in seen["gaps"]), (held, free, seen["gaps"])
    figures = judged(seen, Moments(held / 1000 - 1, held / 1000 - 1, free / 1000 + 60), (0, 0), (0, 0))
    assert figures.slow_streaming[1] >= 1
    assert figures.longest >= 0.115
    page.close()


def test_an_end_that_the_page_keeps_to_itself_is_late(browser: Browser) -> None:
    page, seen = streamed(
        browser,
        "say('begins'); say('ends'); chat.lastChild.style.display = 'none'; note('sent'); await wait(500);"
        " note('shown'); chat.lastChild.style.display = ''; chat.lastChild.textContent += '.';",
    )
    sent, shown = noted(page, "sent"), noted(page, "shown")
    figures = judged(seen, Moments(sent, sent, sent), (0, 0), (0, 0))
    assert figures.first is not None and figures.late is not None
    assert figures.late >= shown - sent >= 0.45
    assert figures.first < figures.late
    page.close()
