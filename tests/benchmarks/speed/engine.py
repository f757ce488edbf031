"""The built-in engine's own tokens per second beside those that come through the page, in turns."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from playwright.sync_api import Page

from assistant.engines import GenerationOptions
from assistant.engines.embedded import EmbeddedEngine
from assistant.events import TextDelta, UsageReported
from assistant.messages import user
from assistant.paths import starter_model
from tests.benchmarks.speed.browser import chromium, comes_true, new_page
from tests.benchmarks.speed.contenders import ENGINE_TOKENS, HEARTH
from tests.benchmarks.speed.start import ARRIVAL, answered, usable_at, watching

# So long a story that each answer is cut, and has as many tokens through the page as without it.
QUESTION = "Tell me a very long story about a lighthouse, its keeper and the sea."
QUIET_SECONDS = 4.0  # between two: the chat's title has come


@dataclass(frozen=True)
class Straight:
    """An answer that was taken from the engine itself. `own_rate` is the engine's figure, tokens per second."""

    text: str
    tokens: int
    seconds: float  # between the first and the last words
    own_rate: float

    @property
    def rate(self) -> float:
        return (self.tokens - 1) / self.seconds


@dataclass(frozen=True)
class Pair:
    """The same question, both ways: tokens per second."""

    straight: float
    own: float
    through_page: float | None  # None: no answer was seen
    is_same_text: bool

    @property
    def times(self) -> float | None:
        return self.through_page and self.through_page / self.straight


def engine(rounds: int) -> Iterator[Pair]:
    """Asks both ways in turns, after one answer each that does not count."""
    with (
        _straight() as ask,
        HEARTH.serving("") as served,
        chromium() as browser,
    ):
        page = new_page(browser, [ARRIVAL, watching(HEARTH)])
        page.goto(served.address)
        assert usable_at(page), "the page cannot be used"
        for number in range(rounds + 1):
            straight = ask(QUESTION)
            seconds = _through(page, is_first=number == 0)
            page.wait_for_timeout(QUIET_SECONDS * 1000)
            if number:
                rate = (straight.tokens - 1) / seconds if seconds else None
                yield Pair(straight.rate, straight.own_rate, rate, straight.text == _last_answer(served.data))


def _through(page: Page, *, is_first: bool) -> float | None:
    """Seconds between the first and the last words that could be seen, of an answer in a chat of its own."""
    if not is_first:
        page.locator("#new-chat").click()
        assert comes_true(page, f"!document.querySelector('{HEARTH.settled} [data-testid=bot]')"), "no new chat"
        page.evaluate("arrival.forget()")
    page.locator(HEARTH.input).fill(QUESTION)
    page.locator(HEARTH.input).press("Enter")
    words = answered(page, HEARTH)
    return words and words[1] - words[0]


def _last_answer(data: Path) -> str:
    with closing(sqlite3.connect(f"file:{data / 'hearth.db'}?mode=ro", uri=True)) as db:
        (parts,) = db.execute("SELECT parts FROM messages WHERE role = 'assistant' ORDER BY rowid DESC").fetchone()
    return "".join(part.get("text", "") for part in json.loads(parts))


@contextmanager
def _straight() -> Iterator[Callable[[str], Straight]]:
    """An engine of our own. In a thread: the browser's driver runs an event loop in this one."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(1) as thread,
    ):
        built_in = EmbeddedEngine(starter_model(), log_file=Path(folder) / "engine.log")
        runner = asyncio.Runner()

        async def ask(question: str) -> Straight:
            moments: list[float] = []
            text, usage = "", UsageReported(None, None, None)
            options = GenerationOptions(temperature=0.0, max_tokens=ENGINE_TOKENS)
            async for event in built_in.stream([user(question)], options):
                if isinstance(event, TextDelta):
                    moments.append(monotonic())
                    text += event.text
                if isinstance(event, UsageReported):
                    usage = event
            tokens = usage.completion_tokens or len(moments)
            return Straight(text, tokens, moments[-1] - moments[0], usage.tokens_per_second or 0.0)

        try:
            yield lambda question: thread.submit(runner.run, ask(question)).result()
        finally:
            thread.submit(runner.run, built_in.aclose()).result()
            thread.submit(runner.close).result()
