"""Measures Hearth beside the floor and stock Gradio, in turns, and prints a table.

    uv run --group dev python -m tests.benchmarks.speed [--who floor,hearth] [--cases 2000@200/0,...] [--rounds 3]

A case is TOKENS@RATE/MESSAGES: an answer of so many tokens at so many a second (`max`: as fast as they are taken) in a
chat that has so many messages; TOKENS may be TEXT+REASONING. `--list` shows the usual ones. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import re

from tests.benchmarks.speed import table
from tests.benchmarks.speed.cases import CASES, Case
from tests.benchmarks.speed.contenders import CONTENDERS
from tests.benchmarks.speed.streaming import Streamed, stream


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--who", default=",".join(CONTENDERS), help="a choice of " + ", ".join(CONTENDERS))
    parser.add_argument("--cases", default=",".join(case.name for case in CASES))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--patience", type=float, default=120, help="seconds to wait for the end after the last token")
    parser.add_argument("--list", action="store_true", help="show the usual cases and end")
    given = parser.parse_args()
    if given.list:
        print("\n".join(case.name for case in CASES))
        return
    cases = [case_named(name) for name in given.cases.split(",")]
    contenders = [CONTENDERS[name] for name in given.who.split(",")]
    print(table.machine(), table.HEAD, table.header(), sep="\n", flush=True)
    for case in cases:
        measured: dict[str, list[Streamed]] = {contender.name: [] for contender in contenders}
        for _ in range(given.rounds):
            for contender in contenders:
                measured[contender.name].append(stream(contender, case, patience_seconds=given.patience))
        for name, rounds in measured.items():
            print(table.row(case.name, name, rounds), flush=True)


def case_named(name: str) -> Case:
    """The case that a name such as `8000@500/1000` or `1000+500@max/0` stands for. Raises ValueError."""
    match = re.fullmatch(r"(\d+)(?:\+(\d+))?@(\d+|max)/(\d+)", name)
    if match is None:
        raise ValueError(f"{name!r} is no case; one is TOKENS@RATE/MESSAGES")
    tokens, reasoning, rate, messages = match.groups()
    return Case(int(tokens), 0 if rate == "max" else float(rate), int(messages), int(reasoning or 0))


if __name__ == "__main__":
    main()
