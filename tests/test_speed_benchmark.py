"""What tests/benchmarks/speed says of processes, screens and bounds."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.benchmarks.speed import bounds, window
from tests.benchmarks.speed.__main__ import case_named
from tests.benchmarks.speed.bounds import Claim
from tests.benchmarks.speed.processes import (
    descriptors,
    ended,
    launched,
    megabytes,
    module_command,
    processor_seconds,
    threads,
    tree,
)
from tests.benchmarks.speed.streaming import Streamed
from tests.benchmarks.speed.table import grid
from tests.benchmarks.speed.turns import files_in

ANSWER = Streamed(
    request=0.02, first=0.01, late=0.02, whole=10.0, settled=0.02, is_in_view=True, slow_asking=(0, 0),
    slow_streaming=(0, 0), slow_settling=(0, 0), longest=0.02, longest_settling=0.02, updates=30.0, server_seconds=1.0,
    page_seconds=2.0, server_megabytes=100.0, page_megabytes=100.0,
)  # fmt: skip


@contextmanager
def process(script: str) -> Iterator[list[psutil.Process]]:
    """A process that has done this and waits, with its children."""
    started = launched([sys.executable, "-c", f"import time\n{script}\nprint('done', flush=True)\ntime.sleep(60)"])
    try:
        assert started.stdout is not None
        assert started.stdout.readline() == "done\n"
        yield tree(started.pid)
    finally:
        for member in reversed(tree(started.pid)[1:]):
            member.kill()
        ended(started)


def test_what_a_process_and_its_children_hold_and_use_is_seen() -> None:
    more = """
import subprocess, sys, threading
kept = bytearray(b"x") * 60_000_000
files = [open("/dev/null") if sys.platform != "win32" else open("NUL") for _ in range(20)]
for _ in range(5): threading.Thread(target=time.sleep, args=[60], daemon=True).start()
began = time.process_time()
while time.process_time() < began + 0.4: pass
child = subprocess.Popen([sys.executable, "-c", "kept = bytearray(b'x') * 60_000_000; print(flush=True); input()"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
"""
    with process("") as plain, process(more) as laden:
        assert len(laden) == len(plain) + 1
        assert megabytes(laden) > megabytes(plain) + 110
        assert threads(laden) >= threads(plain) + 6
        assert descriptors(laden) >= descriptors(plain) + 20
        assert processor_seconds(laden) >= processor_seconds(plain) - 0.2 + 0.4


def test_files_are_counted_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one").touch()
    (tmp_path / "two").touch()
    assert files_in(tmp_path) == 2


@pytest.mark.desktop
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb")
def test_a_window_that_shows_its_page_half_a_second_late_is_seen_then() -> None:
    colour = window.accent()
    with window.pixels() as looked_at:
        assert not looked_at.shows(colour)
        command = module_command("tests.benchmarks.speed.bare", colour, "0.5")
        bare = launched(command, DISPLAY=looked_at.screen.display)
        try:
            assert bare.stdout is not None
            made = float(bare.stdout.readline())
            seen = looked_at.seen(colour)
        finally:
            ended(bare)
        assert seen is not None
        assert made + 0.5 <= seen <= time.time()
        assert not looked_at.shows("#123456")


def test_an_answer_like_the_floors_keeps_every_bound() -> None:
    assert all(claim.holds for claim in bounds.streamed(case_named("2000@200/0"), [ANSWER], [ANSWER]))


@pytest.mark.parametrize(
    ("worse", "what"),
    [
        (replace(ANSWER, request=0.13), "request"),
        (replace(ANSWER, first=0.07), "first token"),
        (replace(ANSWER, late=0.13), "end later"),
        (replace(ANSWER, late=None), "end later"),
        (replace(ANSWER, page_seconds=2.1), "processor time"),
        (replace(ANSWER, slow_streaming=(1, 1)), "streaming"),
        (replace(ANSWER, slow_settling=(2, 2)), "settling"),
        (replace(ANSWER, updates=9.0), "updates"),
    ],
)
def test_each_figure_that_is_worse_than_its_bound_is_marked(worse: Streamed, what: str) -> None:
    (broken,) = [it for it in bounds.streamed(case_named("2000@200/0"), [worse], [ANSWER]) if not it.holds]
    assert what in broken.what
    assert str(broken).endswith("!")


def test_the_end_of_twenty_thousand_at_a_thousand_may_be_later() -> None:
    claims = bounds.streamed(case_named("20000@1000/0"), [replace(ANSWER, late=0.2)], [ANSWER])
    assert all(claim.holds for claim in claims)


def test_a_claim_says_its_figure_and_its_bound() -> None:
    assert str(Claim("tokens, times", 0.98, 0.97, is_at_least=True)) == "tokens, times 0.980 (at least 0.97)"
    assert str(Claim("frames", 3, 1)) == "frames 3 (at most 1) !"


def test_a_grid_stands_in_columns() -> None:
    assert grid(["what", "s"], ["a", "1.25"]) == "what     s\na     1.25"
