"""What of a turn is sent again, over scripted links."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.config import Hooks
from pyresponses_ws.errors import (
    ConnectError,
    ConnectionLostError,
    DeliveryUnknownError,
    RateLimitError,
    ResponseInterruptedError,
    ServerError,
)
from tests._runtime.rig import (
    Call,
    create,
    created,
    cut,
    delta,
    echo,
    refusal,
    rig,
    turn,
)


@pytest.mark.parametrize("frames", [[], [created()], [created(), delta("half")]])
def test_a_blocking_turn_is_replayed_once(frames: list[Any]) -> None:
    """Nothing was handed over, so the caller cannot see it twice."""
    with rig(None, echo) as made:
        call = create(made)
        made.transport.next_command()
        made.transport.feed(*frames)
        cut(made)
        response = call.result()
        assert response.output_text == "a"
        report = response.report
        assert (report.attempts, report.replayed) == (2, True)
        assert report.possible_duplicate_charge
        assert made.transports[1].sent == made.transports[0].sent


def test_the_second_loss_is_told() -> None:
    """One ambiguous replay a turn."""
    with rig(None, None) as made:
        call = create(made)
        for transport in made.transports:
            transport.next_command()
            transport.end(1011, "oops")
        with pytest.raises(DeliveryUnknownError) as caught:
            call.result()
        assert (caught.value.attempts, caught.value.close_code) == (2, 1011)
        assert caught.value.close_reason == "oops"
        assert made.transports[1].closes == [(1011, "")]


def test_a_turn_with_effects_is_not_replayed() -> None:
    """A hosted tool that acts outside may have run."""
    with rig(None) as made:
        call = create(made, tools=[{"type": "mcp", "server_label": "x"}])
        made.transport.next_command()
        cut(made)
        with pytest.raises(DeliveryUnknownError):
            call.result()


def test_never_means_never() -> None:
    """replay="never" keeps only what certainly did nothing."""
    with rig(None, replay="never") as made:
        call = create(made)
        made.transport.next_command()
        cut(made)
        with pytest.raises(DeliveryUnknownError):
            call.result()


def test_output_that_was_handed_over_forbids_a_replay() -> None:
    """The error carries what the caller has, and what he has not read yet."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created(), delta("one "), delta("two"))
        made.transport.settle()
        assert [next(stream).type for _ in range(2)][-1] == "response.output_text.delta"
        cut(made)
        with pytest.raises(ResponseInterruptedError) as caught:
            list(stream)
        assert caught.value.partial.text == "one two"
        assert (caught.value.response_id, caught.value.state) == ("resp_1", "observed")


def test_a_stream_is_replayed_before_its_first_output() -> None:
    """created alone shows nothing; the replay's own created follows."""
    with rig(None, None) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created("resp_1"))
        assert next(stream).type == "response.created"
        cut(made)
        call = Call(lambda: [event.type for event in stream])
        made.transports[1].next_command()
        made.transports[1].feed(*turn("done", "resp_2"))
        assert call.result()[0] == "response.created"
        assert stream.response_id == "resp_2"
        assert stream.get_final_response().output_text == "done"


def test_a_link_found_dead_before_the_first_byte_is_no_replay() -> None:
    """Nothing left us: another link, unseen by the caller."""
    with rig(echo, echo) as made:
        made.client.create(model="m", input="a")
        made.transport.send_error = ConnectionLostError("gone", reason="reset")
        made.transport.is_send_partial = False
        report = made.client.create(model="m", input="b").report
        assert report is not None
        assert (report.replayed, report.attempts, report.link) == (False, 1, 2)


def test_a_replay_goes_to_a_link_that_was_not_open_before() -> None:
    """What took one link may have taken the other idle ones too."""
    with rig(None, echo, echo) as made:
        stream = made.client.stream(model="m", input="a")
        made.client.create(model="m", input="b")
        cut(made)
        stream.until_done()
        assert (stream.report.link, stream.report.reused_link) == (3, False)


def test_a_replay_without_a_link_leaves_the_delivery_unknown() -> None:
    """A plain ConnectError would say that nothing was sent."""
    with rig(None, None) as made:
        made.transports[1].connect_error = ConnectError("refused")
        call = create(made)
        made.transport.next_command()
        made.transport.feed(created(), delta("half"))
        cut(made)
        with pytest.raises(DeliveryUnknownError) as caught:
            call.result()
        error = caught.value
        assert (error.state, error.partial.text, error.response_id) == (
            "accepted",
            "half",
            "resp_1",
        )
        assert (error.report.replayed, error.close_code) == (False, 1006)
        assert isinstance(error.__cause__, ConnectError)


def test_a_replay_that_finds_dead_links_stays_a_replay() -> None:
    """What became of the first request is as unknown as before, whatever the new links say."""
    with rig(None, None, echo) as made:
        made.transports[1].send_error = ConnectionLostError("dead")
        made.transports[1].is_send_partial = False
        call = create(made)
        made.transport.next_command()
        cut(made)
        report = call.result().report
        assert (report.replayed, report.possible_duplicate_charge, report.link) == (True, True, 3)


@pytest.mark.parametrize(
    "failure",
    [
        ConnectError("refused"),
        ConnectError("429", status=429, body={"error": {"message": "Slow down"}}),
        OSError("no token"),
    ],
)
def test_a_replay_that_finds_no_link_is_an_unknown_delivery(failure: Exception) -> None:
    """Also after a link that was dead before its first byte."""
    with rig(None, None, None) as made:
        made.transports[1].send_error = ConnectionLostError("dead")
        made.transports[1].is_send_partial = False
        made.transports[2].connect_error = failure
        call = create(made)
        made.transport.next_command()
        cut(made)
        with pytest.raises(DeliveryUnknownError):
            call.result()


def test_an_overloaded_server_is_asked_again() -> None:
    """Before created: 0.5 s, then 1 s at most, then the error."""
    overloaded = [refusal("server_is_overloaded")]
    retries: list[Any] = []
    hooks = Hooks(on_retry=retries.append)
    with rig(lambda command: overloaded, hooks=hooks) as made:
        call = create(made)
        for longest in (0.5, 1.0):
            made.clock.wait_for_waiters(within=longest)
            made.clock.advance(longest)
        with pytest.raises(ServerError) as caught:
            call.result()
        assert (caught.value.attempts, caught.value.code) == (3, "server_is_overloaded")
        assert len(made.transport.sent) == 3
        assert [retry.attempts for retry in retries] == [1, 2]


def test_a_spent_quota_is_told_at_once() -> None:
    """No retry helps, whatever the status."""
    with rig(lambda command: [refusal("insufficient_quota", status=429)]) as made:
        with pytest.raises(RateLimitError) as caught:
            made.client.create(model="m", input="a")
        assert caught.value.attempts == 1


def test_the_age_limit_moves_the_turn_to_a_new_link() -> None:
    """The old link takes no turn any more."""
    with rig(lambda command: [refusal("websocket_connection_limit_reached")], echo) as made:
        response = made.client.create(model="m", input="a")
        assert response.output_text == "a"
        made.transport.wait_until_aborted()


def test_a_replay_may_be_answered_though_its_send_fails() -> None:
    """The turn is over then; nobody waits for more."""
    with rig(None, None) as made:
        second = made.transports[1]
        second.send_error = ConnectionLostError("reset")
        call = create(made)
        made.transport.next_command()
        second.feed(*turn("late"))
        second.end(1000)
        cut(made)
        assert call.result().output_text == "late"
