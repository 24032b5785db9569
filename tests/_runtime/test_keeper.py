"""Pings and the end of dead links."""

from __future__ import annotations

import pytest

from pyresponses_ws.config import Timeouts
from pyresponses_ws.errors import ResponseInterruptedError
from tests._runtime.rig import Call, Rig, created, delta, echo, rig, turn

#: Seconds of the timers under test.
INTERVAL, TIMEOUT = 20, 20


def let_pass(made: Rig, seconds: float) -> None:
    """Advance once the keeper waits for at most so long."""
    made.clock.wait_for_waiters(within=seconds)
    made.clock.advance(seconds)


def idle(made: Rig) -> None:
    """Open a link and leave it idle."""
    made.client.create(model="m", input="a")


def test_a_quiet_link_is_pinged() -> None:
    """20 s without an inbound frame: a ping."""
    with rig(echo) as made:
        idle(made)
        let_pass(made, INTERVAL)
        made.clock.wait_for_waiters(within=TIMEOUT)
        assert made.transport.pings == 1


def test_a_link_that_answers_lives() -> None:
    """A pong starts the count again; the link is alive forty minutes later."""
    with rig(echo, timeouts=Timeouts(idle=None)) as made:
        idle(made)
        for count in range(1, 120):
            let_pass(made, INTERVAL)
            made.clock.wait_for_waiters(within=TIMEOUT)
            assert made.transport.pings == count
            made.transport.feed_pong()
            made.transport.settle()
        assert not made.transport.is_aborted


def test_a_link_that_does_not_answer_is_cut() -> None:
    """20 s after the ping with nothing inbound the turn ends, with what it had."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created(), delta("part"))
        assert [next(stream).type for _ in range(2)][1] == "response.output_text.delta"
        waiting = Call(lambda: next(stream))
        let_pass(made, INTERVAL)
        let_pass(made, TIMEOUT)
        with pytest.raises(ResponseInterruptedError) as caught:
            waiting.result()
        assert caught.value.partial.text == "part"
        assert "no answer to a ping within 20 s" in caught.value.close_reason


def test_a_draining_upload_stops_the_clock() -> None:
    """While the peer takes bytes of ours it cannot answer a ping that stands behind them."""
    with rig(echo) as made:
        idle(made)
        made.transport.unsent = 1_000_000
        let_pass(made, INTERVAL)
        made.clock.wait_for_waiters(within=TIMEOUT)
        assert made.transport.pings == 1
        made.transport.unsent = 900_000
        let_pass(made, TIMEOUT)
        made.clock.wait_for_waiters(within=TIMEOUT)
        assert not made.transport.is_aborted
        let_pass(made, TIMEOUT)
        made.transport.wait_until_aborted()


def test_a_black_hole_is_not_taken_for_an_upload() -> None:
    """Nobody acknowledges our ping: the kernel's queue has grown, which is no sign of life."""
    with rig(echo) as made:
        idle(made)
        let_pass(made, INTERVAL)
        made.clock.wait_for_waiters(within=TIMEOUT)
        made.transport.unsent = 6
        let_pass(made, TIMEOUT)
        made.transport.wait_until_aborted()


def test_without_an_interval_no_ping_leaves() -> None:
    """ping_interval=None; the keeper still retires dropped turns."""
    with rig(None, timeouts=Timeouts(ping_interval=None)) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(*turn())
        assert stream.get_final_response().id == "resp_1"
        dropped = made.client.stream(model="m", input="b")
        del dropped
        made.transport.wait_until_aborted()
        assert made.transport.pings == 0
