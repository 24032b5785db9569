"""Where turns meet the swap of a connection's links, and peers that do not answer its close."""

from __future__ import annotations

import gc
import weakref

import pytest

from pyresponses_ws.config import Hooks, Timeouts
from pyresponses_ws.report import RotateReport
from tests._runtime.rig import completed, created, echo, rig, turn
from tests._runtime.test_rotation import (
    AGEING,
    COMMAND,
    REPLACE,
    RETIRE,
    age,
    ask,
    be_deaf,
    connect,
    replace,
    retire,
    swap_under,
    wait_for,
)


def test_turns_without_a_pause_between_them_are_rotated_too() -> None:
    """At the boundary of two turns, however short it is."""
    with rig(None, None, **AGEING) as made, connect(made) as connection:
        connection.send(COMMAND)
        replace(made)
        retire(made)
        wait_for(lambda: connection._session._rotation._is_due, "the time of the swap")  # type: ignore[union-attr]
        made.transport.feed(created("resp_x"), completed("resp_x"))
        assert [next(connection).type for _ in range(2)][1] == "response.completed"
        connection.send(COMMAND)
        assert made.transports[1].sent == [COMMAND]


def test_a_warm_up_that_meets_the_swap_goes_to_the_new_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is a turn like others."""
    answer = turn(response_id="resp_w")
    with rig(None, lambda command: answer, **AGEING) as made, connect(made) as connection:
        swap_under(connection, made, monkeypatch)
        assert connection.warm_up(model="m").id == "resp_w"


def test_a_peer_that_never_answers_the_close_of_a_swap_is_cut() -> None:
    """After the time of a ping's answer, though no pings are sent."""
    with rig(None, None, **AGEING) as made, connect(made) as connection:
        be_deaf(made.transport)
        replace(made)
        retire(made)
        wait_for(lambda: made.transport.closes, "the close frame")
        age(made, 20)
        made.transport.wait_until_disposed()
        assert connection.is_connected


def test_a_peer_that_goes_on_talking_is_cut_as_well() -> None:
    """Its pings prolong nothing: what we wait for is its close."""
    with rig(None, None, **AGEING) as made, connect(made):
        be_deaf(made.transport)
        replace(made)
        retire(made)
        wait_for(lambda: made.transport.closes, "the close frame")
        made.clock.wait_for_waiters(within=20)
        made.clock.advance(10)
        made.transport.feed_ping(b"still here")
        made.transport.settle()
        age(made, 10)
        made.transport.wait_until_disposed()


@pytest.mark.parametrize("interval", [None, 20.0], ids=["no pings", "pings"])
def test_an_old_link_of_the_pool_whose_peer_goes_on_talking_is_cut(interval: float | None) -> None:
    """Neither its pings, nor what it says to ours, count for an answer to our close."""
    with rig(echo, echo, timeouts=Timeouts(ping_interval=interval, idle=None)) as made:
        ask(made)
        be_deaf(made.transport)
        made.clock.wait_for_waiters(within=REPLACE)
        made.clock.advance(RETIRE)
        wait_for(lambda: made.transport.closes, "the close frame")
        made.clock.wait_for_waiters(within=20)
        made.clock.advance(10)
        made.transport.feed_ping(b"still here")
        made.transport.feed_pong()
        made.transport.settle()
        age(made, 10)
        made.transport.wait_until_disposed()


def test_a_link_that_ends_while_it_is_looked_at_leaves_nothing() -> None:
    """The keeper's look was under way; nobody would ever take the rotation away again."""
    with rig(echo, **AGEING) as made:
        ask(made)
        (link,) = made.client._pool._links
        made.transport.end(1000)
        made.transport.wait_until_disposed()
        made.client._pool.link_ageing(link)
        assert made.client._pool._rotations == {}


def test_ctrl_c_in_the_hook_of_a_swap_leaves_no_link_behind() -> None:
    """The old link has had its goodbye by then; it is the sender's thread that meets the hook."""
    interrupts = [KeyboardInterrupt()]

    def on_rotate(report: RotateReport) -> None:
        raise interrupts.pop()

    hooks = Hooks(on_rotate=on_rotate)
    with rig(None, None, hooks=hooks, **AGEING) as made, connect(made) as connection:
        connection.send(COMMAND)
        replace(made)
        retire(made)
        wait_for(lambda: connection._session._rotation._is_due, "the time of the swap")  # type: ignore[union-attr]
        made.transport.feed(created("resp_x"), completed("resp_x"))
        made.transport.settle()
        with pytest.raises(KeyboardInterrupt):
            connection.send(COMMAND)
        wait_for(lambda: made.transport.closes, "the close frame")


def test_a_connection_that_warmed_up_goes_with_its_last_reference() -> None:
    """Nothing of the turn holds it in a circle."""
    with rig(lambda command: turn(response_id="resp_w")) as made:
        connection = made.client.connect()
        connection.warm_up(model="m")
        gc.disable()
        try:
            gone = weakref.ref(connection._session)
            del connection
            assert gone() is None
        finally:
            gc.enable()
