"""Which turn an event belongs to."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from pyresponses_ws._protocol.lanes import Abandonment, Lanes
from pyresponses_ws.errors import ProtocolError

from .wire import (
    KEEPALIVE,
    LIMIT,
    break_off,
    completed,
    created,
    delta,
    event,
    failed,
    lifecycle,
    refusal_of_request,
)


def lanes_with(*turns: tuple[str, str | None]) -> Lanes[str]:
    """Begin turns, each a name and its lane."""
    lanes: Lanes[str] = Lanes()
    for turn, lane in turns:
        lanes.begin(lane, turn)
    return lanes


def test_events_go_to_the_head_of_their_lane() -> None:
    """Two lanes interleave, and each turn gets its own."""
    lanes = lanes_with(("A", "a"), ("B", "b"))
    assert lanes.route(created("r1", lane="a")) == ("A",)
    assert lanes.route(created("r2", lane="b")) == ("B",)
    assert lanes.route(delta(lane="b")) == ("B",)
    assert lanes.route(delta(lane="a")) == ("A",)
    assert lanes.route(completed("r1", lane="a")) == ("A",)
    assert (lanes.running, lanes.names) == (1, {"a", "b"})


def test_a_lane_runs_its_turns_one_after_the_other() -> None:
    """The second gets nothing before the first has ended."""
    lanes = lanes_with(("A", None), ("B", None))
    assert [lanes.is_head("A"), lanes.is_head("B")] == [True, False]
    first = [lanes.route(e) for e in (created("r1"), delta(), completed("r1"))]
    assert first == [("A",)] * 3
    assert lanes.is_head("B")
    second = [lanes.route(e) for e in (created("r2"), delta(), completed("r2"))]
    assert second == [("B",)] * 3
    assert lanes.is_quiet


def test_a_server_may_give_every_response_the_same_id() -> None:
    """Simple servers do; each answer still goes to the turn that waits for it."""
    lanes: Lanes[str] = Lanes()
    for turn in ("A", "B"):
        lanes.begin(None, turn)
        assert [lanes.route(e) for e in (created(), delta(), completed())] == [(turn,)] * 3
    assert lanes.is_quiet


def test_a_created_that_comes_after_its_ending_starts_nothing() -> None:
    """Its response had ended before it was announced, so it is not the next turn's."""
    lanes = lanes_with(("A", None))
    assert lanes.route(completed("r1")) == ("A",)
    lanes.begin(None, "B")
    assert lanes.route(created("r1")) == ()
    assert lanes.route(created("r2")) == ("B",)


def test_the_default_lane_has_no_name() -> None:
    """It does not count against the names that the server limits."""
    lanes = lanes_with(("A", None))
    assert lanes.names == set()


def test_control_before_created_is_the_heads() -> None:
    """A keepalive or a queued response says that the head waits."""
    lanes = lanes_with(("A", None), ("B", None))
    assert lanes.route(KEEPALIVE) == ("A",)
    assert lanes.route(lifecycle("queued", "r1")) == ("A",)
    assert lanes.route(event("response.hologram", lane="elsewhere")) == ()


def test_output_before_created_is_a_protocol_error() -> None:
    """It would be somebody else's answer."""
    lanes = lanes_with(("A", None))
    with pytest.raises(ProtocolError, match="output came before") as caught:
        lanes.route(delta("secret"))
    assert "secret" not in str(caught.value) + caught.value.text


def test_stray_output_is_dropped_when_nobody_runs() -> None:
    """A server that goes on after its own error harms nobody."""
    lanes = lanes_with(("A", None))
    lanes.route(created())
    lanes.route(break_off())
    assert lanes.route(delta()) == ()
    assert lanes.route(delta(lane="never used")) == ()


def test_a_lane_name_that_is_no_string_is_a_protocol_error() -> None:
    """Nobody can be told from it."""
    lanes = lanes_with(("A", None))
    names: list[object] = [{}, 7]
    for stream_id in names:
        with pytest.raises(ProtocolError, match="stream_id"):
            lanes.route(event("keepalive", stream_id=stream_id))


def test_a_terminal_without_created_ends_the_turn() -> None:
    """Some servers answer a warm-up so."""
    lanes = lanes_with(("A", None))
    assert lanes.route(completed("r1")) == ("A",)
    assert lanes.is_quiet


