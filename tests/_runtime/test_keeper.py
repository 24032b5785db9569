"""Pings, the end of dead links, and of those that nobody uses."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.config import Timeouts
from pyresponses_ws.errors import ResponseInterruptedError
from tests._runtime.rig import Call, Rig, completed, created, delta, echo, rig, turn
from tests.support.responses_peer import threads_of, wait_for

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


# --- links that nobody uses -------------------------------------------------------------------

#: Seconds after which an unused link goes, and one that holds a chain of ``store=False``.
IDLE, CHAIN_IDLE = 300, 1800


def quiet(**limits: Any) -> dict[str, Any]:
    """Options without pings, so that nothing else happens meanwhile."""
    return {"timeouts": Timeouts(ping_interval=None, **limits)}


def unstored(command: dict[str, Any]) -> list[dict[str, Any]]:
    """Answer with a response that the server does not store."""
    return [created(), delta("x"), completed(store=False)]


def be_deaf(made: Rig) -> None:
    """Never answer a close frame."""
    closes = made.transport.closes
    made.transport.close = lambda code, reason: closes.append(  # type: ignore[method-assign]
        (code, reason)
    )


def test_an_unused_link_is_closed() -> None:
    """After five minutes, with a word; no thread is left, and the next turn opens another."""
    with rig(echo, echo, **quiet()) as made:
        idle(made)
        let_pass(made, IDLE)
        made.transport.wait_until_disposed()
        assert made.transport.closes == [(1000, "Idle")]
        wait_for(lambda: not threads_of("keeper"), "the end of the keeper")
        report = made.client.create(model="m", input="b").report
        assert (report.link, report.reused_link) == (2, False)


def test_a_link_is_not_closed_too_early() -> None:
    """Each turn starts the count again."""
    with rig(echo, **quiet()) as made:
        for _ in range(3):
            idle(made)
            made.clock.wait_for_waiters(within=2 * IDLE)
            made.clock.advance(IDLE - 0.1)
        assert made.client.create(model="m", input="b").report.link == 1
        assert made.transport.closes == []


def test_a_link_that_holds_a_chain_is_kept_for_half_an_hour() -> None:
    """Its server remembers an unstored response for this socket alone."""
    with rig(unstored, **quiet()) as made:
        idle(made)
        let_pass(made, CHAIN_IDLE - 1)
        assert made.client.stats().links == 1
        let_pass(made, 1)
        made.transport.wait_until_disposed()


def test_a_stored_response_behind_an_unstored_one_holds_no_chain() -> None:
    """The latest one counts."""
    answers = iter([unstored({}), turn()])
    with rig(lambda _: next(answers), **quiet()) as made:
        idle(made)
        idle(made)
        let_pass(made, IDLE)
        made.transport.wait_until_disposed()


def test_a_turn_keeps_its_link() -> None:
    """However long it takes."""
    with rig(None, **quiet()) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created())
        assert next(stream).type == "response.created"
        for _ in range(5):
            let_pass(made, IDLE)
        made.transport.feed(*turn()[1:])
        assert stream.get_final_response().id == "resp_1"
        assert made.transport.closes == []


def test_a_turn_that_begins_just_then_has_its_link() -> None:
    """The keeper looks again at the last moment, and then leaves it alone."""
    with rig(None, **quiet()) as made:
        made.transport.feed(*turn())
        idle(made)
        link = made.client._pool._links[0]
        begin = link.begin_goodbye
        streams: list[Any] = []

        def late(*args: Any, **options: Any) -> bool:
            streams.append(made.client.stream(model="m", input="b"))
            return begin(*args, **options)

        link.begin_goodbye = late  # type: ignore[method-assign]
        let_pass(made, IDLE)
        wait_for(lambda: streams, "the turn")
        made.transport.feed(*turn(response_id="resp_2"))
        assert streams[0].get_final_response().id == "resp_2"
        assert (streams[0].report.link, made.transport.closes) == (1, [])


def test_a_turn_that_begins_just_after_has_another() -> None:
    """The close frame is out: nothing of it goes into the old link."""
    with rig(echo, echo, **quiet()) as made:
        idle(made)
        be_deaf(made)
        let_pass(made, IDLE)
        wait_for(lambda: made.transport.closes, "the close frame")
        report = made.client.create(model="m", input="b").report
        assert (report.link, len(made.transport.sent)) == (2, 1)


@pytest.mark.parametrize("interval", [INTERVAL, None])
def test_a_peer_that_never_answers_our_close_is_cut(interval: float | None) -> None:
    """It has the time of a ping, whether or not pings are sent."""
    timeouts = Timeouts(ping_interval=interval, idle=30)
    with rig(echo, timeouts=timeouts) as made:
        idle(made)
        be_deaf(made)
        made.clock.wait_for_waiters(within=30)
        if interval is not None:
            let_pass(made, INTERVAL)
            wait_for(lambda: made.transport.pings, "the ping")
            made.transport.feed_pong()
            made.transport.settle()
        made.clock.wait_for_waiters(within=30)
        made.clock.advance(30 - (interval or 0))
        wait_for(lambda: made.transport.closes, "the close frame")
        assert not made.transport.is_aborted
        let_pass(made, TIMEOUT)
        made.transport.wait_until_disposed()
        assert made.client.stats().links == 0


def test_an_idle_link_is_not_closed_without_a_limit() -> None:
    """idle=None."""
    with rig(echo, **quiet(idle=None)) as made:
        idle(made)
        made.clock.wait_for_waiters(within=50 * 60)
        made.clock.advance(49 * 60)
        assert made.client.create(model="m", input="b").report.link == 1


def test_a_connection_of_ones_own_is_not_closed_for_idleness() -> None:
    """Whoever opened it closes it."""
    with rig(None, **quiet()) as made, made.client.connect() as connection:
        made.clock.wait_for_waiters(within=50 * 60)
        made.clock.advance(2 * IDLE)
        made.transport.feed({"type": "keepalive"})
        assert next(connection).type == "keepalive"


def test_a_round_trip_is_measured() -> None:
    """From the ping to its pong; the report of the next turn has it."""
    with rig(echo) as made:
        idle(made)
        let_pass(made, INTERVAL)
        wait_for(lambda: made.transport.pings, "the ping")
        made.clock.advance(0.25)
        made.transport.feed_pong()
        made.transport.settle()
        assert made.client.create(model="m", input="b").report.ping_ms == pytest.approx(250)
