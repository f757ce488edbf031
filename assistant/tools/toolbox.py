"""All tools there are, from wherever they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assistant.tools.tool import Tool

Source = Callable[[], Sequence[Tool]]


class Toolbox:
    """The tools of several sources, as they are at the moment: Hearth's own, the person's, those of servers.

    A name belongs to the first source that has it, so that nobody else's tool takes the place of one of ours.
    """

    def __init__(self, *sources: Source) -> None:
        self._sources = list(sources)

    def add(self, source: Source) -> None:
        """One more source, behind those that are there."""
        self._sources.append(source)

    def tools(self) -> tuple[Tool, ...]:
        """Every tool, in the order of the sources."""
        found: dict[str, Tool] = {}
        for source in self._sources:
            for one in source():
                found.setdefault(one.name, one)
        return tuple(found.values())