def test_a_terminal_of_another_response_is_ignored() -> None:
    """The turn goes on."""
    lanes = lanes_with(("A", None))
    lanes.route(created("r1"))
    assert lanes.route(completed("r9")) == ()
    assert lanes.route(lifecycle("in_progress", "r9")) == ()
    assert lanes.route(lifecycle("in_progress", "r1")) == ("A",)
    assert lanes.route(completed("r1")) == ("A",)


def test_a_terminal_without_an_id_is_the_running_turns() -> None:
    """A lane runs one response at a time."""
    lanes = lanes_with(("A", None), ("B", None))
    lanes.route(created("r1"))
    assert lanes.route(event("response.completed")) == ("A",)
    assert lanes.route(completed("r1")) == ()
    assert lanes.is_head("B")


def test_a_second_terminal_is_ignored() -> None:
    """Also when another turn waits, for whom it would be an answer without ``created``."""
    lanes = lanes_with(("A", None), ("B", None))
    lanes.route(created("r1"))
    assert [lanes.route(completed("r1")) for _ in range(3)] == [("A",), (), ()]
    assert lanes.is_head("B")


def test_a_terminal_when_nobody_runs_is_remembered() -> None:
    """Its repetition does not answer the turn that came between."""
    lanes: Lanes[str] = lanes_with(("A", None))
    lanes.route(completed("r1"))
    assert lanes.route(completed("r2")) == ()
    lanes.begin(None, "B")
    assert lanes.route(completed("r2")) == ()
    assert lanes.route(completed("r3", lane="never used")) == ()


def test_failed_after_error_of_the_same_response_is_swallowed() -> None:
    """The server of Hugging Face transformers sends both."""
    lanes = lanes_with(("A", None), ("B", None))
    lanes.route(created("r1"))
    assert lanes.route(break_off()) == ("A",)
    assert lanes.route(failed("r1")) == ()
    assert lanes.route(completed("r2")) == ("B",)


def test_failed_after_an_error_without_id_is_swallowed_once() -> None:
    """The first turn was refused before it had an id, so its ``failed`` looks like the next's."""
    lanes = lanes_with(("A", None), ("B", None))
    assert lanes.route(refusal_of_request()) == ("A",)
    assert lanes.route(failed("r1")) == ()
    assert lanes.route(completed("r2")) == ("B",)


def test_a_failure_that_came_in_time_is_not_due_any_more() -> None:
    """It arrived while nobody ran; the next turn's only event counts."""
    lanes = lanes_with(("A", None))
    lanes.route(refusal_of_request())
    assert lanes.route(failed("r1")) == ()
    lanes.begin(None, "B")
    assert lanes.route(completed("r2")) == ("B",)


def test_after_created_no_failure_is_due() -> None:
    """The lane has moved on; a terminal alone is the next turn's answer again."""
    lanes = lanes_with(("A", "a"), ("B", "a"), ("C", "a"))
    lanes.route(refusal_of_request(lane="a"))
    lanes.route(created("r2", lane="a"))
    assert lanes.abandon("B") is Abandonment.FENCED
    assert lanes.route(failed("r2", lane="a")) == ()
    assert lanes.route(completed("r3", lane="a")) == ("C",)


def test_an_error_of_a_known_response_keeps_another_id_for_the_next() -> None:
    """Its late ``failed`` would have its id; one without any is taken for it."""
    lanes = lanes_with(("A", None), ("B", None), ("C", None))
    lanes.route(created("r1"))
    lanes.route(break_off())
    assert lanes.route(completed("r2")) == ("B",)
    lanes.route(created("r3"))
    lanes.route(break_off())
    lanes.begin(None, "D")
    assert lanes.route(event("response.failed")) == ()


def test_a_repeated_created_is_ignored() -> None:
    """It tells nothing new."""
    lanes = lanes_with(("A", None))
    assert [lanes.route(created("r1")) for _ in range(2)] == [("A",), ()]


def test_a_late_created_is_ignored() -> None:
    """Its response has ended; the next turn is not that response."""
    lanes = lanes_with(("A", None), ("B", None))
    lanes.route(completed("r1"))
    assert lanes.route(created("r1")) == ()
    assert lanes.route(lifecycle("in_progress", "r1")) == ()
    assert lanes.route(created("r2")) == ("B",)


