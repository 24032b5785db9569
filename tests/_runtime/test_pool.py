"""Which link a turn gets."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from pyresponses_ws.config import Hooks
from pyresponses_ws.errors import ClosedError, ConnectError, RateLimitError, TurnCancelledError
from tests._runtime.rig import Call, created, delta, echo, rig, turn


def test_a_busy_link_means_a_new_one() -> None:
    """Two turns at a time, two links; the one used last is first again."""
    with rig(None, echo) as made:
        stream = made.client.stream(model="m", input="a")
        other = made.client.create(model="m", input="b").report
        made.transport.feed(*turn())
        stream.until_done()
        again = made.client.create(model="m", input="c").report
        assert other is not None
        assert again is not None
        assert (stream.report.link, other.link, again.link) == (1, 2, 2)


def test_a_chain_finds_the_link_that_holds_it() -> None:
    """The server keeps the latest response of a connection in its memory."""
    with rig(None, echo) as made:
        stream = made.client.stream(model="m", input="a")
        made.client.create(model="m", input="b")
        made.transport.feed(*turn("text", "resp_a"))
        stream.until_done()
        made.client.stream(model="m", input="c", previous_response_id="resp_a").cancel()
        assert made.transport.sent[-1]["previous_response_id"] == "resp_a"


def test_an_abandoned_turn_takes_its_link_along() -> None:
    """Its late events cannot reach the next turn."""
    with rig(None, echo) as made:
        with made.client.stream(model="m", input="a") as stream:
            made.transport.feed(created(), delta("half"))
            next(stream)
        assert made.transport.is_aborted
        assert made.client.create(model="m", input="b").output_text == "b"


def test_a_turn_that_has_ended_retires_nothing() -> None:
    """Its terminal had arrived, read or not."""
    with rig(echo) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.settle()
        stream.close()
        assert made.client.create(model="m", input="b").report.reused_link


def test_a_dropped_stream_is_retired() -> None:
    """The last reference is gone: the keeper gives the turn up."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        del stream
        made.transport.wait_until_aborted()


def test_a_dropped_client_is_collected() -> None:
    """Nothing of its threads holds it; its links are cut."""
    with rig(echo) as made:
        made.client.create(model="m", input="a")
        gone = weakref.ref(made.client)
        del made.client
        gc.collect()
        assert gone() is None
        made.transport.wait_until_aborted()


def test_a_stream_outlives_its_client() -> None:
    """It holds what it needs."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        del made.client
        gc.collect()
        made.transport.feed(*turn())
        assert stream.get_final_response().output_text == "Hello"


def test_a_connect_that_fails_leaves_nothing() -> None:
    """The error comes through, and the next turn opens another link."""
    with rig(None, echo) as made:
        made.transport.connect_error = ConnectError("refused", stage="tcp")
        with pytest.raises(ConnectError) as caught:
            made.client.create(model="m", input="a")
        assert (caught.value.stage, caught.value.attempts) == ("tcp", 0)
        assert made.transport.is_disposed
        assert made.client.stats().links == 0
        assert made.client.create(model="m", input="b").output_text == "b"


def test_close_waits_for_running_turns() -> None:
    """Then it is over; a new turn is refused."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        closing = Call(lambda: made.client.close(timeout=5))
        made.clock.wait_for_waiters(within=5)
        made.transport.feed(*turn())
        closing.result()
        assert stream.get_final_response().output_text == "Hello"
        with pytest.raises(ClosedError):
            made.client.create(model="m", input="b")


def test_close_cancels_what_does_not_end() -> None:
    """After its timeout."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        closing = Call(lambda: made.client.close(timeout=5))
        made.clock.wait_for_waiters(within=5)
        made.clock.advance(5)
        closing.result()
        with pytest.raises(TurnCancelledError):
            stream.until_done()


def test_idle_links_are_told_goodbye() -> None:
    """1000 "Client closed"; a second close does nothing."""
    with rig(echo) as made:
        made.client.create(model="m", input="a")
        made.client.close()
        made.client.close()
        assert made.transport.closes == [(1000, "Client closed")]


def test_stats_count() -> None:
    """Links, turns, bytes."""
    with rig(echo) as made:
        made.client.create(model="m", input="a")
        stats = made.client.stats()
        assert (stats.links, stats.links_opened, stats.turns, stats.turns_running) == (1, 1, 1, 0)
        assert stats.bytes_sent == made.transport.bytes_sent
        made.transport.end()
        made.transport.wait_until_disposed()
        assert made.client.stats().bytes_sent == stats.bytes_sent


def test_hooks_hear_of_links() -> None:
    """Opened and ended, with their numbers."""
    heard: list[object] = []
    hooks = Hooks(on_connect=heard.append, on_disconnect=heard.append)
    with rig(echo, hooks=hooks) as made:
        made.client.create(model="m", input="a")
        made.transport.end(1012, "restart")
        made.transport.wait_until_disposed()
    opened, ended = heard
    assert (opened.link, opened.close_code) == (1, None)
    assert (ended.close_code, ended.close_reason) == (1012, "restart")


def test_a_ping_is_answered() -> None:
    """By the reader, when nobody sends."""
    with rig(echo) as made:
        made.client.create(model="m", input="a")
        made.transport.feed_ping(b"are you there")
        made.transport.settle()
        assert made.transport.pongs == [b"are you there"]


def test_a_refused_handshake_tells_how_long_to_wait() -> None:
    """Retry-After of the answer, in seconds."""
    with rig(None) as made:
        body = {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}
        made.transport.connect_error = ConnectError("429", status=429, body=body, retry_after=7)
        with pytest.raises(RateLimitError) as caught:
            made.client.create(model="m", input="a")
        assert caught.value.retry_after == 7


def test_a_gateways_refusal_is_not_the_apis() -> None:
    """A 403 without an error object stays a ConnectError."""
    with rig(None) as made:
        made.transport.connect_error = ConnectError("403", status=403)
        with pytest.raises(ConnectError):
            made.client.create(model="m", input="a")


def test_a_turn_that_is_connecting_still_has_its_time_at_close() -> None:
    """Its link takes that turn and no other."""
    with rig(echo) as made:
        gate = threading.Event()
        made.transport.on_connect = gate.wait
        call = Call(lambda: made.client.create(model="m", input="a"))
        made.transport.wait_until_connecting()
        closing = Call(lambda: made.client.close(timeout=5))
        made.clock.wait_for_waiters(within=5)
        gate.set()
        assert call.result().output_text == "a"
        closing.result()


def test_a_whole_answer_may_be_read_after_close() -> None:
    """Even where the peer does not answer our close frame in time."""
    with rig(echo) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.settle()
        made.client.close(timeout=0)
        assert stream.get_final_response().output_text == "a"


def test_an_interrupt_in_letting_go_lets_go_again() -> None:
    """A turn that was dropped counts as running until its exchange has been left."""

    class Interrupted:
        left = 0

        def leave(self) -> None:
            self.left += 1
            if self.left == 1:
                raise KeyboardInterrupt

    exchange = Interrupted()
    with rig() as made:
        pool = made.client._pool
        pool.bury(exchange)  # type: ignore[arg-type]  # all that it needs
        with pytest.raises(KeyboardInterrupt):
            pool.leave_buried()
        pool.leave_buried()
        pool.leave_buried()
    assert exchange.left == 2
