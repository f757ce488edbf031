"""The line before an engine that gives one answer at a time: who came first is first, and all see the line move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager

from assistant.errors import Busy

MOST_WAITING = 32


class Line:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._places: list[Place] = []

    @contextmanager
    def place(self) -> Generator[Place]:
        """A place at the end of the line, as long as the block runs. Raises Busy where too many wait."""
        if len(self._places) > MOST_WAITING:
            raise Busy("engine-line-full", count=MOST_WAITING)
        place = Place(self._places)
        self._places.append(place)
        try:
            yield place
        finally:
            self._places.remove(place)
            for other in self._places:
                other.moved.set()


class Place:
    """One who stands in line."""

    def __init__(self, line: list[Place]) -> None:
        self._line = line
        self.moved = asyncio.Event()

    async def ahead(self) -> AsyncGenerator[int]:
        """How many are before this one, whenever that changes, and at last 0: then it is its turn. Nothing for one who
        is first at once."""
        while before := self._line.index(self):
            self.moved.clear()
            yield before
            await self.moved.wait()
            if self._line[0] is self:
                yield 0
