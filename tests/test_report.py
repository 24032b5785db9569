"""What a report tells of a turn, field by field, on a clock of the test's own."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from pyresponses_ws import codec
from pyresponses_ws.config import Hooks, Timeouts
from pyresponses_ws.errors import DeliveryUnknownError, ResponseFailedError, ServerError
from pyresponses_ws.report import TurnReport
from tests._protocol import wire
from tests._runtime.rig import (
    Call,
    Rig,
    completed,
    create,
    created,
    cut,
    delta,
    echo,
    echo_http,
    refusal,
    rig,
    turn,
)
from tests.support.scripted_http import Reply

USAGE = {
    "input_tokens": 5,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 12,
}
#: No ping gets between the times that a test makes.
CALM: dict[str, Any] = {"timeouts": Timeouts(ping_interval=None)}


def ask(made: Rig, **turn_options: Any) -> TurnReport:
    """Run a turn; returns its report."""
    return made.client.create(model="m", input="a", **turn_options).report  # type: ignore[return-value]


def stepped(made: Rig, *steps: tuple[float, dict[str, Any]]) -> TurnReport:
    """Read a stream whose events come so many seconds one after the other."""
    stream = made.client.stream(model="m", input="a")
    for seconds, event in steps:
        made.clock.advance(seconds)
        made.transport.feed(event)
        next(stream)
    return stream.report


# --- whom, and over what ------------------------------------------------------------------------


def test_it_names_whom_was_asked_for_what() -> None:
    """Model, host and port, as they were given."""
    with rig(echo) as made:
        report = ask(made)
        assert (report.model, report.host, report.port) == ("m", "localhost", 9)


def test_it_names_the_model_that_answered() -> None:
    """By its own word: an alias stands for a dated one."""
    answer = [created(), completed(model="m-2026-01-01")]
    with rig(lambda _: answer) as made:
        report = ask(made)
        assert (report.model, report.response_model) == ("m", "m-2026-01-01")
        assert report.response_id == "resp_1"


def test_a_turn_without_a_model_names_none() -> None:
    """Some servers have but one."""
    with rig(echo) as made:
        assert made.client.create(input="a").report.model is None


@pytest.mark.parametrize(
    ("transport", "reason"), [("websocket", "configured"), ("http", "configured")]
)
def test_it_tells_the_transport_and_why(transport: str, reason: str) -> None:
    """The other reasons are those of a turn that left WebSocket."""
    with rig(echo, http=[echo_http], transport=transport) as made:
        report = ask(made)
        assert (report.transport, report.transport_reason) == (transport, reason)


# --- the link -----------------------------------------------------------------------------------


def test_a_new_link_tells_how_long_it_took() -> None:
    """Its age is nothing yet."""
    with rig(echo) as made:
        made.transport.on_connect = lambda: made.clock.advance(0.05)
        report = ask(made)
        assert (report.link, report.reused_link, report.link_age) == (1, False, 0.0)
        assert report.connect_ms == pytest.approx(50)


def test_a_used_link_tells_its_age() -> None:
    """And no time to connect."""
    with rig(echo, **CALM) as made:
        ask(made)
        made.clock.advance(42)
        report = ask(made)
        assert (report.link, report.reused_link, report.connect_ms) == (1, True, None)
        assert report.link_age == pytest.approx(42)


def test_a_connect_is_no_wait_for_the_pool() -> None:
    """Each stands for itself."""
    with rig(echo) as made:
        made.transport.on_connect = lambda: made.clock.advance(0.05)
        assert ask(made).pool_wait_ms == pytest.approx(0)


def test_a_link_that_was_pinged_tells_the_round_trip() -> None:
    """The latest; None before."""
    with rig(echo) as made:
        assert ask(made).ping_ms is None
        made.clock.wait_for_waiters(within=20)
        made.clock.advance(20)
        made.clock.wait_for_waiters(within=20)
        made.clock.advance(0.03)
        made.transport.feed_pong()
        made.transport.settle()
        assert ask(made).ping_ms == pytest.approx(30)


def test_a_lost_link_tells_its_close_code() -> None:
    """1006 without a close frame, else the frame's."""
    for code in (1006, 1011):
        with rig(None, replay="never") as made:
            call = create(made)
            made.transport.next_command()
            made.transport.end(code)
            with pytest.raises(DeliveryUnknownError) as caught:
                call.result()
            assert caught.value.report.close_code == code


