"""The line before the built-in engine."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from assistant.engines.line import MOST_WAITING, Line
from assistant.errors import Busy


def test_who_came_first_is_first_and_all_see_the_line_move() -> None:
    told: list[str] = []

    async def stand(line: Line, name: str, done: asyncio.Event) -> None:
        with line.place() as place:
            async for ahead in place.ahead():
                told.append(f"{name}:{ahead}")  # noqa: PERF401  # told as it moves, not at its end
            told.append(f"{name}!")
            await done.wait()

    async def run() -> None:
        line, ends = Line(), [asyncio.Event() for _ in range(3)]
        standing = [asyncio.create_task(stand(line, name, end)) for name, end in zip("abc", ends, strict=True)]
        for end in ends:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            end.set()
            await asyncio.sleep(0)
        await asyncio.gather(*standing)

    asyncio.run(run())
    assert told == ["a!", "b:1", "c:2", "b:0", "b!", "c:1", "c:0", "c!"]


def test_who_leaves_is_waited_for_no_more() -> None:
    async def run() -> list[int]:
        line = Line()
        with line.place(), ExitStack() as leaver:
            leaver.enter_context(line.place())
            with line.place() as last:
                seen = last.ahead()
                counts = [await anext(seen)]
                leaver.close()
                counts.append(await anext(seen))
                await seen.aclose()
                return counts

    assert asyncio.run(run()) == [2, 1]


def test_of_too_many_the_last_is_told_in_a_sentence() -> None:
    line = Line()
    with ExitStack() as first, ExitStack() as others:
        first.enter_context(line.place())
        for _ in range(MOST_WAITING):
            others.enter_context(line.place())
        with pytest.raises(Busy) as caught, line.place():
            pass
        assert "Retry" in caught.value.hint
        first.close()
        with line.place():
            pass