def test_a_created_that_nobody_asked_for_is_ignored() -> None:
    """Its terminal does not answer the turn that begins meanwhile."""
    lanes = lanes_with(("A", None))
    lanes.route(completed("r1"))
    assert lanes.route(created("r2")) == ()
    assert lanes.route(created("r2", lane="never used")) == ()
    lanes.begin(None, "B")
    assert lanes.route(completed("r2")) == ()
    assert lanes.route(lifecycle("in_progress", "r9", lane="never used")) == ()


def test_two_responses_at_once_on_a_lane_are_a_protocol_error() -> None:
    """Deltas carry no response id, so they could not be told apart."""
    lanes = lanes_with(("A", None), ("B", None))
    lanes.route(created("r1"))
    with pytest.raises(ProtocolError, match="while another runs"):
        lanes.route(created("r2"))


def test_an_error_with_a_lane_ends_the_head_there() -> None:
    """The other lanes go on."""
    lanes = lanes_with(("A", "a"), ("B", "b"))
    assert lanes.route(refusal_of_request(lane="b")) == ("B",)
    assert lanes.route(refusal_of_request(lane="b")) == ()
    assert lanes.is_head("A")


def test_an_error_with_a_number_is_the_running_responses() -> None:
    """A frame without one answers a request, so it is for the turn that waits behind."""
    lanes = lanes_with(("A", "a"), ("B", "a"), ("C", "a"))
    lanes.route(created("r1", lane="a"))
    assert lanes.route(refusal_of_request(lane="a")) == ("B",)
    assert lanes.route(break_off(lane="a")) == ("A",)
    assert lanes.is_head("C")


def test_an_error_without_a_number_ends_the_running_turn_when_none_waits() -> None:
    """It is the only one that can be meant."""
    lanes = lanes_with(("A", "a"))
    lanes.route(created("r1", lane="a"))
    assert lanes.route(refusal_of_request(lane="a")) == ("A",)


@pytest.mark.parametrize(
    ("accepted", "blamed"),
    [
        ("", ("A", "B")),  # both wait, and either may be meant
        ("a", ("B",)),  # the sole one that waits
        ("ab", ("A", "B")),  # all run: ending too many beats ending none
    ],
)
def test_an_error_without_a_lane_is_for_those_that_wait(
    accepted: str, blamed: tuple[str, ...]
) -> None:
    """The server leaves the name out where it could not read it."""
    lanes = lanes_with(("A", "a"), ("B", "b"))
    for lane in accepted:
        lanes.route(created(f"r_{lane}", lane=lane))
    assert lanes.route(refusal_of_request()) == blamed


def test_an_error_without_a_lane_ends_the_sole_turn() -> None:
    """Even when it runs already."""
    lanes = lanes_with(("A", "a"))
    lanes.route(created("r1", lane="a"))
    assert lanes.route(refusal_of_request("invalid_stream_id")) == ("A",)


def test_an_error_without_a_lane_prefers_the_default_lane() -> None:
    """Unless its turn runs, and one of another lane waits for its first answer."""
    lanes = lanes_with(("A", None), ("B", "b"))
    lanes.route(created("r1"))
    assert lanes.route(refusal_of_request()) == ("B",)
    assert lanes.route(refusal_of_request()) == ("A",)
    assert lanes.route(refusal_of_request()) == ()


def test_the_connection_limit_is_noted_even_when_nobody_runs() -> None:
    """It may come on an idle socket."""
    lanes: Lanes[str] = Lanes()
    assert not lanes.limit_reached
    assert lanes.route(LIMIT) == ()
    assert lanes.limit_reached


def test_the_connection_limit_ends_the_turn_that_it_answers() -> None:
    """The others hear of it when the socket goes."""
    lanes = lanes_with(("A", "a"), ("B", "b"))
    lanes.route(created("r1", lane="a"))
    assert lanes.route(LIMIT) == ("B",)
    assert lanes.is_head("A")


def test_abandoning_the_only_turn_costs_the_link() -> None:
    """Nobody is there for whose sake to keep it, and its answer would still come."""
    lanes = lanes_with(("A", None))
    assert lanes.abandon("A") is Abandonment.ALONE
    assert lanes.is_retiring
    assert not lanes.is_quiet


