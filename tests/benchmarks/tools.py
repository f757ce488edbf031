"""How often the starter model calls the right tool: `python -m tests.benchmarks.tools [WAY...]`.

Fifty tasks over nine tools, and twenty questions that need none, by each way that a model can take tools (see
`assistant.engines.calling`); no tool is run. An argument counts where only one is right. Temperature 0: what it prints
is the same at each run.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, cast, get_args

from assistant.engines import AnswerFinished, GenerationOptions
from assistant.engines.calling import Way
from assistant.engines.embedded import EmbeddedEngine
from assistant.messages import ToolCall, user
from assistant.paths import starter_model
from tests.benchmarks.tool_tasks import OFFERS, ORDINARY, SUMS, TASKS, Task

OPTIONS = GenerationOptions(temperature=0, max_tokens=60, tools=OFFERS)


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    has_call: bool
    is_right_tool: bool
    is_right: bool
    seconds: float


def main() -> None:
    ways = cast("Sequence[Way]", sys.argv[1:] or get_args(Way))
    print(
        f"{'way':10} {'right tool':>12} {'and arguments':>14} {'of the sums':>12} {'no call, of ordinary':>21} "
        f"{'s a call':>9}"
    )
    for way in ways:
        asyncio.run(measure(way))


async def measure(way: Way) -> None:
    async with starter(way) as engine:
        outcomes = [(task, await tried(engine, task)) for task in TASKS]
        quiet = [not (await asked(engine, question))[0] for question in ORDINARY]
    tools = sum(outcome.is_right_tool for _, outcome in outcomes)
    right = sum(outcome.is_right for _, outcome in outcomes)
    sums = sum(outcome.is_right for task, outcome in outcomes if task in SUMS)
    called = [outcome.seconds for _, outcome in outcomes if outcome.has_call]
    seconds = f"{sum(called) / len(called):9.2f}" if called else f"{'-':>9}"
    print(
        f"{way:10} {_share(tools, TASKS):>12} {_share(right, TASKS):>14} {_share(sums, SUMS):>12} "
        f"{_share(sum(quiet), ORDINARY):>21} {seconds}"
    )
    for task, outcome in outcomes:
        if not outcome.is_right and outcome.has_call:
            print(f"    {task.question}", file=sys.stderr)


@asynccontextmanager
async def starter(way: Way) -> AsyncGenerator[EmbeddedEngine]:
    with tempfile.TemporaryDirectory() as folder:
        engine = EmbeddedEngine(starter_model(), log_file=Path(folder) / "engine.log", way=way)
        try:
            await engine.start()
            yield engine
        finally:
            await engine.aclose()


async def tried(engine: EmbeddedEngine, task: Task) -> Outcome:
    calls, seconds = await asked(engine, task.question)
    arguments = arguments_of(calls[0]) if calls else None
    is_right_tool = arguments is not None and [call.name for call in calls] == [task.tool]
    is_right = is_right_tool and (task.fits is None or task.fits(cast("Any", arguments)))
    return Outcome(bool(calls), is_right_tool, is_right, seconds)


async def asked(engine: EmbeddedEngine, question: str) -> tuple[tuple[ToolCall, ...], float]:
    """The calls that a question led to, and how long that took."""
    began, calls = monotonic(), ()
    async with aclosing(engine.stream([user(question)], OPTIONS)) as events:
        async for event in events:
            if isinstance(event, AnswerFinished):
                calls = event.tool_calls
    return calls, monotonic() - began


def arguments_of(call: ToolCall) -> dict[str, Any] | None:
    """The arguments, where they are an object with everything that the tool needs, in its types; else None."""
    offer = next((offer for offer in OFFERS if offer.name == call.name), None)
    try:
        value = json.loads(call.arguments)
    except ValueError:
        return None
    if offer is None or not isinstance(value, dict):
        return None
    fields, known = cast("dict[str, Any]", value), offer.parameters["properties"]
    is_whole = set(offer.parameters["required"]) <= fields.keys() <= set(known)
    return fields if is_whole and all(_is_valid(fields[name], known[name]) for name in fields) else None


def _is_valid(value: object, schema: dict[str, Any]) -> bool:
    kinds: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float)}
    return type(value) in kinds[schema["type"]] and ("enum" not in schema or value in schema["enum"])


def _share(count: int, of: Sequence[object]) -> str:
    return f"{count}/{len(of)} {count / len(of):4.0%}"


if __name__ == "__main__":
    main()
