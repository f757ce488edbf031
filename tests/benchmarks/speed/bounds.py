"""What Hearth should keep to: each figure as a difference or a ratio, with its bound beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from tests.benchmarks.speed.cases import Case
from tests.benchmarks.speed.streaming import Streamed

T = TypeVar("T")


@dataclass(frozen=True)
class Claim:
    """A figure (None: not seen in time) and its bound (None: none was set)."""

    what: str
    figure: float | None
    bound: float | None = None
    is_at_least: bool = False

    @property
    def holds(self) -> bool:
        if self.bound is None:
            return True
        if self.figure is None:
            return False
        return self.figure >= self.bound if self.is_at_least else self.figure <= self.bound

    def __str__(self) -> str:
        figure = "not seen" if self.figure is None else f"{self.figure:.3f}".removesuffix(".000")
        bound = "" if self.bound is None else f" (at {'least' if self.is_at_least else 'most'} {self.bound:g})"
        return f"{self.what} {figure}{bound}{'' if self.holds else ' !'}"


def told(who: str, claims: Sequence[Claim]) -> str:
    """One paragraph: what was measured, each figure beside its bound; "!" where that is not kept."""
    return f"  {who}: " + "; ".join(map(str, claims))


def streamed(case: Case, hearth: Sequence[Streamed], floor: Sequence[Streamed]) -> Iterator[Claim]:
    """Hearth's answer beside the floor's. Times in seconds, medians; frames and updates are Hearth's own, the worst."""
    is_paced = bool(case.rate_per_second)
    late = (0.2 if case.rate_per_second >= 1_000 else 0.1) if is_paced else None
    yield Claim("request later by", difference(hearth, floor, lambda it: it.request), 0.1)
    yield Claim("first token later by", difference(hearth, floor, lambda it: it.first), 0.05)
    yield Claim("end later by", difference(hearth, floor, lambda it: it.late), late)
    yield Claim("the page's processor time, times", ratio(hearth, floor, lambda it: it.page_seconds), 1.0)
    yield Claim("frames over 100 ms streaming", max(it.slow_streaming[1] for it in hearth), 0)
    yield Claim("settling", max(it.slow_settling[1] for it in hearth), 1)
    if is_paced:
        updates = [it.updates for it in hearth if it.updates is not None]
        yield Claim("updates per second", min(updates, default=None), 10, is_at_least=True)


def middle(rounds: Sequence[T], figure: Callable[[T], float | None]) -> float | None:
    """The median; None where one of them was not seen."""
    figures = [figure(each) for each in rounds]
    seen = [each for each in figures if each is not None]
    return median(seen) if seen and len(seen) == len(figures) else None


def difference(one: Sequence[T], other: Sequence[T], figure: Callable[[T], float | None]) -> float | None:
    """By how much the median of one exceeds that of the other."""
    ours, theirs = middle(one, figure), middle(other, figure)
    return None if ours is None or theirs is None else ours - theirs


def ratio(one: Sequence[T], other: Sequence[T], figure: Callable[[T], float | None]) -> float | None:
    """How many times the other's median the one's is."""
    ours, theirs = middle(one, figure), middle(other, figure)
    return ours / theirs if ours is not None and theirs else None