def test_abandoning_it_again_has_the_same_answer() -> None:
    """The first may have been lost to an interrupt."""
    lanes = lanes_with(("A", None))
    assert [lanes.abandon("A") for _ in range(2)] == [Abandonment.ALONE] * 2


def test_a_turn_waits_until_its_ending() -> None:
    """Not once it was given up, nor when it was withdrawn before anything was sent."""
    lanes = lanes_with(("A", "a"), ("B", "b"), ("C", "c"))
    lanes.abandon("A")
    lanes.withdraw("B")
    assert [lanes.is_running(turn) for turn in ("A", "B", "C")] == [False, False, True]
    assert (lanes.running, lanes.abandon("B")) == (1, Abandonment.FINISHED)


def test_a_beginning_that_was_cut_short_can_be_withdrawn() -> None:
    """Ctrl-C may fall between its two steps."""

    class CutShort(deque[Any]):
        def append(self, slot: Any) -> None:
            raise KeyboardInterrupt

    lanes = lanes_with(("A", None))
    lanes._lanes[None].slots = CutShort(lanes._lanes[None].slots)
    with pytest.raises(KeyboardInterrupt):
        lanes.begin(None, "B")
    assert lanes.is_running("B")
    lanes.withdraw("B")
    assert (lanes.is_running("B"), lanes.running) == (False, 1)


def test_abandoning_a_turn_that_has_ended_costs_nothing() -> None:
    """Its ending had been routed."""
    lanes = lanes_with(("A", None))
    lanes.route(completed())
    assert lanes.abandon("A") is Abandonment.FINISHED
    assert not lanes.is_retiring


def test_a_fence_drops_events_up_to_the_terminal() -> None:
    """The turn behind it gets its own answer and nothing else."""
    lanes = lanes_with(("A", None), ("B", None))
    lanes.route(created("r1"))
    assert lanes.abandon("A") is Abandonment.FENCED
    assert [lanes.route(e) for e in (delta(), KEEPALIVE, completed("r1"))] == [()] * 3
    assert lanes.route(created("r2")) == ("B",)
    assert (lanes.running, lanes.is_retiring) == (1, True)


def test_a_turn_is_fenced_before_it_is_accepted() -> None:
    """Its ``created`` is dropped, and what follows too."""
    lanes = lanes_with(("A", "a"), ("B", "b"))
    assert lanes.abandon("A") is Abandonment.FENCED
    for dropped in (created("r1", lane="a"), delta(lane="a"), break_off(lane="a")):
        assert lanes.route(dropped) == ()
    assert lanes.abandon("B") is Abandonment.ALONE


def test_a_fence_that_an_error_lifts_may_be_one_of_several() -> None:
    """The error is handed to those who are left."""
    lanes = lanes_with(("A", "a"), ("B", "b"), ("C", "c"))
    lanes.abandon("A")
    assert lanes.route(refusal_of_request()) == ("B", "C")
    assert lanes.is_quiet


def test_losing_the_link_names_every_unfinished_turn_once() -> None:
    """In the order in which they began, without those that nobody waits for."""
    lanes = lanes_with(("A", "a"), ("B", None), ("A", "b"), ("C", "a"))
    lanes.abandon("C")
    assert lanes.lose() == ["A", "B"]
    assert lanes.lose() == []
    assert (lanes.is_quiet, lanes.running) == (True, 0)
    assert lanes.route(delta(lane="a")) == ()


def test_one_receiver_may_hold_several_slots() -> None:
    """The low-level connection receives all of its turns in one mailbox."""
    lanes = lanes_with(("inbox", None), ("inbox", "a"))
    assert lanes.running == 2
    assert lanes.route(refusal_of_request(lane="a")) == ("inbox",)
    lanes.begin("a", "inbox")
    assert lanes.abandon("inbox") is Abandonment.ALONE


def test_turns_are_told_apart_by_identity() -> None:
    """Equal ones are still two."""
    first, second = ["turn"], ["turn"]
    lanes: Lanes[list[str]] = Lanes()
    lanes.begin("a", first)
    lanes.begin("b", second)
    lanes.abandon(first)
    assert lanes.route(created(lane="b"))[0] is second
    assert lanes.route(created(lane="a")) == ()
