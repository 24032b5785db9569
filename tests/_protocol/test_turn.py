"""One turn, from the request that is about to leave to the event that ends it."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws._protocol.machine import IllegalSignalError
from pyresponses_ws._protocol.turn import Turn, TurnState
from pyresponses_ws.events import Event

from .wire import (
    KEEPALIVE,
    break_off,
    completed,
    created,
    delta,
    event,
    failed,
    lifecycle,
    refusal_of_request,
)

CALL = {"id": "fc", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}


def sent(*events: Event) -> Turn:
    """Return a turn that was sent and has received the events."""
    turn = Turn()
    turn.mark_sent()
    for each in events:
        turn.receive_event(each)
    return turn


def test_a_turn_goes_from_prepared_to_terminal() -> None:
    """Each step has its signal, and ``reached`` stays at the last step before the end."""
    turn = Turn()
    seen = [turn.state]
    turn.mark_sent()
    seen.append(turn.state)
    turn.receive_event(created())
    seen.append(turn.state)
    turn.receive_event(delta())
    turn.mark_observed(delta())
    seen.append(turn.state)
    turn.receive_event(completed())
    seen.append(turn.state)
    assert [state.value for state in seen] == [
        "prepared",
        "sent",
        "accepted",
        "observed",
        "terminal",
    ]
    assert turn.reached is TurnState.OBSERVED


def test_nothing_may_come_before_the_send() -> None:
    """The code around a turn is wrong then, and hears it."""
    for misuse in (created(), completed()):
        turn = Turn()
        with pytest.raises(IllegalSignalError):
            turn.receive_event(misuse)
        assert turn.state is TurnState.PREPARED
    with pytest.raises(IllegalSignalError):
        Turn().mark_observed(delta())


def test_a_turn_is_sent_once() -> None:
    """A second send needs a restart."""
    turn = sent()
    with pytest.raises(IllegalSignalError):
        turn.mark_sent()


@pytest.mark.parametrize(
    "control",
    [
        created(),
        lifecycle("queued"),
        lifecycle("in_progress"),
        KEEPALIVE,
        event("response.metadata"),
        event("codex.rate_limits"),
    ],
    ids=lambda e: e.type,
)
def test_control_events_are_no_observation(control: Event) -> None:
    """The caller has seen nothing of the answer, so it may be sent again."""
    turn = sent(created())
    turn.mark_observed(control)
    assert turn.state is TurnState.ACCEPTED


@pytest.mark.parametrize("shown", [delta(), event("response.hologram.delta")])
def test_output_and_the_unknown_are_observed(shown: Event) -> None:
    """An unknown event of a response may show its answer."""
    turn = sent(created())
    turn.mark_observed(shown)
    turn.mark_observed(shown)
    assert turn.state is TurnState.OBSERVED


def test_terminal_stays_terminal() -> None:
    """Handing the ending to the caller changes nothing."""
    turn = sent(created(), completed())
    turn.mark_observed(completed())
    turn.receive_event(delta())
    turn.receive_event(failed())
    assert turn.state is TurnState.TERMINAL
    assert turn.ending is not None
    assert (turn.ending.kind, turn.partial().text) == ("completed", "")


def test_a_second_created_is_ignored() -> None:
    """Whatever the caller has seen by then."""
    turn = sent(created("r1"), created("r2"))
    turn.mark_observed(delta())
    turn.receive_event(created("r3"))
    assert (turn.response_id, turn.state) == ("r1", TurnState.OBSERVED)


def test_an_answer_may_be_its_terminal_alone() -> None:
    """Some servers answer a warm-up so."""
    turn = sent(completed("r1", output=[], usage={"total_tokens": 3}))
    assert (turn.response_id, turn.response().id) == ("r1", "r1")
    assert turn.usage.total_tokens == 3


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (completed(), "completed"),
        (lifecycle("incomplete", status="incomplete"), "incomplete"),
        (failed(), "failed"),
        (lifecycle("cancelled", status="cancelled"), "cancelled"),
        (lifecycle("done", status="failed"), "failed"),
        (event("response.completed"), "completed"),
        (event("response.completed", response="nonsense"), "completed"),
    ],
)
def test_every_terminal_brings_a_final_response(last: Event, kind: str) -> None:
    """Even one that has no response in it."""
    turn = sent(created(), delta("Hi"), last)
    assert turn.ending is not None
    assert (turn.ending.kind, turn.ending.event) == (kind, last)
    assert turn.response().status == kind
    assert turn.response().output_text == "Hi"
    assert (turn.ending.details is not None) == (kind in ("failed", "cancelled"))


@pytest.mark.parametrize(
    "last", [refusal_of_request(), break_off(), event("response.error", message="No.")]
)
def test_an_error_is_an_ending_without_a_response(last: Event) -> None:
    """Its details say what went wrong; what had come is in the partial."""
    turn = sent(created(), delta("Hi"), last)
    assert turn.ending is not None
    assert (turn.ending.kind, turn.ending.response, turn.usage) == ("error", None, None)
    assert turn.ending.details is not None
    assert turn.ending.details.message in ("No.", "Sorry.")
    assert turn.partial().text == "Hi"
    with pytest.raises(IllegalSignalError, match="no final response"):
        turn.response()


def test_a_running_turn_has_no_final_response() -> None:
    """But a snapshot."""
    turn = sent(created(model="m"), delta("Hi"))
    with pytest.raises(IllegalSignalError):
        turn.response()
    assert (turn.snapshot().output_text, turn.snapshot().model) == ("Hi", "m")


def test_the_terminals_response_is_handed_on_as_it_came() -> None:
    """When it has its output, or when there is none."""
    item = {"type": "message", "content": [{"type": "output_text", "text": "Real"}]}
    for last in (completed(output=[item]), completed(output=[])):
        turn = sent(created(), last)
        assert turn.response() is last.response
        assert turn.snapshot() is turn.response()


@pytest.mark.parametrize("output", [{}, {"output": None}, {"output": []}])
def test_a_missing_output_is_rebuilt(output: dict[str, Any]) -> None:
    """Codex's backend leaves it empty; finished items and mere deltas fill it."""
    finished = event("response.output_item.done", item=CALL, output_index=0)
    start = created(model="m", status="in_progress", usage=None)
    turn = sent(start, finished, delta("Hi", index=1), completed(usage={"a": 1}, **output))
    response = turn.response()
    assert response.output[0] is finished.item
    wire = response.to_dict()
    assert (response.output_text, wire["output"][1]["status"]) == ("Hi", "completed")
    assert (wire["status"], wire["model"], wire["usage"]) == ("completed", "m", {"a": 1})


