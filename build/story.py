"""A first day with the window: it opens, is asked, answers, is set up, is closed, and comes back as it was."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from person import STILL_PIXELS, Person, eventually
from PIL import Image
from stage import Stage

QUESTION = "Name three colours."
WELCOME = "What is on your mind?"
A_WINDOW_PIXELS = 100_000
ANSWER_SECONDS = 240
BESIDE_THE_CHAT = (1120, 450)  # nothing to press there, in a window of 1200 by 800
PAGES_OF_SETTINGS = 5
TAB_PLACES = tuple((x, 77) for x in range(70, 520, 25))  # left on the bar of tabs, where nothing else is


class AnyPerson(Protocol):
    """Somebody before a desktop of whatever system."""

    def window(self, *, within_seconds: float = ...) -> str: ...
    def types(self, text: str) -> None: ...
    def presses_enter(self) -> None: ...
    def reads(self) -> str: ...
    def closes_window(self) -> None: ...


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
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _until_usable(person: Person, began: float) -> float:
    """Types until the page listens. Each time a letter is waited for a little longer: a busy machine draws late."""
    gives_up = time.monotonic() + 90
    patience_seconds = 0.05
    while time.monotonic() < gives_up:
        if typed := _letter_taken(person, patience_seconds):
            return typed - began
        patience_seconds = min(2.0, patience_seconds * 1.15)
    raise TimeoutError("the page took no letter")


def _letter_taken(person: Person, patience_seconds: float) -> float:
    """When a letter was typed that appeared, went when it was taken back, and was the same when typed again; else 0. On
    the start page it changes nothing."""

    def comes(least: int, most: int, picture: Image.Image) -> bool:
        return eventually(
            lambda: least <= person.sees_after(picture) < most, within_seconds=patience_seconds, every_seconds=0.02
        )

    without = person.sees()
    person.presses("x")
    typed = time.monotonic()
    appeared = comes(9, 5000, without)
    with_letter = person.sees()
    person.presses("BackSpace")
    went = appeared and comes(0, STILL_PIXELS, without)
    person.presses("x")
    again = went and comes(0, STILL_PIXELS, with_letter)
    person.presses("BackSpace")
    return typed if again else 0.0


def is_asked(stage: Stage, person: Person, question: str = QUESTION) -> str:
    """Types a question and gives the answer as the database has it, once the page shows its end too."""
    before = len(stage.answers())
    person.types(question)
    person.presses("Return")
    answers = eventually(lambda: stage.answers()[before:], within_seconds=ANSWER_SECONDS, every_seconds=0.3)
    assert answers, "no answer in the database"
    person.waits_for_stillness()
    return _text_of(answers[0])


def short_day(stage: Stage, person: AnyPerson, *, said: Path) -> str:
    """What can be tried of a first day on any desktop: it opens, answers, closes, and has the chat when it opens again.
    Raises AssertionError and TimeoutError with what it said."""
    _opens_and_closes(stage, person, said=said, wanted=[WELCOME], is_to_ask=True)
    _opens_and_closes(stage, person, said=said, wanted=[QUESTION], is_to_ask=False)
    return "opened twice"


def _opens_and_closes(stage: Stage, person: AnyPerson, *, said: Path, wanted: list[str], is_to_ask: bool) -> None:
    process = stage.start(said=said)
    try:
        person.window()
        _comes_to_show(person, wanted)
        if is_to_ask:
            person.types(QUESTION)
            person.presses_enter()
            answers = eventually(stage.answers, within_seconds=ANSWER_SECONDS, every_seconds=1)
            assert answers, "no answer in the database"
            _comes_to_show(person, words_of(_text_of(answers[0])))
        person.closes_window()
        assert process.wait(timeout=20) == 0
    except (AssertionError, TimeoutError, subprocess.TimeoutExpired) as error:
        error.add_note(f"It said:\n{said.read_text(encoding='utf-8')[-3000:]}")
        raise
    finally:
        if process.poll() is None:
            process.kill()


def _comes_to_show(person: AnyPerson, wanted: list[str]) -> None:
    found = eventually(lambda: all(words in person.reads() for words in wanted), within_seconds=120, every_seconds=2)
    assert found, f"the page does not show {wanted}, but:\n{person.reads()[:2000]}"


def _text_of(parts: str) -> str:
    return " ".join(part["text"] for part in json.loads(parts) if part.get("text"))


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
    """Opens Settings, goes on with the keyboard alone, chooses the last look there is, Dark, and saves."""
    before = person.sees()
    assert any(_opens_settings(person, place) for place in TAB_PLACES), "Settings did not open"
    person.presses(*["Tab"] * PAGES_OF_SETTINGS)  # past their names, which Space would open
    assert any(_next_stop_saves(stage, person) for _ in range(40)), "the setting was not saved"
    person.waits_for_stillness()
    assert person.sees_after(before) > A_WINDOW_PIXELS, "the window did not become dark"


def _opens_settings(person: Person, place: tuple[int, int]) -> bool:
    person.clicks(*place)
    time.sleep(0.5)
    return "Temperature" in person.reads()


def _next_stop_saves(stage: Stage, person: Person) -> bool:
    """Space ticks a choice and presses a button; in a text it is taken back at once."""
    person.presses("Tab", "space", "BackSpace")
    file = stage.data_dir / "settings.json"

    def is_dark() -> bool:
        return file.exists() and json.loads(file.read_text(encoding="utf-8"))["theme"] == "dark"

    return eventually(is_dark, within_seconds=1)


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
