"""How it is told: the machine, and a table with a line for each case and contender."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psutil

from tests.benchmarks.speed.streaming import Slow, Streamed

HEAD = """\
request: from the key press until the endpoint has the question. first, late: from the endpoint's first and last token
until it can be seen. settled: from the last token until it stands where it stays. whole: from the key press until the
end can be seen. Frames over 50/100 ms: before the first token, while it streams (and the longest of them), and after
the endpoint's last token (the same). upd/s: visible updates of the text per second while it streams. Seconds of
processor time and MB (PSS) of the server with its children, and of the page's process. Medians of the rounds; of
frames, the worst round. '!': the end was not in view. '-': not seen in time."""
COLUMNS = ("case", "who", "request", "first", "late", "settled", "whole", "asking", "streaming", "longest", "settling",
           "longest", "upd/s", "server s", "page s", "server MB", "page MB")  # fmt: skip
WIDTHS = (16, 7, 8, 7, 8, 8, 8, 7, 9, 8, 8, 8, 6, 9, 7, 10, 8)


def machine() -> str:
    """What the figures were measured on."""
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    libraries = ", ".join(f"{name} {version(name)}" for name in ("gradio", "openai", "uvicorn", "playwright"))
    return (
        f"{os.cpu_count()} cores, {cpu}, {psutil.virtual_memory().total / 2**30:.0f} GiB, {platform.platform()},"
        f" Python {platform.python_version()}, {libraries}"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []


def grid(*rows: Sequence[str]) -> str:
    """Rows of cells under each other, the first column to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows)
    return "\n".join("  ".join(line) for line in lines)


def number(figure: float | None, form: str = ".3f") -> str:
    """A cell; "-" for what was not seen."""
    return "-" if figure is None else format(figure, form)


def header() -> str:
    return _row(COLUMNS)


def row(case: str, who: str, rounds: Sequence[Streamed]) -> str:
    """One line of the table."""
    mark = "" if all(each.is_in_view for each in rounds) else "!"
    return _row([
        case, who,
        _middle(rounds, lambda it: it.request), _middle(rounds, lambda it: it.first),
        _middle(rounds, lambda it: it.late) + mark, _middle(rounds, lambda it: it.settled),
        _middle(rounds, lambda it: it.whole, ".1f"),
        _worst(rounds, lambda it: it.slow_asking), _worst(rounds, lambda it: it.slow_streaming),
        f"{max(it.longest for it in rounds):.3f}", _worst(rounds, lambda it: it.slow_settling),
        f"{max(it.longest_settling for it in rounds):.3f}", _middle(rounds, lambda it: it.updates, ".1f"),
        _middle(rounds, lambda it: it.server_seconds, ".2f"), _middle(rounds, lambda it: it.page_seconds, ".2f"),
        _middle(rounds, lambda it: it.server_megabytes, ".0f"), _middle(rounds, lambda it: it.page_megabytes, ".0f"),
    ])  # fmt: skip


def _row(cells: Sequence[str]) -> str:
    padded = [cell.rjust(width) for cell, width in zip(cells, WIDTHS, strict=True)]
    return " ".join([cells[0].ljust(WIDTHS[0]), cells[1].ljust(WIDTHS[1]), *padded[2:]])


def _middle(rounds: Sequence[Streamed], figure: Callable[[Streamed], float | None], form: str = ".3f") -> str:
    figures = [figure(each) for each in rounds]
    return "-" if None in figures else format(median(each for each in figures if each is not None), form)


def _worst(rounds: Sequence[Streamed], figure: Callable[[Streamed], Slow]) -> str:
    return "/".join(str(max(figure(each)[place] for each in rounds)) for place in range(2))
