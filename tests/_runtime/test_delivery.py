"""A turn on its way, over scripted links."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Mailbox
from pyresponses_ws._transport.base import SEND_TIMED_OUT
from pyresponses_ws.config import Hooks, Timeouts
from pyresponses_ws.errors import (
    BadRequestError,
    ConnectionLostError,
    DeliveryUnknownError,
    ProtocolError,
    RateLimitError,
    ResponseFailedError,
    ServerError,
    StreamOverflowError,
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
    refusal,
    rig,
    turn,
)


def test_a_turn_brings_its_response_and_its_report() -> None:
    """One link, one attempt, bytes counted."""
    with rig(echo) as made:
        response = made.client.create(model="m", input="a")
        assert response.output_text == "a"
        report = response.report
        assert report is not None
        assert (report.transport, report.attempts, report.reused_link) == ("websocket", 1, False)
        assert report.bytes_sent == made.transport.bytes_sent
        assert report.bytes_received == made.transport.bytes_received
        assert (report.events, report.input_mode) == (3, "full")


def test_turns_in_a_row_use_one_link() -> None:
    """The second finds the link of the first."""
    with rig(echo) as made:
        reports = [made.client.create(model="m", input=text).report for text in "abc"]
        assert [report.reused_link for report in reports if report] == [False, True, True]


def test_a_turn_that_continues_knows_what_a_replay_would_cost() -> None:
    """full_replay_bytes grows by what the earlier turns sent and received."""
    with rig(echo) as made:
        first = made.client.create(model="m", input="a")
        second = made.client.create(model="m", input="b", previous_response_id=first.id)
        stranger = made.client.create(model="m", input="c", previous_response_id="resp_other")
        assert second.report is not None
        assert stranger.report is not None
        assert second.report.input_mode == "delta"
        assert second.report.full_replay_bytes > second.report.bytes_sent
        assert stranger.report.full_replay_bytes is None
        assert stranger.report.bytes_saved is None


def test_a_send_that_breaks_off_waits_for_the_close_code() -> None:
    """The reader knows why the peer left; the turn's row is chosen by it."""
    with rig(None) as made:
        made.transport.send_error = ConnectionLostError("reset")
        made.transport.end(1009, "too big")
        with pytest.raises(ConnectionLostError) as caught:
            made.client.create(model="m", input="a")
        assert caught.value.close_code == 1009


def test_an_error_in_the_middle_ends_the_turn() -> None:
    """With what had arrived; the link stays, and its late failure is nobody's."""
    frames = [created(), delta("half"), wire.break_off().to_dict()]
    with rig(lambda command: frames) as made:
        with pytest.raises(ServerError) as caught:
            made.client.create(model="m", input="a")
        assert caught.value.partial.text == "half"
        assert caught.value.state == "terminal"
        made.transport.feed(wire.failed().to_dict())
        made.transport.settle()
        assert made.client.stats().links == 1


def test_a_failed_response_is_an_error_with_its_response() -> None:
    """failed raises; incomplete returns."""
    failed = wire.failed().to_dict()
    with rig(lambda command: [created(), failed]) as made:
        with pytest.raises(ResponseFailedError, match="It broke") as caught:
            made.client.create(model="m", input="a")
        assert caught.value.code == "server_error"
        assert caught.value.response.id == "resp_1"


def test_no_first_event_is_a_lost_link() -> None:
    """60 s after the send the link is cut, and the caller hears at once."""
    with rig(None, timeouts=Timeouts(ping_interval=None)) as made:
        call = create(made)
        made.transport.next_command()
        made.clock.wait_for_waiters(within=60)
        made.clock.advance(60)
        with pytest.raises(DeliveryUnknownError, match="no event within 60 s"):
            call.result()
        assert made.transport.is_aborted


