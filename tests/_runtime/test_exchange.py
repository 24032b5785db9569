"""Turns over HTTP, on scripted calls."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import pytest

from pyresponses_ws._transport.refusal import BODY_LIMIT
from pyresponses_ws.config import Timeouts
from pyresponses_ws.errors import (
    AuthenticationError,
    BadRequestError,
    ConnectError,
    ConnectionLostError,
    DeliveryUnknownError,
    NotFoundError,
    ProtocolError,
    RateLimitError,
    ResponseFailedError,
    ResponseInterruptedError,
    ServerError,
    TurnCancelledError,
    TurnTimeoutError,
)
from tests._protocol import wire
from tests._runtime.rig import (
    Call,
    completed,
    create,
    created,
    delta,
    echo,
    echo_http,
    refusal,
    rig,
    turn,
)
from tests.support.http_answers import NoJitter
from tests.support.scripted_http import Plan, Reply, ScriptedCall, sse

#: The option under test.
HTTP: dict[str, Any] = {"transport": "http"}


def ask(*plans: Plan, **options: Any) -> Any:
    """Run one blocking turn over HTTP."""
    with rig(http=plans, **HTTP, **options) as made:
        return made.client.create(model="m", input="a")


def error_of(kind: type[Exception], *plans: Plan, **options: Any) -> Any:
    """Run one that must fail so."""
    with pytest.raises(kind) as caught:
        ask(*plans, **options)
    return caught.value


# --- what travels -------------------------------------------------------------------------------


def test_a_turn_brings_its_response_and_its_report() -> None:
    """One attempt, bytes counted, no link."""
    with rig(http=[echo_http], **HTTP) as made:
        response = made.client.create(model="m", input="a")
        report, call = response.report, made.http.calls[0]
        assert response.output_text == "a"
        assert (report.transport, report.transport_reason) == ("http", "configured")
        assert (report.attempts, report.events, report.link, report.link_age) == (1, 3, None, None)
        assert report.bytes_sent == len(call.request.body or b"") == call.bytes_sent
        assert 0 < report.bytes_received < call.bytes_received
        assert (report.connect_ms, report.reused_link) == (1.0, False)


def test_the_body_asks_for_a_stream_and_is_no_command() -> None:
    """What means something over WebSocket only stays behind."""
    with rig(http=[echo_http], **HTTP) as made:
        made.client.create(model="m", input="a", client_metadata={"a": "b"}, metadata={"c": "d"})
        body = {"stream": True, "model": "m", "input": "a", "metadata": {"c": "d"}}
        assert made.http.calls[0].body == body
        request = made.http.calls[0].request
        assert (request.method, request.accept) == ("POST", "text/event-stream")


def test_both_bodies_are_written_alike() -> None:
    """With and without fields to leave out: UTF-8, no escapes."""
    bodies = []
    for extra in ({}, {"client_metadata": {}}):
        with rig(http=[echo_http], **HTTP) as made:
            made.client.create(model="m", input="zażółć", **extra)
            bodies.append(made.http.calls[0].request.body)
    assert bodies[0] == bodies[1] == '{"stream":true,"model":"m","input":"zażółć"}'.encode()


def test_events_are_those_of_a_link() -> None:
    """Types, fields and the final Response."""
    with rig(echo, http=[echo_http]) as made:
        linked = [event.to_dict() for event in made.client.stream(model="m", input="a")]
    with rig(http=[echo_http], **HTTP) as made:
        posted = [event.to_dict() for event in made.client.stream(model="m", input="a")]
    assert posted == linked


def test_events_that_are_split_anywhere_come_whole() -> None:
    """Each byte in a read of its own."""
    pieces = [bytes((byte,)) for byte in sse(*turn("żółw"))]
    assert ask(Reply(body=pieces)).output_text == "żółw"


def test_what_another_response_says_is_nobodys() -> None:
    """The order of events is judged as on a link: a terminal of another id ends nothing."""
    answer = [created(), delta("one"), completed("resp_other"), completed("resp_1")]
    assert ask(Reply.of(*answer)).id == "resp_1"


def test_a_response_in_one_piece_is_an_answer() -> None:
    """Some servers ignore ``stream``."""
    whole = completed("resp_1")["response"]
    response = ask(Reply.json(whole))
    assert (response.id, response.status, response.report.events) == ("resp_1", "completed", 1)
    assert ask(Reply.json({**whole, "status": "incomplete"})).status == "incomplete"


def test_a_failed_response_in_one_piece_raises() -> None:
    """As its event would."""
    whole = dict(wire.failed().to_dict()["response"])
    error = error_of(ResponseFailedError, Reply.json({**whole, "status": "failed"}))
    assert error.report.transport == "http"


def test_a_stream_without_a_type_is_read_as_one() -> None:
    """What was asked for is what comes."""
    assert ask(Reply(headers={}, body=[sse(*turn("x"))])).output_text == "x"


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"), [(400, BadRequestError), (401, AuthenticationError), (404, NotFoundError)]
)
def test_a_refusal_is_the_api_error_of_its_status(status: int, kind: type[Exception]) -> None:
    """With code, message and request id, as a frame would have brought it."""
    body = {"error": {"message": "No.", "code": "bad", "param": "input"}}
    error = error_of(kind, Reply.json(body, status, x_request_id="req_7"))
    assert (error.status, error.code, error.param) == (status, "bad", "input")
    assert (error.request_id, error.attempts) == ("req_7", 1)
    assert str(error).startswith("No.")


def test_a_gateways_page_is_told_in_words() -> None:
    """Status, that it is a page, and what to do; not its text."""
    error = error_of(NotFoundError, Reply.page("<html>secret</html>", 404))
    assert "localhost answered with HTTP 404: a web page" in str(error)
    assert "base_url" in str(error)
    assert "secret" not in str(error)


def test_an_overloaded_server_is_asked_again_over_http() -> None:
    """The same row as for a frame; the pause is on the clock."""
    busy = Reply.json({"error": {"message": "Busy."}}, 503)
    with rig(http=[busy, busy, echo_http], **HTTP) as made:
        call = create(made)
        for longest in (0.5, 1.0):
            made.clock.wait_for_waiters(within=longest)
            made.clock.advance(longest)
        report = call.result().report
        assert (report.attempts, report.replayed) == (3, False)
        assert made.client.stats().http_turns == 1
        assert [posted.is_disposed for posted in made.http.calls] == [True] * 3


def test_the_third_503_is_raised() -> None:
    """Two retries a turn."""
    with rig(http=[Reply.page("<p>", 503)] * 3, **HTTP) as made:
        call = create(made)
        for longest in (0.5, 1.0):
            made.clock.wait_for_waiters(within=longest)
            made.clock.advance(longest)
        with pytest.raises(ServerError, match="HTTP 503") as caught:
            call.result()
        assert caught.value.attempts == 3


def test_a_retry_after_header_is_obeyed() -> None:
    """Up to thirty seconds; above it the error is raised at once."""
    slow = {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}
    error = error_of(RateLimitError, Reply.json(slow, 429, retry_after="31"))
    assert (error.retry_after, error.attempts) == (31.0, 1)
    with rig(http=[Reply.json(slow, 429, retry_after="30"), echo_http], **HTTP) as made:
        call = create(made)
        made.clock.wait_for_waiters(within=30)
        made.clock.advance(29.9)
        made.clock.wait_for_waiters(within=0.2)
        assert len(made.http.calls) == 1
        made.clock.advance(0.2)
        assert call.result().output_text == "a"


def test_an_error_event_in_the_stream_is_the_apis() -> None:
    """With what had come before it."""
    error = error_of(ServerError, Reply.of(created(), delta("half"), wire.break_off().to_dict()))
    assert (error.partial.text, error.report.transport) == ("half", "http")


def test_of_a_refusal_no_more_is_read_than_matters() -> None:
    """A gateway may send a page without end."""
    endless = Reply(status=502, headers={}, body=[b"x" * 1024] * (BODY_LIMIT // 1024 * 3))
    with rig(http=[endless], replay="never", **HTTP) as made:
        with pytest.raises(ServerError):
            made.client.create(model="m", input="a")
        call = made.http.calls[0]
        assert call.bytes_received <= BODY_LIMIT + 1024
        assert call.is_aborted


# --- bad answers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        Reply.page("<html>Welcome to the hotel</html>", 200),
        Reply.json({"object": "list"}),
        Reply.json([]),
        Reply(body=[b"data: {not json\n\n"]),
        Reply(body=[b"data: []\n\n"]),
        Reply.of(delta("before created")),
    ],
    ids=["page", "list", "array", "bad json", "no object", "order"],
)
def test_what_is_no_answer_breaks_the_protocol(reply: Reply) -> None:
    """It is told once, and not sent again: it would break again."""
    error = error_of(ProtocolError, reply)
    assert (error.attempts, error.report.transport) == (1, "http")


def test_what_came_before_the_bad_event_counts() -> None:
    """One read holds good events and a bad one; the good ones are in the partial."""
    error = error_of(ProtocolError, Reply(body=[sse(created(), delta("good")) + b"data: {\n\n"]))
    assert error.partial.text == "good"


# --- losses -------------------------------------------------------------------------------------


def test_a_stream_that_ends_early_is_a_loss() -> None:
    """Replayed once, as the report says."""
    response = ask(Reply.of(created(), delta("half")), echo_http)
    assert (response.output_text, response.report.attempts) == ("a", 2)
    assert response.report.replayed
    assert response.report.possible_duplicate_charge


def test_the_second_loss_is_told() -> None:
    """No close code: there is none over HTTP."""
    lost = Reply(send_error=ConnectionLostError("the connection was lost: reset", reason="reset"))
    error = error_of(DeliveryUnknownError, lost, lost)
    assert "the HTTP connection was lost: reset" in str(error)
    assert (error.attempts, error.close_code, error.report.close_code) == (2, None, None)


def test_a_loss_behind_output_that_was_handed_over_is_not_replayed() -> None:
    """The partial has all that came."""
    with rig(http=[Reply.of(created(), delta("one"), is_open=True)], **HTTP) as made:
        stream = made.client.stream(model="m", input="a")
        assert [next(stream).type for _ in range(2)][1] == "response.output_text.delta"
        made.http.calls[0].cut()
        with pytest.raises(ResponseInterruptedError, match="HTTP connection was lost") as caught:
            next(stream)
        assert (caught.value.partial.text, caught.value.state) == ("one", "observed")


def test_a_server_that_cannot_be_reached_is_told_with_nothing_sent() -> None:
    """ConnectError as it came."""
    error = error_of(ConnectError, Reply(connect_error=ConnectError("refused", stage="tcp")))
    assert (error.attempts, error.state, error.stage) == (0, "prepared", "tcp")
    assert error.report.transport == "http"


def test_a_replay_that_cannot_be_sent_leaves_the_delivery_unknown() -> None:
    """A ConnectError alone would say that nothing ever left."""
    refused = Reply(connect_error=ConnectError("refused"))
    error = error_of(DeliveryUnknownError, Reply.of(created()), refused)
    assert isinstance(error.__cause__, ConnectError)


def test_a_replay_asks_for_a_connection_that_was_not_open_before() -> None:
    """What took the last one may have taken others; what was refused has no such need."""
    busy = Reply.json({"error": {"message": "Busy."}}, 503)
    with rig(http=[busy, Reply.of(created()), echo_http], **HTTP) as made:
        made.client._pool.rng = NoJitter()
        made.client.create(model="m", input="a")
        assert [call.request.is_fresh for call in made.http.calls] == [False, False, True]


# --- timers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [Reply(holds="head"), Reply(is_open=True)], ids=["head", "body"])
def test_no_first_event_is_a_lost_connection(reply: Reply) -> None:
    """60 s after the request was out, and no other attempt: an end was promised by now."""
    with rig(http=[reply], **HTTP) as made:
        call = create(made)
        made.http.next_call()
        made.clock.wait_for_waiters(within=1)
        made.clock.advance(60)
        with pytest.raises(DeliveryUnknownError, match="no event within 60 s"):
            call.result()
        assert made.http.calls[0].is_aborted


def test_while_an_upload_drains_the_first_event_timer_stands_still() -> None:
    """The server cannot have answered what it does not have."""
    with rig(http=[Reply(holds="head")], **HTTP) as made:
        call = create(made)
        posted = made.http.next_call()
        for unsent in (5_000, 4_000, 3_000):
            posted.unsent = unsent
            made.clock.wait_for_waiters(within=1)
            made.clock.advance(59)
        made.clock.wait_for_waiters(within=1)
        made.clock.advance(60)
        with pytest.raises(DeliveryUnknownError, match="no event within 60 s"):
            call.result()
        assert made.clock.now() >= 1000 + 2 * 59 + 60


@pytest.mark.parametrize("phase", ["total", "silence"])
def test_a_caller_who_gives_up_gets_what_there_is(phase: str) -> None:
    """Never replayed."""
    limits = {"silence": 5.0} if phase == "silence" else {"create_total": 5.0}
    reply = Reply.of(created(), delta("half"), is_open=True)
    with rig(http=[reply], timeouts=Timeouts(**limits), **HTTP) as made:
        call = create(made)
        made.http.next_call()
        made.clock.wait_for_waiters(within=1)
        made.clock.advance(5)
        with pytest.raises(TurnTimeoutError) as caught:
            call.result()
        assert (caught.value.phase, caught.value.partial.text) == (phase, "half")
        assert made.http.calls[0].is_aborted


def test_the_callers_patience_ends_a_connect() -> None:
    """Nothing was sent."""
    with rig(http=[Reply(holds="connect")], timeouts=Timeouts(create_total=5), **HTTP) as made:
        call = create(made)
        made.http.next_call()
        made.clock.wait_for_waiters(within=1)
        made.clock.advance(5)
        with pytest.raises(TurnTimeoutError) as caught:
            call.result()
        assert (caught.value.phase, caught.value.attempts) == ("total", 0)


#: An error in the middle, and the event that may follow it has not come.
HALF_A_PAIR = [created(), refusal("insufficient_quota")]


def test_an_error_that_has_come_is_told_though_the_callers_patience_ends() -> None:
    """It was held back for the response that may follow it; what it says is worth more."""
    with rig(http=[Reply.of(*HALF_A_PAIR, is_open=True)], **HTTP) as made:
        call = create(made, timeout=30)
        made.http.next_call()
        made.clock.wait_for_waiters(within=1)
        made.clock.advance(30)
        with pytest.raises(RateLimitError) as caught:
            call.result()
        assert caught.value.code == "insufficient_quota"


def test_a_foreign_exception_comes_out_though_an_error_was_held_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task's time limit, raised in the middle of a wait, is nobody's to swallow."""

    class SoftTimeLimitExceeded(Exception):
        pass

    with rig(http=[Reply.of(*HALF_A_PAIR, is_open=True)], **HTTP) as made:
        stream = made.client.stream(model="m", input="a")
        assert next(stream).type == "response.created"
        call = made.http.calls[0]
        read, limits = call.read, [SoftTimeLimitExceeded()]

        def interrupted() -> bytes:
            if stream._delivery.claim.exchange._pairs.held is not None:  # type: ignore[union-attr]
                raise limits.pop()
            return read()

        monkeypatch.setattr(call, "read", interrupted)
        with pytest.raises(SoftTimeLimitExceeded):
            list(stream)


