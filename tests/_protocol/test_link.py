"""The life of a link and of the connection that outlives it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws._protocol.link import (
    ACCEPTS_TURNS,
    CARRIES_EVENTS,
    CONNECTION_LIFE,
    LINK_LIFE,
    ConnectionSignal,
    ConnectionState,
    LinkSignal,
    LinkState,
    is_retryable_close,
)
from pyresponses_ws._protocol.machine import IllegalSignalError, advance


def link_after(*signals: LinkSignal) -> LinkState:
    state = LinkState.CONNECTING
    for signal in signals:
        state = advance(LINK_LIFE, state, signal)
    return state


def connection_after(*signals: ConnectionSignal) -> ConnectionState:
    state = ConnectionState.IDLE
    for signal in signals:
        state = advance(CONNECTION_LIFE, state, signal)
    return state


def test_a_retiring_link_goes_on_without_new_turns() -> None:
    """Those that run are not hurt."""
    retiring = link_after(LinkSignal.CONNECTED, LinkSignal.RETIRE)
    assert retiring is LinkState.RETIRING
    assert retiring in CARRIES_EVENTS
    assert retiring not in ACCEPTS_TURNS


def test_an_open_link_takes_turns() -> None:
    """And one that is opened for a turn, which then is its first."""
    assert {link_after(), link_after(LinkSignal.CONNECTED)} == ACCEPTS_TURNS


def test_a_link_that_is_closed_while_it_connects_never_opens() -> None:
    """The handshake may still succeed; too late."""
    closing = link_after(LinkSignal.CLOSE, LinkSignal.CONNECTED)
    assert closing is LinkState.CLOSING
    assert advance(LINK_LIFE, closing, LinkSignal.LOST) is LinkState.CLOSED


@given(st.lists(st.sampled_from(LinkSignal)))
def test_a_closed_link_stays_closed(signals: list[LinkSignal]) -> None:
    """Whatever may still be reported of it; nothing else is possible."""
    state = LinkState.CLOSED
    for signal in signals:
        if (state, signal) in LINK_LIFE:
            state = advance(LINK_LIFE, state, signal)
        assert state is LinkState.CLOSED


def test_a_socket_connects_once() -> None:
    """A new link is a new object."""
    with pytest.raises(IllegalSignalError):
        link_after(LinkSignal.CONNECTED, LinkSignal.CONNECTED)


def test_the_states_have_their_public_names() -> None:
    """They are part of the face."""
    names = [state.value for state in ConnectionState]
    assert names == ["idle", "connecting", "open", "reconnecting", "closed"]


def test_a_connection_outlives_its_links() -> None:
    """It reconnects after a loss, however often."""
    signals = (ConnectionSignal.LOST, ConnectionSignal.RETRY_FAILED, ConnectionSignal.CONNECTED)
    start = (ConnectionSignal.CONNECT, ConnectionSignal.CONNECTED)
    assert connection_after(*start, *signals, *signals) is ConnectionState.OPEN


def test_the_first_failure_leaves_a_connection_idle() -> None:
    """The caller was told, and may try again."""
    failed = (ConnectionSignal.CONNECT, ConnectionSignal.CONNECT_FAILED)
    assert connection_after(*failed) is ConnectionState.IDLE
    assert connection_after(*failed, ConnectionSignal.CONNECT) is ConnectionState.CONNECTING


def test_giving_up_closes() -> None:
    """Five tries are enough."""
    lost = (ConnectionSignal.CONNECT, ConnectionSignal.CONNECTED, ConnectionSignal.LOST)
    assert connection_after(*lost, ConnectionSignal.GAVE_UP) is ConnectionState.CLOSED


@pytest.mark.parametrize("state", ConnectionState)
def test_close_is_possible_in_every_state_and_final(state: ConnectionState) -> None:
    """Late reports of what was under way change nothing; connecting again is a mistake."""
    closed = advance(CONNECTION_LIFE, state, ConnectionSignal.CLOSE)
    late = set(ConnectionSignal) - {ConnectionSignal.CONNECT}
    assert {advance(CONNECTION_LIFE, closed, signal) for signal in late} == {closed}
    with pytest.raises(IllegalSignalError):
        advance(CONNECTION_LIFE, closed, ConnectionSignal.CONNECT)


@pytest.mark.parametrize(
    "code", [None, 1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015, 3000, 4999]
)
def test_another_link_may_fare_better(code: int | None) -> None:
    """After a drop, a deploy, a restart, or a code of an application."""
    assert is_retryable_close(code)


@pytest.mark.parametrize("code", [0, 1002, 1003, 1004, 1007, 1008, 1009, 1010, 1016, 2999, 5000])
def test_another_link_would_be_closed_again(code: int) -> None:
    """The peer refuses us, or what we send."""
    assert not is_retryable_close(code)