@pytest.mark.parametrize("phase", ["total", "silence"])
def test_a_caller_who_gives_up_gets_what_there_is(phase: str) -> None:
    """Never replayed; the partial is in the error."""
    limits = {"silence": 5.0} if phase == "silence" else {}
    with rig(None, timeouts=Timeouts(ping_interval=None, **limits)) as made:
        stream = made.client.stream(model="m", input="a", timeout=5 if phase == "total" else None)
        made.transport.feed(created(), delta("half"))
        made.transport.settle()
        call = Call(stream.until_done)
        made.clock.wait_for_waiters(within=5)
        made.clock.advance(5)
        with pytest.raises(TurnTimeoutError) as caught:
            call.result()
        assert (caught.value.phase, caught.value.partial.text) == (phase, "half")
        assert made.transport.is_aborted


def test_a_wait_that_is_longer_than_the_time_left_is_not_begun() -> None:
    """The server asks for 20 s and the caller has 10: he hears now."""
    answer = [refusal("rate_limit_exceeded", status=429, headers={"retry-after": "20"})]
    with rig(lambda command: answer) as made:
        with pytest.raises(RateLimitError) as caught:
            made.client.create(model="m", input="a", timeout=10)
        assert caught.value.retry_after == 20


def test_a_peer_that_breaks_the_protocol_loses_its_link() -> None:
    """No replay: it would break again. The next turn gets a new link."""
    with rig(lambda command: ["{not json"], echo) as made:
        with pytest.raises(ProtocolError) as caught:
            made.client.create(model="m", input="a")
        assert caught.value.text == "{not json"
        assert caught.value.attempts == 1
        assert made.client.create(model="m", input="b").output_text == "b"


def test_what_came_before_the_bad_frame_counts() -> None:
    """One batch holds good events and a bad one; the good ones are in the partial."""
    with rig(lambda command: [created(), delta("good"), "[]"]) as made:
        with pytest.raises(ProtocolError) as caught:
            made.client.create(model="m", input="a")
        assert caught.value.partial.text == "good"


def test_cancel_wakes_the_waiter() -> None:
    """From any thread, any number of times; what had arrived is in the error."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created(), delta("half"))
        made.transport.settle()
        call = Call(stream.until_done)
        made.clock.wait_for_waiters(2)
        stream.cancel()
        stream.cancel()
        with pytest.raises(TurnCancelledError) as caught:
            call.result()
        assert caught.value.partial.text == "half"
        made.transport.wait_until_aborted()


def test_cancel_ends_a_back_off() -> None:
    """The waiter sleeps before a retry; it need not sleep to the end."""
    with rig(lambda command: [refusal("server_is_overloaded")]) as made:
        call = create(made)
        made.clock.wait_for_waiters(within=0.5)
        made.client.close(timeout=0)
        made.clock.advance(0.5)
        with pytest.raises(TurnCancelledError):
            call.result()


def test_a_reader_that_is_too_slow_overflows(monkeypatch: pytest.MonkeyPatch) -> None:
    """That turn fails, with what fitted; nothing is dropped silently."""
    monkeypatch.setattr(Mailbox.__init__, "__kwdefaults__", {"limit": 500})
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created(), delta("a"))
        for _ in range(20):
            made.transport.feed(delta("b"))
        made.transport.settle()
        with pytest.raises(StreamOverflowError) as caught:
            stream.until_done()
        assert caught.value.partial.text.startswith("ab")


def test_a_turn_end_is_told_once() -> None:
    """on_turn_end gets the report of each turn, however it ended."""
    reports: list[Any] = []
    with rig(echo, hooks=Hooks(on_turn_end=reports.append)) as made:
        made.client.create(model="m", input="a")
        with made.client.stream(model="m", input="b") as stream:
            next(stream)
        assert [report.attempts for report in reports] == [1, 1]


def test_a_hook_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged."""

    def broken(report: Any) -> None:
        raise RuntimeError("mine")

    with rig(echo, hooks=Hooks(on_turn_end=broken, on_connect=broken)) as made:
        assert made.client.create(model="m", input="a").output_text == "a"
        assert "a hook raised" in caplog.text