def test_a_cancelled_turn_is_cancelled_though_an_error_was_held_back() -> None:
    """Whoever cancels is not told of anything else."""
    with rig(http=[Reply.of(*HALF_A_PAIR, is_open=True)], **HTTP) as made:
        stream = made.client.stream(model="m", input="a")
        assert next(stream).type == "response.created"
        call = Call(lambda: next(stream))
        made.clock.wait_for_waiters(within=1)
        stream.cancel()
        with pytest.raises(TurnCancelledError):
            call.result()


# --- giving up ----------------------------------------------------------------------------------


def test_cancel_wakes_the_reader() -> None:
    """With what had arrived."""
    with rig(http=[Reply.of(created(), delta("half"), is_open=True)], **HTTP) as made:
        stream = made.client.stream(model="m", input="a")
        assert next(stream).type == "response.created"
        next(stream)
        call = Call(stream.until_done)
        made.clock.wait_for_waiters()
        stream.cancel()
        stream.cancel()
        with pytest.raises(TurnCancelledError) as caught:
            call.result()
        assert caught.value.partial.text == "half"
        assert made.http.calls[0].is_aborted


@pytest.mark.parametrize("phase", ["connect", "head"])
def test_close_ends_a_turn_that_waits(phase: Any) -> None:
    """After its timeout; nothing of the turn is left."""
    with rig(http=[Reply(holds=phase)], **HTTP) as made:
        call = create(made)
        made.http.next_call()
        closing = Call(lambda: made.client.close(timeout=3))
        made.clock.wait_for_waiters(within=3)
        made.clock.wait_for_waiters(2)
        made.clock.advance(3)
        with pytest.raises(TurnCancelledError):
            call.result()
        closing.result()
        assert made.http.calls[0].is_disposed
        assert made.http.is_closed