def test_what_was_cut_off_is_left_incomplete() -> None:
    """An item without its ``done`` takes the fate of its response."""
    last = lifecycle("incomplete", status="incomplete")
    turn = sent(created(), delta("Hi"), last)
    assert turn.response().to_dict()["output"][0]["status"] == "incomplete"


def test_a_missing_output_with_nothing_to_fill_it_is_empty() -> None:
    """So that ``output`` is always a list."""
    assert sent(created(), completed()).response().output == []


def test_a_terminal_without_a_status_gets_its_kinds() -> None:
    """That of ``created`` would say that it is in progress."""
    turn = sent(created(), delta(), lifecycle("completed"))
    assert turn.response().status == "completed"


def test_a_snapshot_shares_what_did_not_change() -> None:
    """And leaves the earlier snapshot alone."""
    turn = sent(created(), delta("a"), delta("b", index=1))
    first = turn.snapshot()
    turn.receive_event(delta("c", index=1))
    second = turn.snapshot()
    assert second.output[0] is first.output[0]
    assert (first.output_text, second.output_text) == ("ab", "abc")


def test_a_snapshot_before_created_is_in_progress() -> None:
    """Nothing is known yet."""
    wire = Turn().snapshot().to_dict()
    assert wire == {"object": "response", "status": "in_progress", "output": []}


def test_the_first_output_is_noticed() -> None:
    """Control events and ``created`` are none."""
    turn = sent(created(), KEEPALIVE)
    assert not turn.has_output
    turn.receive_event(event("response.output_item.added", item=CALL, output_index=0))
    assert turn.has_output


def test_a_partial_splits_calls_by_whether_they_are_whole() -> None:
    """Text counts, finished or not; a finished item is an item."""
    arguments = event("response.function_call_arguments.delta", delta='{"a', output_index=2)
    turn = sent(
        created(),
        event("response.output_item.done", item=CALL, output_index=0),
        delta("Hi", index=1),
        arguments,
    )
    partial = turn.partial()
    assert (partial.text, [item.id for item in partial.items]) == ("Hi", ["fc"])
    assert partial.calls == partial.items
    assert [call.arguments for call in partial.incomplete_calls] == ['{"a']
    assert partial.usage is None


def test_a_partial_reads_the_terminal_when_nothing_else_came() -> None:
    """A failed response may bring its output all at once."""
    turn = sent(failed(output=[CALL], usage={"total_tokens": 5}))
    partial = turn.partial()
    assert [call.name for call in partial.calls] == ["f"]
    assert partial.usage.total_tokens == 5
    assert sent(failed(output=None)).partial().items == []


@pytest.mark.parametrize("content", [True, 7, "text", {}, [None, {"type": "output_text"}]])
def test_a_partial_survives_a_message_that_is_none(content: Any) -> None:
    """The error that it travels with must not be replaced by another."""
    item = {"type": "message", "content": content}
    turn = sent(event("response.output_item.done", item=item, output_index=0), delta("Hi", index=1))
    assert (turn.partial().text, len(turn.partial().items)) == ("Hi", 1)


def test_an_empty_turn_has_an_empty_partial() -> None:
    """Nothing was sent."""
    partial = Turn().partial()
    assert (partial.text, partial.items, partial.as_input()) == ("", [], [])


@pytest.mark.parametrize("events", [[], [created(), delta()], [refusal_of_request()], [failed()]])
def test_a_restart_forgets_what_had_arrived(events: list[Event]) -> None:
    """The replay brings all of it again."""
    turn = sent(*events)
    turn.restart()
    assert (turn.state, turn.reached) == (TurnState.PREPARED, TurnState.PREPARED)
    assert (turn.response_id, turn.ending) == (None, None)
    assert not turn.has_output
    turn.mark_sent()
    turn.receive_event(created("r2"))
    assert turn.response_id == "r2"


def test_a_turn_that_never_left_restarts_as_often_as_it_takes() -> None:
    """Nothing happens twice."""
    turn = Turn()
    turn.restart()
    turn.restart()
    assert turn.state is TurnState.PREPARED


def test_what_the_caller_has_seen_is_never_restarted() -> None:
    """Not while it runs, and not after an error."""
    turn = sent(created(), delta())
    turn.mark_observed(delta())
    for last in (KEEPALIVE, break_off()):
        turn.receive_event(last)
        with pytest.raises(IllegalSignalError):
            turn.restart()
    assert turn.partial().text == "x"


def test_an_answered_turn_is_never_restarted() -> None:
    """It has what it came for."""
    turn = sent(created(), completed())
    with pytest.raises(IllegalSignalError, match="completed"):
        turn.restart()
