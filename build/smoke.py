"""Proves that a bundle works where nothing of this checkout is: `python build/smoke.py` tells what it tried and saw.

As root it tries everything, in a network of its own with loopback only, as root and as another user. Every check is a
function named after what it proves; the report gives the times and, with --source, the same from the checkout.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hardships
import story
from make import BUNDLE, HOUSE, sizes
from person import Person, keep_displays_apart, screen
from stage import Stage, elsewhere, left_over, stage_for

CUT_OFF = "HEARTH_SMOKE_CUT_OFF"


@dataclass
class Tally:
    """What was tried and how it went, told as it happens."""

    passed: int = 0
    failed: int = 0

    def tries(self, claim: str, proof: Callable[[], str | None]) -> None:
        began = time.monotonic()
        try:
            seen = proof()
        except (AssertionError, OSError, TimeoutError, subprocess.SubprocessError):
            self.failed += 1
            print(f"FAILED  {claim}\n{traceback.format_exc()}", flush=True)
            return
        self.passed += 1
        print(f"ok      {claim} ({time.monotonic() - began:.0f} s){f': {seen}' if seen else ''}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", type=Path, default=BUNDLE, help="the folder (default: dist/hearth)")
    parser.add_argument("--source", action="store_true", help="also time the start from the checkout")
    parser.add_argument("--any-system", action="store_true", help="what can be tried on Windows and macOS too")
    parser.add_argument("--no-window", action="store_true", help="with --any-system: only what needs no screen")
    parser.add_argument("--only", default="", help="only the checks with this in their name")
    options = parser.parse_args()
    if options.any_system:
        return _on_any_system(options.bundle, has_window=not options.no_window)
    if os.geteuid() == 0 and CUT_OFF not in os.environ:
        return _cut_off()
    if CUT_OFF in os.environ:
        keep_displays_apart()
    print(sizes(options.bundle))
    tally = Tally()
    with elsewhere(options.bundle) as bundle, screen() as person, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for name, proof in checks(bundle, person, Path(folder), with_source=options.source).items():
            if options.only in name:
                tally.tries(name, proof)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


def _on_any_system(folder: Path, *, has_window: bool) -> int:
    """What can be tried without X11's tools, with the system's own way to press keys and to see the page."""
    tally = Tally()
    with elsewhere(folder) as bundle, tempfile.TemporaryDirectory() as place:
        program = [str(bundle / ("hearth.exe" if sys.platform == "win32" else "hearth"))]
        asking, examining, day = (
            stage_for(program, Path(place, name), display="") for name in ("ask", "doctor", "window")
        )
        tally.tries("ask answers on standard output and says nothing else", lambda: hardships.asks(asking))
        tally.tries("doctor finds nothing wrong, in JSON and in words", lambda: hardships.examines(examining))
        if has_window:
            someone = _someone()
            tally.tries("a short day with the window", lambda: story.short_day(day, someone, said=Path(place, "said")))
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


def _someone() -> story.AnyPerson:
    if sys.platform == "win32":
        from person_windows import WindowsPerson

        return WindowsPerson()
    if sys.platform == "darwin":
        from person_macos import MacPerson

        return MacPerson()
    raise SystemExit("On Linux, without --any-system, everything is tried.")


def checks(bundle: Path, person: Person, folder: Path, *, with_source: bool) -> dict[str, Callable[[], str | None]]:
    """All that is tried, by the claim that it proves."""
    program = [str(bundle / "hearth")]

    def stage(name: str, *, as_nobody: bool = False, command: list[str] | None = None) -> Stage:
        home = folder / f"{name} home é"
        return stage_for(command or program, home, display=person.display, as_nobody=as_nobody)

    found: dict[str, Callable[[], str | None]] = {
        "a first day with the window": lambda: first_day(stage("first"), person, bundle, said=folder / "said"),
    }
    if os.geteuid() == 0:
        found["a first day as an ordinary user, from a read-only folder"] = lambda: first_day(
            stage("user", as_nobody=True), person, bundle, said=folder / "said"
        )
    found |= {
        "ask answers on standard output and says nothing else": lambda: hardships.asks(stage("ask")),
        "doctor finds nothing wrong, in JSON and in words": lambda: hardships.examines(stage("doctor")),
        "serve prints an address that opens, and ends on SIGTERM": lambda: hardships.serves(stage("serve")),
        "a hostile folder and environment change nothing": lambda: hardships.withstands(stage("hostile"), folder),
        "no display ends in a sentence": lambda: hardships.has_no_display(stage("blind")),
        "nothing is left of all that": lambda: nothing_left(bundle),
    }
    if os.geteuid() == 0:
        found["a missing system library ends in a sentence"] = lambda: hardships.misses_library(
            stage("lib"), bundle, folder
        )
        found["a full disk ends in a sentence"] = lambda: hardships.has_full_disk(stage("full"))
    if with_source:
        found["start, beside the same from source"] = lambda: compared(
            stage("again"), stage("source", command=[sys.executable, "-P", "-m", "launcher"]), person, folder
        )
    return found


def first_day(stage: Stage, person: Person, bundle: Path, *, said: Path) -> str:
    """Opens, answers, keeps a setting, closes, leaves no process, and has the chat when it opens again."""
    with story.opened(stage, person, said=said) as (process, start):
        answer = story.is_asked(stage, person)
        story.page_shows(person, story.QUESTION, *story.words_of(answer))
        story.changes_a_setting(stage, person)
        seconds = story.closes(process, person)
    nothing_left(bundle)
    with story.opened(stage, person, said=said) as (process, again):
        story.page_shows(person, story.QUESTION, *story.words_of(answer))
        story.closes(process, person)
    nothing_left(bundle)
    return (
        f"window {start.window_seconds:.1f} s, usable {start.usable_seconds:.1f} s, closed {seconds:.1f} s; "
        f"again: window {again.window_seconds:.1f} s, usable {again.usable_seconds:.1f} s"
    )


def nothing_left(bundle: Path) -> None:
    """Asserts that no process runs from the bundle, in whatever session."""
    deadline = time.monotonic() + 5
    while (left := left_over(bundle)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left, f"still running: {left}"


def compared(bundle: Stage, source: Stage, person: Person, folder: Path) -> str:
    """Starts both in turn, three times each; gives the medians."""
    source = source.with_variables(PATH=os.environ["PATH"], PYTHONPATH=str(HOUSE))
    lines = []
    for name, stage in (("bundle", bundle), ("source", source)):
        starts = []
        for _ in range(3):
            with story.opened(stage, person, said=folder / "said") as (process, start):
                story.closes(process, person)
            starts.append(start)
        window = sorted(start.window_seconds for start in starts)[1]
        usable = sorted(start.usable_seconds for start in starts)[1]
        lines.append(f"{name}: start page {window:.1f} s, usable {usable:.1f} s")
    return "; ".join(lines)


def _cut_off() -> int:
    """Runs all this again in a network namespace that has nothing but loopback, with mounts of its own."""
    unshare = shutil.which("unshare")
    if not unshare:
        raise SystemExit("unshare (util-linux) is missing: the network cannot be cut off")
    inner = 'ip link set lo up && exec "$@"'
    command = [unshare, "--net", "--mount", "sh", "-c", inner, "sh", sys.executable, __file__, *sys.argv[1:]]
    return subprocess.run(command, env=os.environ | {CUT_OFF: "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
