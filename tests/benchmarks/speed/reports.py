"""What can be measured, each as a function that measures in turns and yields what to print."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.speed import bounds, engine, idle, memory, start, stop, table, turns, window
from tests.benchmarks.speed.bounds import Claim, middle, ratio, told
from tests.benchmarks.speed.cases import Case
from tests.benchmarks.speed.contenders import FLOOR, HEARTH, STOCK, Contender, bundle
from tests.benchmarks.speed.start import Started
from tests.benchmarks.speed.streaming import Streamed, stream
from tests.benchmarks.speed.window import Twice


@dataclass(frozen=True)
class Given:
    """What the command was told."""

    who: Sequence[Contender]
    cases: Sequence[Case]
    rounds: int
    patience_seconds: float
    idle_seconds: float
    turns: int
    executable: Path | None  # of the bundle


def of_streaming(given: Given) -> Iterator[str]:
    yield f"{table.HEAD}\n{table.header()}"
    for case in given.cases:
        measured: dict[str, list[Streamed]] = {contender.name: [] for contender in given.who}
        for _ in range(given.rounds):
            for contender in given.who:
                measured[contender.name].append(stream(contender, case, patience_seconds=given.patience_seconds))
        for name, rounds in measured.items():
            yield table.row(case.name, name, rounds)
        if "hearth" in measured and "floor" in measured:
            yield told("hearth beside the floor", list(bounds.streamed(case, measured["hearth"], measured["floor"])))


def of_starts(given: Given) -> Iterator[str]:
    """The first round does not count: it finds the files on the disk, and compiles."""
    bundles = [bundle(given.executable)] if given.executable else []
    starts: dict[str, Callable[[], Started]] = {
        each.name: lambda each=each: start.start(each) for each in (FLOOR, STOCK, HEARTH, *bundles)
    } | {
        f"{each.name}, own engine": lambda each=each: start.start(each, asks_engine=True) for each in (HEARTH, *bundles)
    }
    windows: dict[str, Callable[[], Twice]] = {"bare": window.bare_window, "hearth": window.hearth_window}
    if given.executable:
        windows["bundle"] = lambda: window.hearth_window(given.executable)
    seen: dict[str, list[Twice]] = {name: [] for name in windows}
    started: dict[str, list[Started]] = {name: [] for name in starts}
    for number in range(given.rounds + 1):
        for name, show in windows.items():
            seen[name] += [show()] if number else []
        for name, begin in starts.items():
            started[name] += [begin()] if number else []
    yield table.grid(
        ["start page shown", "first start, s", "second, s"],
        *(
            [name, *(table.number(middle(rounds, lambda it, at=at: it[at])) for at in (0, 1))]
            for name, rounds in seen.items()
        ),
    )
    yield table.grid(
        ["start", "address s", "usable s", "request s", "then first words s", "whole s"],
        *([name, *_cells(rounds)] for name, rounds in started.items()),
    )
    for name in ("hearth", *(each.name for each in bundles)):
        yield told(name, list(_of_start(name, seen, started)))


def _cells(rounds: Sequence[Started]) -> list[str]:
    figures: list[Callable[[Started], float | None]] = [
        lambda it: it.address,
        lambda it: it.usable,
        lambda it: it.request,
        lambda it: it.first,
        lambda it: it.whole,
    ]
    return [table.number(middle(rounds, figure)) for figure in figures]


def _of_start(name: str, seen: dict[str, list[Twice]], started: dict[str, list[Started]]) -> Iterator[Claim]:
    for at, which in enumerate(("first", "second")):
        times = ratio(seen[name], seen["bare"], lambda it, at=at: it[at])
        yield Claim(f"start page in a {which} start, times the bare window's", times, 1.2)
    yield Claim("input usable, times stock's", ratio(started[name], started["stock"], lambda it: it.usable), 0.75)
    later = bounds.difference(started[name], started["floor"], lambda it: it.request)
    yield Claim("first request later than the floor's by", later, 0.1)
    yield Claim("own engine's first words after usable", middle(started[f"{name}, own engine"], lambda it: it.first), 1)


def of_idling(given: Given) -> Iterator[str]:
    seconds = given.idle_seconds
    measured = {
        "stock, a page open": idle.idle(STOCK, has_page=True, seconds=seconds),
        "hearth, a page open": idle.idle(HEARTH, has_page=True, seconds=seconds),
        "hearth, no page": idle.idle(HEARTH, has_page=False, seconds=seconds),
        "hearth with its engine, a page open": idle.idle(HEARTH, has_page=True, seconds=seconds, has_engine=True),
        "hearth with its engine, no page": idle.idle(HEARTH, has_page=False, seconds=seconds, has_engine=True),
    }
    yield table.grid(
        [f"idle for {seconds:g} s", "server % of a core", "page %", "threads", "descriptors"],
        *(
            [name, table.number(it.server_percent, ".2f"), table.number(it.page_percent, ".2f"), str(it.threads),
             str(it.descriptors)]
            for name, it in measured.items()
        ),
    )  # fmt: skip
    percents = [(name, it.server_percent) for name, it in measured.items() if name.startswith("hearth")]
    yield told("% of a core", [Claim(name, percent, 0.5) for name, percent in percents])


def of_turns(given: Given) -> Iterator[str]:
    marks = sorted({mark for mark in turns.MARKS if mark < given.turns} | {given.turns})
    grown = list(turns.turns(marks))
    yield table.grid(
        ["turns", "s", "server MB", "page MB", "threads", "descriptors", "temporary files"],
        *(
            [str(it.turns), table.number(it.seconds, ".1f"), table.number(it.megabytes, ".1f"),
             table.number(it.page_megabytes, ".0f"), str(it.threads), str(it.descriptors), str(it.temporary_files)]
            for it in grown
        ),
    )  # fmt: skip
    warm, end = next((it for it in grown if it.turns == turns.WARM), grown[0]), grown[-1]
    claims = [
        Claim("server MB", end.megabytes - warm.megabytes),
        Claim("threads", end.threads - warm.threads),
        Claim("descriptors", end.descriptors - warm.descriptors),
        Claim("temporary files", end.temporary_files - warm.temporary_files),
    ]
    yield told(f"more after {end.turns} turns than after {warm.turns}", claims)


def of_memory(given: Given) -> Iterator[str]:
    measured: dict[str, list[float]] = {"stock": [], "hearth": []}
    for _ in range(given.rounds):
        for contender in (STOCK, HEARTH):
            measured[contender.name].append(memory.memory(contender))
    yield table.grid(
        [f"after {memory.MESSAGES} messages", "server MB"],
        *([name, table.number(middle(rounds, lambda it: it), ".1f")] for name, rounds in measured.items()),
    )
    times = ratio(measured["hearth"], measured["stock"], lambda it: it)
    yield told("hearth", [Claim("server's memory, times stock's", times, 1.15)])


def of_engine(given: Given) -> Iterator[str]:
    pairs = list(engine.engine(given.rounds))
    yield table.grid(
        ["round", "engine's own tokens/s", "straight from it", "through the page", "times", "same text"],
        *(
            [str(number), table.number(it.own, ".1f"), table.number(it.straight, ".1f"),
             table.number(it.through_page, ".1f"), table.number(it.times, ".3f"), "yes" if it.is_same_text else "no"]
            for number, it in enumerate(pairs, start=1)
        ),
    )  # fmt: skip
    times = middle(pairs, lambda it: it.times)
    yield told("hearth", [Claim("through the page, times straight", times, 0.97, is_at_least=True)])


def of_stops(given: Given) -> Iterator[str]:
    measured: dict[int, list[stop.Stops]] = {}
    for each in stop.stops(given.rounds):
        measured.setdefault(each.batch_tokens, []).append(each)
    yield table.grid(
        ["tokens a batch", "prompt read, s", *(f"free after {seconds:g} s, s" for seconds in stop.STOPPED_AFTER)],
        *(
            [str(batch), *(table.number(each, ".2f") for each in _stopped(rounds))]
            for batch, rounds in measured.items()
        ),
    )
    _, *waiting = _stopped(measured[stop.BATCHES[0]])
    moments = zip(stop.STOPPED_AFTER, waiting, strict=True)
    claims = [Claim(f"next question's first word, stopped after {seconds:g} s", it, 1) for seconds, it in moments]
    yield told(f"hearth ({stop.BATCHES[0]} tokens a batch)", claims)


def _stopped(rounds: Sequence[stop.Stops]) -> list[float | None]:
    waits = range(len(stop.STOPPED_AFTER))
    return [
        middle(rounds, lambda it: it.reading),
        *(middle(rounds, lambda it, number=number: it.waiting[number]) for number in waits),
    ]


REPORTS: dict[str, Callable[[Given], Iterator[str]]] = {
    "stream": of_streaming,
    "start": of_starts,
    "idle": of_idling,
    "turns": of_turns,
    "memory": of_memory,
    "engine": of_engine,
    "stop": of_stops,
}