# --- times --------------------------------------------------------------------------------------


def test_times_count_from_the_call() -> None:
    """Accepted, first event, first output and end, in milliseconds."""
    with rig(None, **CALM) as made:
        made.transport.on_connect = lambda: made.clock.advance(0.1)
        queued = {"type": "response.queued", "response": created()["response"]}
        report = stepped(made, (0.2, created()), (0.3, queued), (0.4, delta()), (1, completed()))
        assert report.first_event_ms == report.accepted_ms == pytest.approx(300)
        assert report.first_output_ms == pytest.approx(1000)
        assert report.total_ms == pytest.approx(2000)


def test_only_the_first_output_counts() -> None:
    """Later ones move nothing."""
    with rig(None, **CALM) as made:
        steps = [(1.0, created()), (1.0, delta()), (1.0, delta()), (1.0, completed())]
        assert stepped(made, *steps).first_output_ms == pytest.approx(2000)


def test_a_turn_that_never_began_has_no_times() -> None:
    """An error is an event, but neither an acceptance nor output."""
    with rig(lambda _: [refusal("invalid_type", status=400)]) as made:
        with pytest.raises(Exception, match=r"No\.") as caught:
            ask(made)
        report = caught.value.report  # type: ignore[attr-defined]
        assert (report.accepted_ms, report.first_output_ms) == (None, None)
        assert report.first_event_ms == pytest.approx(0)
        assert report.total_ms == pytest.approx(0)


# --- bytes --------------------------------------------------------------------------------------


def test_bytes_are_those_of_json() -> None:
    """Of each attempt that was handed to a socket, and of each event that came."""
    with rig(None, echo) as made:
        call = create(made)
        made.transport.next_command()
        cut(made)
        report = call.result().report
        assert report.bytes_sent == sum(t.bytes_sent for t in made.transports)
        assert report.bytes_received == made.transports[1].bytes_received
        assert report.events == 3


def test_what_a_full_input_would_have_cost_is_told() -> None:
    """For a turn that continues one of this client's; the difference is what was saved."""
    with rig(echo) as made:
        first = made.client.create(model="m", input="long " * 100)
        report = ask(made, previous_response_id=first.id)
        assert report.full_replay_bytes is not None
        assert report.bytes_saved == report.full_replay_bytes - report.bytes_sent > 400


def test_a_full_input_saves_nothing() -> None:
    """It is its own price."""
    with rig(echo) as made:
        report = ask(made)
        assert (report.full_replay_bytes, report.bytes_saved) == (report.bytes_sent, 0)


def test_a_stranger_costs_nobody_knows_what() -> None:
    """The history of another process is not known here."""
    with rig(echo) as made:
        report = ask(made, previous_response_id="resp_elsewhere")
        assert (report.full_replay_bytes, report.bytes_saved) == (None, None)


# --- input and usage ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "mode"),
    [({}, "full"), ({"previous_response_id": "resp_0"}, "delta"), ({"generate": False}, "warm")],
)
def test_it_tells_how_much_of_the_input_travelled(options: dict[str, Any], mode: str) -> None:
    """Everything, what is new, or nothing to answer."""
    with rig(echo) as made:
        report = ask(made, **options)
        assert (report.input_mode, report.reset_reason) == (mode, None)


