"""Times of stages, from what a transport showed."""

from __future__ import annotations

import socket

import pytest

from pyresponses_ws.diagnosis.facts import Stage
from pyresponses_ws.diagnosis.trace import Mark, State, Trace, time_stages


def marks(*states: State) -> list[Mark]:
    """One mark a second, from 1."""
    return [Mark(float(at), state) for at, state in enumerate(states, 1)]


DIRECT = ("waker", "waker", "connecting", "connected", "tls", "tls")


@pytest.mark.parametrize(
    ("states", "stage", "proxy", "expected"),
    [
        (DIRECT, "open", None, {"tcp": 2, "tls": 1, "upgrade": 4}),
        (DIRECT[:5], "tls", None, {"tcp": 2, "tls": 5}),
        (DIRECT[:4], "tcp", None, {"tcp": 7}),
        (DIRECT[:2], "dns", None, {}),
        (
            ("connecting", "connected", "connected", "tls", "tls"),
            "upgrade",
            "http",
            {"tcp": 1, "proxy": 2, "tls": 1, "upgrade": 5},
        ),
        (
            ("connecting", "connected", "tls", "tls", "tls", "tls"),
            "upgrade",
            "https",
            {"tcp": 1, "proxy": 2, "tls": 2, "upgrade": 4},
        ),
        (("connecting", "connected"), "proxy", "http", {"tcp": 1, "proxy": 8}),
    ],
)
def test_each_stage_lasts_until_the_next(
    states: tuple[State, ...], stage: Stage, proxy: str | None, expected: dict[str, int]
) -> None:
    """And the last one until the connect had ended, here at 10."""
    found = time_stages(marks(*states), stage, end=10, proxy_scheme=proxy, is_secure=True)
    assert found == {name: seconds * 1000 for name, seconds in expected.items()}


def test_in_clear_there_is_no_time_of_tls() -> None:
    """Though an https:// proxy speaks it."""
    states: tuple[State, ...] = ("connecting", "connected", "tls", "tls", "tls")
    found = time_stages(marks(*states), "upgrade", end=10, proxy_scheme="https", is_secure=False)
    assert set(found) == {"tcp", "proxy", "upgrade"}


def test_a_socket_stays_connected_whatever_its_peer_does() -> None:
    """A reset takes the peer's address away, and not what was known of it."""
    trace = Trace(lambda: 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        trace.note(sock)
    sock.close()
    trace.note(sock)
    assert [mark.state for mark in trace.marks] == ["connected", "connected"]
    assert trace.address == "127.0.0.1"
