"""How a connection gets its next link."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any
from unittest.mock import Mock, patch

import pytest

from pyresponses_ws._runtime.reconnector import Reconnector
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws.errors import (
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    ReconnectError,
)
from tests._runtime.rig import created, reconnect, rig
from tests.support.responses_peer import threads_of, wait_for


def _outcome(connection: Any) -> Any:
    try:
        return next(connection)
    except (ConnectionLostError, ReconnectError) as exc:
        return exc


def test_a_loss_is_told_once_and_iteration_goes_on() -> None:
    """The next link's events follow."""
    with rig(None, None) as made:
        connection = made.client.connect()
        connection.send({"type": "response.create", "input": "a"})
        made.transport.feed(created())
        made.transport.end(1006)
        assert next(connection).type == "response.created"
        with pytest.raises(ConnectionLostError) as caught:
            next(connection)
        assert caught.value.code == 1006
        reconnect(made, 1)
        made.transports[1].feed(created("resp_2"))
        assert next(connection).type == "response.created"
        connection.close()


def test_it_gives_up_after_its_delays() -> None:
    """1, 2, 4, 8, 16 s, then ReconnectError, then the end."""
    with rig(*[None] * 7) as made:
        connection = made.client.connect()
        for transport in made.transports[1:]:
            transport.connect_error = ConnectError("refused")
        made.transport.end()
        with pytest.raises(ConnectionLostError):
            next(connection)
        for delay in (1, 2, 4, 8, 16):
            reconnect(made, delay)
        with pytest.raises(ReconnectError) as caught:
            next(connection)
        assert caught.value.attempts == 5
        assert connection.state == "closed"
        assert [t.endpoint is not None for t in made.transports] == [True] * 6 + [False]


def test_opening_does_not_start_the_count_again() -> None:
    """A server that accepts and drops is left alone after five tries; an event resets."""
    with rig(*[None] * 7, retry_delays=(1, 2)) as made:
        connection = made.client.connect()
        connection.send({"type": "response.create", "input": "a"})
        made.transports[0].end()
        reconnect(made, 1)
        made.transports[1].settle()
        made.transports[1].feed(created())
        made.transports[1].end()
        for index in (2, 3):
            reconnect(made, index - 1)
            made.transports[index].settle()
            made.transports[index].end()
        outcomes = [_outcome(connection) for _ in range(6)]
        assert [type(x).__name__ for x in outcomes] == [
            "ConnectionLostError",
            "ResponseCreatedEvent",
            "ConnectionLostError",
            "ConnectionLostError",
            "ConnectionLostError",
            "ReconnectError",
        ]


def test_a_refused_key_ends_the_tries() -> None:
    """Another attempt would get the same answer."""
    with rig(None, None) as made:
        connection = made.client.connect()
        made.transports[1].connect_error = ConnectError("401", status=401)
        made.transport.end()
        with pytest.raises(ConnectionLostError):
            next(connection)
        reconnect(made, 1)
        with pytest.raises(ReconnectError) as caught:
            next(connection)
        assert isinstance(caught.value.__cause__, AuthenticationError)


def test_a_token_that_cannot_be_had_now_may_be_had_later() -> None:
    """What a callable of the user raises counts as a failed attempt."""
    outcomes = iter(["sk-one", OSError("no route"), "sk-two"])

    def token() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    with rig(None, None, None, api_key=token) as made:
        connection = made.client.connect()
        made.transport.end()
        reconnect(made, 1)
        reconnect(made, 2)
        made.transports[2].settle()
        assert connection.is_connected
        connection.close()


def test_without_a_thread_to_reconnect_the_connection_gives_up() -> None:
    """And says so, rather than stay reconnecting for ever."""
    with rig(None) as made:
        connection = made.client.connect()
        broken = Mock(side_effect=RuntimeError("can't start new thread"))
        with patch.object(Reconnector, "schedule", broken):
            made.transport.end()
            assert [type(_outcome(connection)).__name__ for _ in range(2)] == [
                "ConnectionLostError",
                "ReconnectError",
            ]
        assert connection.state == "closed"


def test_a_link_that_finds_no_reader_is_tried_again_once() -> None:
    """Its own end has scheduled that; nothing is opened twice, nothing is left over."""
    with rig(None, None, None) as made:
        connection = made.client.connect()
        start = Threads.start

        def refusing(threads: Threads, role: str, target: Any) -> None:
            if role == "reader-2":
                raise RuntimeError("can't start new thread")
            start(threads, role, target)

        with patch.object(Threads, "start", refusing):
            made.transport.end()
            reconnect(made, 1)
            made.transports[1].wait_until_disposed()
            reconnect(made, 2)
            made.transports[2].settle()
        assert connection.is_connected
        assert made.client.stats().links == 1
        connection.close()


def test_a_connection_dropped_while_reconnecting_is_collected() -> None:
    """The reconnector does not keep it, and makes no further attempt."""
    with rig(None, None) as made:
        connection = made.client.connect()
        made.transport.end()
        with pytest.raises(ConnectionLostError):
            next(connection)
        gone = weakref.ref(connection)
        del connection
        gc.collect()
        assert gone() is None
        assert made.transports[1].endpoint is None


class _Vanishing:
    """Goes away while the thread asks what it wants."""

    def __init__(self, held: list[Any], is_scheduled: threading.Event) -> None:
        self._held = held
        self._is_scheduled = is_scheduled

    @property
    def is_waiting(self) -> bool:
        assert self._is_scheduled.wait(10)
        self._held.clear()
        return True

    def reconnect(self) -> float | None:
        return None


def test_a_session_that_goes_while_it_is_asked_ends_no_thread() -> None:
    """The thread serves other connections of the client."""
    reconnector, held, is_scheduled = Reconnector(Threads()), [], threading.Event()
    held.append(_Vanishing(held, is_scheduled))
    reconnector.schedule(held[0], 0.0)
    is_scheduled.set()
    wait_for(lambda: not held and not threads_of("reconnector"), "the end of the thread")
    assert reconnector._worker._is_running is False