def test_usage_is_the_endings() -> None:
    """As the server counted it."""
    with rig(lambda _: [created(), completed(usage=USAGE)]) as made:
        report = ask(made)
        assert report.usage is not None
        assert (report.usage.total_tokens, report.warm_up_usage) == (12, None)


def test_the_usage_of_a_warm_up_stands_apart() -> None:
    """Nothing was generated for it."""
    with rig(lambda _: [completed(usage=USAGE)]) as made:
        report = made.client.warm_up(model="m").report
        assert report.warm_up_usage.total_tokens == 12
        assert report.usage is None


# --- how it went --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "incomplete", "failed"])
def test_it_tells_the_ending(status: str) -> None:
    """The response's status; the class of what was raised, if anything was."""
    whole = {**completed()["response"], "status": status}
    frame = {"type": f"response.{status}", "response": whole}
    reports: list[TurnReport] = []
    with rig(lambda _: [created(), frame], hooks=Hooks(on_turn_end=reports.append)) as made:
        if status == "failed":
            with pytest.raises(ResponseFailedError):
                ask(made)
        else:
            ask(made)
        assert reports[0].status == status


def test_an_error_event_is_an_ending_too() -> None:
    """``error``, and the class that it became."""
    with rig(lambda _: [created(), delta(), wire.break_off().to_dict()]) as made:
        with pytest.raises(ServerError) as caught:
            ask(made)
        report = caught.value.report
        assert (report.status, report.error_type) == ("error", "ServerError")


def test_a_turn_without_an_ending_has_no_status() -> None:
    """Only what ended it."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        stream.cancel()
        with pytest.raises(Exception, match="cancelled"):
            next(stream)
        assert (stream.report.status, stream.report.error_type) == (None, "TurnCancelledError")


def test_a_replay_says_so() -> None:
    """Attempts, replayed, and that it may be charged twice."""
    with rig(None, echo) as made:
        call = create(made)
        made.transport.next_command()
        cut(made)
        report = call.result().report
        assert (report.attempts, report.replayed) == (2, True)
        assert report.possible_duplicate_charge


def test_a_turn_that_went_well_says_nothing_of_the_kind() -> None:
    """One attempt, no code, no error."""
    with rig(echo) as made:
        report = ask(made)
        assert (report.attempts, report.replayed) == (1, False)
        assert (report.possible_duplicate_charge, report.close_code) == (False, None)
        assert (report.error_type, report.status) == (None, "completed")


# --- as JSON ------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_it_is_plain_json(transport: str) -> None:
    """Every field by its name, and bytes_saved."""
    answer = [created(), completed(usage=USAGE)]
    with rig(lambda _: answer, http=[Reply.of(*answer)], transport=transport) as made:
        plain = ask(made).to_dict()
    assert set(plain) == {item.name for item in fields(TurnReport)} | {"bytes_saved"}
    assert plain["usage"]["total_tokens"] == 12
    assert json.loads(json.dumps(plain)) == plain == codec.loads(codec.dumps(plain).decode())


def test_a_report_of_nothing_is_plain_json_too() -> None:
    """Before anything was found out."""
    plain = TurnReport().to_dict()
    assert (plain["usage"], plain["bytes_saved"], plain["attempts"]) == (None, None, 0)
    json.dumps(plain)


def test_both_transports_fill_the_same_fields() -> None:
    """Apart from those of a link."""
    told = {}
    for transport in ("websocket", "http"):
        with rig(echo, http=[echo_http], transport=transport) as made:
            report = ask(made).to_dict()
            told[transport] = {name for name, value in report.items() if value is not None}
    assert told["websocket"] - told["http"] == {"link", "link_age"}
    assert told["http"] - told["websocket"] == set()


def test_it_is_whole_when_the_stream_is() -> None:
    """The same object from the first event on; final at the end."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        report = stream.report
        made.transport.feed(*turn())
        call = Call(stream.get_final_response)
        assert call.result().report is report
        assert (report.status, report.events) == ("completed", 3)
