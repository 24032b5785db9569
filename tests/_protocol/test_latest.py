"""Which response a connection can continue."""

from __future__ import annotations

from pyresponses_ws._protocol.latest import LatestResponses
from tests._protocol import wire


def latest(*events: object) -> LatestResponses:
    made = LatestResponses()
    for event in events:
        made.receive_event(event)
    return made


def test_nothing_is_known_at_first() -> None:
    """No response, no id."""
    assert latest().of_any() is None
    assert latest().of_lane(None) is None


def test_the_newest_completed_response_counts() -> None:
    """A later one replaces it; deltas and starts change nothing."""
    made = latest(wire.completed("resp_1"), wire.created("resp_2"), wire.delta())
    assert made.of_any() == "resp_1"
    made.receive_event(wire.completed("resp_2"))
    assert made.of_any() == "resp_2"


def test_lanes_are_apart() -> None:
    """Each lane has its own; of_any is the one that moved last."""
    made = latest(wire.completed("resp_a", lane="a"), wire.completed("resp_b", lane="b"))
    made.receive_event(wire.completed("resp_c", lane="a"))
    assert (made.of_lane("a"), made.of_lane("b"), made.of_any()) == ("resp_c", "resp_b", "resp_c")


def test_a_lost_link_keeps_only_what_was_stored() -> None:
    """store: false lives in the memory of one connection."""
    made = latest(
        wire.completed("resp_1", lane="a", store=False), wire.completed("resp_2", store=True)
    )
    made.lose_link()
    assert (made.of_lane("a"), made.of_any()) == (None, "resp_2")


def test_a_failed_turn_drops_what_was_not_stored() -> None:
    """The server evicts the parent; a stored one is still found."""
    made = latest(wire.completed("resp_1", store=False), wire.failed("resp_2"))
    assert made.of_any() is None
    made = latest(wire.completed("resp_1"), wire.failed("resp_2"), wire.refusal_of_request())
    assert made.of_any() == "resp_1"


def test_an_id_that_was_not_found_is_forgotten() -> None:
    """Stored or not: a dead id is not used again."""
    missing = wire.refusal_of_request("previous_response_not_found")
    assert latest(wire.completed("resp_1"), missing).of_any() is None
    assert latest(missing).of_any() is None


def test_a_response_without_an_id_changes_nothing() -> None:
    """Some servers leave it out."""
    made = latest(wire.completed("resp_1"), wire.event("response.completed", response={}))
    assert made.of_any() == "resp_1"
