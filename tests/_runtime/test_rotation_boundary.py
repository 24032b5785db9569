"""Where turns meet the swap of a connection's links, and peers that do not answer its close."""

from __future__ import annotations

import pytest

from tests._runtime.rig import completed, created, rig, turn
from tests._runtime.test_rotation import (
    AGEING,
    COMMAND,
    age,
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
