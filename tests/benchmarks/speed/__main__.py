"""Measures Hearth beside the floor and stock Gradio, in turns, and prints tables and what they should keep to.

    uv run --group dev python -m tests.benchmarks.speed [--what stream,start,...] [--cases 2000@200/0,...] [--rounds 3]

stream: an answer, from the key press until all of it can be seen. start: until the start page and the input are there,
and the first answer. idle: the processor while nobody asks. turns: what grows with many of them. memory: after 1,000
messages. engine: the built-in engine's tokens per second, straight and through the page. stop: how soon it is free
after Stop.

A case is TOKENS@RATE/MESSAGES: an answer of so many tokens at so many a second (`max`: as fast as they are taken) in a
chat that has so many messages; TOKENS may be TEXT+REASONING. `--list` shows the usual ones. A figure that is not
within its bound has a "!". Nothing here is a test. Needs a system whose screen can be looked at (Xvfb) for `start`.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
from pathlib import Path

from tests.benchmarks.speed import table
from tests.benchmarks.speed.cases import CASES, Case
from tests.benchmarks.speed.contenders import CONTENDERS
from tests.benchmarks.speed.reports import REPORTS, Given


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", default=",".join(REPORTS), help="a choice of " + ", ".join(REPORTS))
    parser.add_argument("--who", default=",".join(CONTENDERS), help="for stream: a choice of " + ", ".join(CONTENDERS))
    parser.add_argument("--cases", default=",".join(case.name for case in CASES), help="for stream")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--patience", type=float, default=120, help="seconds to wait for the end after the last token")
    parser.add_argument("--idle-seconds", type=float, default=60)
    parser.add_argument("--turns", type=int, default=2000)
    parser.add_argument("--bundle", type=Path, help="the executable of a bundle, whose start is measured too")
    parser.add_argument("--list", action="store_true", help="show the usual cases and end")
    told = parser.parse_args()
    if told.list:
        print("\n".join(case.name for case in CASES))
        return
    given = Given(
        who=[CONTENDERS[name] for name in told.who.split(",")],
        cases=[case_named(name) for name in told.cases.split(",")],
        rounds=told.rounds,
        patience_seconds=told.patience,
        idle_seconds=told.idle_seconds,
        turns=told.turns,
        executable=told.bundle and told.bundle.resolve(),
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    print(table.machine(), flush=True)
    for what in told.what.split(","):
        print(f"\n{what}", flush=True)
        for paragraph in REPORTS[what](given):
            print(paragraph, flush=True)


def case_named(name: str) -> Case:
    """The case that a name such as `8000@500/1000` or `1000+500@max/0` stands for. Raises ValueError."""
    match = re.fullmatch(r"(\d+)(?:\+(\d+))?@(\d+|max)/(\d+)", name)
    if match is None:
        raise ValueError(f"{name!r} is no case; one is TOKENS@RATE/MESSAGES")
    tokens, reasoning, rate, messages = match.groups()
    return Case(int(tokens), 0 if rate == "max" else float(rate), int(messages), int(reasoning or 0))


if __name__ == "__main__":
    main()
