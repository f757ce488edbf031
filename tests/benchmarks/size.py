"""What many chats cost: search, start, and the opening of a long chat, each beside its yardstick in one run.

    uv run --group dev python -m tests.benchmarks.size [ROUNDS [FOLDER]]

FOLDER is kept and used again; without it, a profile of 10,000 chats and 200,000 messages is made and thrown away.
A search may take twice the raw FTS5 query, a start with that profile 1.1 times an empty one, and opening a chat of
1,000 messages 1.3 times one of 10.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from assistant.catalogue import Catalogue
from assistant.database import Database
from tests.benchmarks.profiles import CHATS, LONG, MESSAGES, SHORT, Words, make
from tests.conftest import CHROMIUM_FLAGS, hearth_command
from tests.fake_endpoint import FakeEndpoint

ROUNDS = 9
RAW = (
    "SELECT rowid, snippet(words, 0, char(2), char(3), '…', 16) FROM words WHERE words MATCH ?"
    " ORDER BY rowid DESC LIMIT 50"
)


def main() -> int:
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    with tempfile.TemporaryDirectory() as temporary:
        large = Path(sys.argv[2]) if sys.argv[2:] else Path(temporary) / "large"
        empty = Path(temporary) / "empty"
        if not (large / "hearth.db").exists():
            print(f"making {CHATS} chats with {MESSAGES} messages", flush=True)
            make(large)
        make(empty, 0)
        worst = [search(large, rounds), start(large, empty, rounds), opening(large, rounds)]
    print("wanted: at most 2.0, 1.1 and 1.3; the worst of each:", *(f"{ratio:.2f}" for ratio in worst))
    return 0 if worst[0] <= 2.0 and worst[1] <= 1.1 and worst[2] <= 1.3 else 1


def search(data_dir: Path, rounds: int) -> float:
    """The side bar's search beside the bare query to the index."""
    database = Database(data_dir / "hearth.db", is_owner=False)
    catalogue = Catalogue(database)
    known = Words(seed=5).vocabulary
    queries = {
        "the most frequent word": known[0],
        "a frequent word": known[20],
        "a seldom word": known[9000],
        "two words": f"{known[3]} {known[300]}",
        "three letters": known[50][:3],
        "one letter": known[70][:1],
        "no such word": "xyzzyx",
    }
    worst = 0.0
    for name, query in queries.items():
        *whole, last = query.split()
        match = " ".join([*(f'"{word}"' for word in whole), f'"{last}" *'])

        def raw(match: str = match) -> object:
            with database.reading() as db:
                return db.execute(RAW, (match,)).fetchall()

        def ours(query: str = query) -> object:
            return catalogue.search(query)

        seconds = in_turns(rounds * 3, raw, ours)
        ratio = seconds[1] / seconds[0]
        worst = max(worst, ratio)
        print(
            f"search {name:24} raw {seconds[0] * 1000:7.2f} ms   ours {seconds[1] * 1000:7.2f} ms   ratio {ratio:.2f}"
        )
    database.close()
    return worst


def start(large: Path, empty: Path, rounds: int) -> float:
    """From the start of the process until its page has shown a chat and can be written in."""
    with chromium() as page:

        def begin(data_dir: Path) -> object:
            with served(data_dir) as address:
                page.goto(address)
                expect(page.locator("#sidebar")).to_be_visible()
                page.locator("#chat-input textarea").wait_for()
                if data_dir is large:
                    page.get_by_text(LONG[0]).first.wait_for()
                page.goto("about:blank")

        seconds = in_turns(rounds, lambda: begin(empty), lambda: begin(large))
    return told("start", "empty", seconds, "large")


def opening(data_dir: Path, rounds: int) -> float:
    """From the click in the side bar until the last message of the chat is on the page."""
    with chromium() as page, served(data_dir) as address:
        page.goto(address)
        links = {title: page.locator("#sidebar").get_by_text(title, exact=True) for title, _ in (SHORT, LONG)}
        links[SHORT[0]].wait_for()
        last = last_words(data_dir)

        def open_chat(title: str) -> object:
            links[title].click()
            page.locator("#chat-settled").get_by_text(last[title]).wait_for()

        seconds = in_turns(rounds, lambda: open_chat(SHORT[0]), lambda: open_chat(LONG[0]))
    return told("opening", "10 messages", seconds, "1,000 messages")


def told(what: str, first: str, seconds: tuple[float, float], second: str) -> float:
    ratio = seconds[1] / seconds[0]
    print(f"{what}: {first} {seconds[0]:.3f} s   {second} {seconds[1]:.3f} s   ratio {ratio:.2f}", flush=True)
    return ratio


def in_turns(rounds: int, *ways: Callable[[], object]) -> tuple[float, ...]:
    """Seconds that each way takes: medians of so many rounds, after one for warming up."""
    taken: list[list[float]] = [[] for _ in ways]
    for number in range(rounds + 1):
        for way, seconds in zip(ways, taken, strict=True):
            began = time.perf_counter()
            way()
            if number:
                seconds.append(time.perf_counter() - began)
    return tuple(median(seconds) for seconds in taken)


def last_words(data_dir: Path) -> dict[str, str]:
    """The end of the last message of each chat that is opened."""
    database = Database(data_dir / "hearth.db", is_owner=False)
    with database.reading() as db:
        rows: list[Any] = db.execute(
            "SELECT c.title, m.parts ->> '$[0].text' AS said FROM conversations c JOIN messages m ON m.id = c.leaf_id"
            " WHERE c.title IN (?, ?)",
            (SHORT[0], LONG[0]),
        ).fetchall()
    database.close()
    return {row["title"]: str(row["said"])[-30:] for row in rows}


@contextmanager
def chromium() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS)
        yield browser.new_page(viewport={"width": 1200, "height": 800})
        browser.close()


@contextmanager
def served(data_dir: Path) -> Iterator[str]:
    """The one-time address of a Hearth on this profile."""
    endpoint = FakeEndpoint(None, free=None)
    command = hearth_command("serve", "--data-dir", str(data_dir), "--endpoint", endpoint.url, "--model", "fake")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=20)
        endpoint.close()


if __name__ == "__main__":
    sys.exit(main())