def test_a_terminal_alone_answers() -> None:
    """Some servers send only response.completed, for a warm-up."""
    with rig(lambda command: [completed("resp_w", output=[])]) as made:
        assert made.client.warm_up(model="m").id == "resp_w"
        assert made.transport.sent[0]["generate"] is False
        assert made.transport.sent[0]["input"] == []


def test_what_the_server_said_before_it_left_is_told() -> None:
    """An error that came before our send broke off beats the broken send."""
    with rig(None) as made:
        made.transport.send_error = ConnectionLostError("reset")
        made.transport.is_send_partial = False
        made.transport.feed(refusal("model_not_found", status=400))
        made.transport.end(1008)
        with pytest.raises(BadRequestError) as caught:
            made.client.create(model="m", input="a")
        assert caught.value.code == "model_not_found"


def test_a_send_that_stands_still_is_not_tried_twice() -> None:
    """Its timer has run out: the caller was promised an end by now."""
    with rig(None) as made:
        made.transport.send_error = ConnectionLostError("slow", reason=SEND_TIMED_OUT)
        with pytest.raises(DeliveryUnknownError, match="send timed out"):
            made.client.create(model="m", input="a")


def test_nothing_comes_after_a_cancel() -> None:
    """What waits unread is in the error, not in the iteration."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created(), delta("one "), delta("two"))
        made.transport.settle()
        assert next(stream).type == "response.created"
        stream.cancel()
        with pytest.raises(TurnCancelledError) as caught:
            next(stream)
        assert caught.value.partial.text == "one two"


def test_the_report_is_whole_when_the_hook_hears_of_it() -> None:
    """The close code included."""
    reports: list[Any] = []
    hooks = Hooks(on_turn_end=lambda report: reports.append(report.close_code))
    with rig(None, replay="never", hooks=hooks) as made:
        call = create(made)
        made.transport.next_command()
        made.transport.end(1011)
        with pytest.raises(DeliveryUnknownError):
            call.result()
        assert reports == [1011]


def test_half_an_emoji_in_the_answer_is_no_error() -> None:
    """It came so, though it could not be sent back: only the history's size is unknown."""
    message = {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed"}
    output = [{**message, "content": [{"type": "output_text", "text": "\ud83d"}]}]
    with rig(lambda command: [created(), completed(output=output)]) as made:
        response = made.client.create(model="m", input="a")
        assert response.output_text == "\ud83d"
        again = made.client.create(model="m", input="b", previous_response_id=response.id)
        assert again.report.full_replay_bytes is None


def test_close_wakes_a_turn_in_its_back_off() -> None:
    """It need not sleep to the end."""
    answer = [refusal("rate_limit_exceeded", status=429, headers={"retry-after": "20"})]
    with rig(lambda command: answer) as made:
        call = create(made)
        made.clock.wait_for_waiters(within=20)
        closing = Call(lambda: made.client.close(timeout=0))
        with pytest.raises(TurnCancelledError):
            call.result()
        closing.result()


def test_an_answer_that_came_though_the_send_failed_counts() -> None:
    """The server had all that it needed."""
    with rig(None) as made:
        made.transport.send_error = ConnectionLostError("reset")
        made.transport.feed(*turn())
        made.transport.end(1000)
        assert made.client.create(model="m", input="a").output_text == "Hello"


def test_an_interrupt_while_leaving_leaves_nothing_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The keeper ends what the caller could not."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        original, calls = Link.abort, []

        def interrupted(link: Link, verdict: Any) -> None:
            calls.append(verdict)
            if len(calls) == 1:
                raise KeyboardInterrupt
            original(link, verdict)

        monkeypatch.setattr(Link, "abort", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stream.close()
        made.transport.wait_until_aborted()
