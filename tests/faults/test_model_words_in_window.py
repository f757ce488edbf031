"""Family D in Hearth's own window: the Qt web view reaches nobody either."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.desktop.conftest import Opened, open_window, screen
from tests.faults.carriers import FETCHES, OVERLAYS, RUNS
from tests.faults.sink import Sink, screenfuls, store_answers

__all__ = ["open_window", "screen"]

pytestmark = pytest.mark.desktop
LATE_SECONDS = 4


@pytest.mark.parametrize(
    "cases", [FETCHES, pytest.param(RUNS | OVERLAYS, marks=pytest.mark.slow)], ids=["what would load", "what would run"]
)
def test_an_answer_in_the_window_reaches_nobody(
    open_window: Callable[..., Opened], tmp_path: Path, cases: dict[str, str]
) -> None:
    sink = Sink()
    for number, part in enumerate(screenfuls(cases)):
        data_dir = tmp_path / f"data{number}"
        store_answers(data_dir, map(sink.in_words, part))
        shown(open_window(data_dir=data_dir))
    sink.close()

    assert sink.visitors == []


def shown(opened: Opened) -> None:
    assert eventually(lambda: opened.has_window() and opened.has_page(), within_seconds=40)
    time.sleep(LATE_SECONDS)
    assert opened.process.poll() is None
    opened.process.terminate()
    opened.process.wait(timeout=15)
