"""The pace of frames."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.ui.pace import LONGEST_SECONDS, SHORTEST_SECONDS, Pace


@given(st.floats(0, 100))
def test_frames_come_neither_too_often_nor_too_seldom(cost: float) -> None:
    assert SHORTEST_SECONDS <= Pace().after(cost).interval_seconds <= LONGEST_SECONDS


def test_a_dear_frame_slows_the_next_one_down() -> None:
    assert Pace().after(0.04).interval_seconds > Pace().after(0.001).interval_seconds
