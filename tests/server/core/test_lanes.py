"""The order of jobs within a lane."""

from __future__ import annotations

from pyresponses_ws.server.core.lanes import Lanes


def test_a_lane_hands_out_one_job_at_a_time_in_order() -> None:
    """The next is there once the running one is released."""
    lanes: Lanes[int] = Lanes()
    lanes.put("a", 1)
    lanes.put("a", 2)
    assert (lanes.take("a"), lanes.take("a")) == (1, None)
    lanes.release("a")
    assert (lanes.take("a"), lanes.take("b")) == (2, None)


def test_lanes_are_independent() -> None:
    """A running lane holds no other up, the default one included."""
    lanes: Lanes[int] = Lanes()
    for lane in ("a", None):
        lanes.put(lane, 1)
    assert (lanes.take("a"), lanes.take(None)) == (1, 1)
