"""When the next frame of a running answer is due: the first word at once, then as often as frames can be afforded."""

from __future__ import annotations

from dataclasses import dataclass

SHORTEST_SECONDS = 0.04  # as smooth to read as 0.03, and a quarter less to paint
LONGEST_SECONDS = 0.25
COST_FACTOR = 4


@dataclass(frozen=True)
class Pace:
    """The rhythm of one answer. `frame_seconds` is what the last frame took to make and hand over; what it takes to
    draw, transcript.js adds on its side."""

    frame_seconds: float = 0.0

    def after(self, frame_seconds: float) -> Pace:
        """The pace once a frame has taken `frame_seconds`."""
        return Pace(frame_seconds)

    @property
    def interval_seconds(self) -> float:
        """Time from one frame's start to the next: frames never take more than a quarter of the processor's time."""
        return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, COST_FACTOR * self.frame_seconds))