def test_close_waits_for_a_turn_that_runs() -> None:
    """It gets its answer."""
    with rig(http=[Reply.of(created(), is_open=True)], **HTTP) as made:
        call = create(made)
        posted = made.http.next_call()
        closing = Call(lambda: made.client.close(timeout=3))
        made.clock.wait_for_waiters(2)
        posted.feed(completed())
        assert call.result().id == "resp_1"
        closing.result()


def test_a_closed_stream_lets_go_of_its_connection() -> None:
    """In the middle of an answer: it is cut, never used again, and counted once."""
    with rig(http=[Reply.of(*turn(), is_open=True)], **HTTP) as made:
        with made.client.stream(model="m", input="a") as stream:
            next(stream)
            assert made.client.stats().turns_running == 1
        stream.close()
        posted = made.http.calls[0]
        assert (posted.is_aborted, posted.is_disposed) == (False, True)
        stats = made.client.stats()
        assert (stats.turns_running, stats.http_turns, stats.fallbacks) == (0, 1, 0)
        assert stats.bytes_received == posted.bytes_received


def test_an_unfinished_answer_is_cut() -> None:
    """Its rest must not be taken for the next answer."""
    with rig(http=[Reply.of(created(), is_open=True)], **HTTP) as made:
        with made.client.stream(model="m", input="a") as stream:
            next(stream)
        assert made.http.calls[0].is_aborted
        assert made.http.calls[0].is_disposed


