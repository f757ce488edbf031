"""The story of a first day with the window: opens, is asked, answers, is set up, is closed, and comes back as it was."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from person import STILL_PIXELS, Person, eventually
from stage import Stage

QUESTION = "Name three colours."
A_WINDOW_PIXELS = 100_000
MOVED_PIXELS = 150  # a radio button's dot, and no caret
ANSWER_SECONDS = 120
BESIDE_THE_CHAT = (1120, 450)  # nothing to press there, in a window of 1200 by 800


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the process to the start page, and to a page that takes what is typed."""

    window_seconds: float
    usable_seconds: float


@contextmanager
def opened(stage: Stage, person: Person, *, said: Path) -> Generator[tuple[subprocess.Popen[str], Start]]:
    """Starts the window and types into it until it listens. Where the story breaks, adds what it said and a picture."""
    empty = person.sees()
    began = time.monotonic()
    process = stage.start(said=said)
    try:
        person.window()
        eventually(lambda: person.sees_after(empty) > A_WINDOW_PIXELS, within_seconds=20, every_seconds=0.02)
        window_seconds = time.monotonic() - began
        yield process, Start(window_seconds, _until_usable(person, began))
    except (AssertionError, TimeoutError) as error:
        picture = Path(tempfile.gettempdir()) / "hearth-smoke.png"
        person.keeps_picture(picture)
        error.add_note(f"Picture: {picture}. It said:\n{said.read_text(encoding='utf-8')[-3000:]}")
        raise
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=20)


def _until_usable(person: Person, began: float) -> float:
    """A letter typed on the start page changes nothing; on the page it appears, and goes again when it is taken back."""
    gives_up = time.monotonic() + 90
    while time.monotonic() < gives_up:
        person.presses("x")
        shown = time.monotonic() - began
        with_letter = person.sees()
        person.presses("BackSpace")
        time.sleep(0.05)
        without = person.sees()
        person.presses("x")
        time.sleep(0.05)
        appeared = person.sees_after(without)
        again = person.sees_after(with_letter)
        person.presses("BackSpace")
        if 8 < appeared < 5000 and again < STILL_PIXELS:
            return shown
    raise TimeoutError("the page took no letter")


def is_asked(stage: Stage, person: Person, question: str = QUESTION) -> str:
    """Types a question and gives the answer as the database has it, once the page shows its end too."""
    before = len(stage.answers())
    person.types(question)
    person.presses("Return")
    answers = eventually(lambda: stage.answers()[before:], within_seconds=ANSWER_SECONDS, every_seconds=0.3)
    assert answers, "no answer in the database"
    person.waits_for_stillness()
    return " ".join(part["text"] for part in json.loads(answers[0]) if part.get("text"))


def words_of(answer: str) -> list[str]:
    """The first words of an answer, as they must stand on the page whatever its Markdown becomes."""
    return re.findall(r"[A-Za-z]{3,}", answer)[:5]


def page_shows(person: Person, *wanted: str) -> str:
    """The page's text, once all of `wanted` is in it. Raises AssertionError with what was there instead."""

    def look() -> str:
        person.clicks(*BESIDE_THE_CHAT)
        text = person.reads()
        return text if all(words in text for words in wanted) else ""

    found = eventually(look, within_seconds=20, every_seconds=0.5)
    assert found, f"the page does not show {wanted}, but:\n{person.reads()[:2000]}"
    return found


def changes_a_setting(stage: Stage, person: Person) -> None:
    """Goes to Settings with the keyboard alone, chooses another look and saves."""
    settings = stage.data_dir / "settings.json"
    person.clicks(*BESIDE_THE_CHAT)
    assert _tabs_until(person, lambda: "Temperature" in _chosen(person), most=12), "Settings did not open"
    for _ in range(16):
        before = person.sees()
        person.presses("Right")  # moves a caret in a text, and a choice among several
        time.sleep(0.3)
        if person.sees_after(before) > MOVED_PIXELS:
            break
        person.presses("Tab")
        time.sleep(0.2)
    person.presses("Tab", "Return")

    def is_saved() -> bool:
        return settings.exists() and json.loads(settings.read_text(encoding="utf-8")).get("theme") != "system"

    assert eventually(is_saved, within_seconds=10), "the setting was not saved"


def _chosen(person: Person) -> str:
    person.presses("Return")
    time.sleep(0.6)
    return person.reads()


def _tabs_until(person: Person, look: Callable[[], bool], *, most: int) -> bool:
    for _ in range(most):
        person.presses("Tab")
        if look():
            return True
    return False


def closes(process: subprocess.Popen[str], person: Person) -> float:
    """Closes the window as a person does; gives the seconds until its process had ended, with code 0."""
    began = time.monotonic()
    person.closes_window()
    try:
        code = process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError("closing the window did not end it") from None
    assert code == 0, f"it ended with {code}"
    return time.monotonic() - began