def test_a_dropped_stream_is_cut_at_once_and_let_go_of_by_the_next_turn() -> None:
    """A finalizer may only shut the socket down."""
    with rig(http=[Reply.of(created(), is_open=True), echo_http], **HTTP) as made:
        stream = made.client.stream(model="m", input="a")
        next(stream)
        del stream
        gc.collect()
        assert made.http.calls[0].is_aborted
        made.client.create(model="m", input="b")
        assert made.http.calls[0].is_disposed
        assert made.client.stats().turns_running == 0


@pytest.mark.parametrize("where", ["dispose", "http_ended"])
def test_ctrl_c_while_a_turn_lets_go_leaves_none_running(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer has come whole; the interrupt meets the end of its turn, once."""
    presses = iter([KeyboardInterrupt()])

    def interrupted(*_: Any) -> None:
        for press in presses:
            raise press
        do(*_)

    with rig(http=[echo_http], **HTTP) as made:
        holder = ScriptedCall if where == "dispose" else type(made.client._dialer.tally)
        do = getattr(holder, where)
        monkeypatch.setattr(holder, where, interrupted)
        with pytest.raises(KeyboardInterrupt):
            made.client.create(model="m", input="a")
        assert made.client.stats().turns_running == 0
        assert not made.client._pool._claims


def test_a_dropped_client_is_collected() -> None:
    """No call of the past holds it."""
    with rig(http=[Reply.of(created(), is_open=True)], **HTTP) as made:
        stream = made.client.stream(model="m", input="a")
        next(stream)
        gone = weakref.ref(made.client._pool)
        del stream
        made.client = None  # type: ignore[assignment]
        gc.collect()
        assert gone() is None


def test_turns_over_http_start_no_thread() -> None:
    """Whoever waits for a turn does its work."""
    with rig(http=[echo_http] * 3, **HTTP) as made:
        for text in "abc":
            assert made.client.create(model="m", input=text).output_text == text
        assert made.client._dialer.keeper._worker._is_running is False
        assert made.transport.endpoint is None


def test_a_refusal_frees_its_connection_for_the_next_turn() -> None:
    """Read to its end, it is not cut."""
    body = {"error": {"message": "No."}}
    with rig(http=[Reply.json(body, 400), echo_http], **HTTP) as made:
        with pytest.raises(BadRequestError):
            made.client.create(model="m", input="a")
        posted = made.http.calls[0]
        assert (posted.is_aborted, posted.is_disposed) == (False, True)
        assert json.loads(posted.request.body or b"")["input"] == "a"


def test_an_api_error_is_not_taken_for_a_stream() -> None:
    """Even under the type of one."""
    event = json.dumps(refusal("model_not_found")).encode()
    reply = Reply(status=404, headers={"content-type": "text/event-stream"}, body=[event])
    assert error_of(NotFoundError, reply).code == "model_not_found"
