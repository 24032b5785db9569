"""Nothing blocks for ever: a peer that goes silent in each phase, with small timers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient, Timeouts
from pyresponses_ws.errors import (
    ConnectError,
    ConnectionLostError,
    DeliveryUnknownError,
    ResponseInterruptedError,
    ResponsesWSError,
    TurnTimeoutError,
)
from pyresponses_ws.testing.clock import ManualClock
from tests.support.answers import completed, delta, error
from tests.support.deadlines import GRACE, at_most, ends_within
from tests.support.raw_server import PONG, Peer, frame
from tests.support.responses_peer import (
    PeerTurn,
    ResponsesPeer,
    deaf,
    read_until_error,
    says,
    scripts,
    silent_upgrade,
    wait_for,
)

TURN: dict[str, Any] = {"model": "m", "input": "hello"}
#: More than the kernel's buffers on both sides take.
BIG_TURN: dict[str, Any] = {"model": "m", "input": "x" * 12_000_000}


def freeze_after(*texts: str) -> Callable[[PeerTurn], None]:
    """Begin the answer, then read and say nothing any more."""

    def script(turn: PeerTurn) -> None:
        if texts:
            turn.begin(*texts)
        turn.freeze()

    return script


@pytest.mark.parametrize("call", ["create", "connect"])
def test_a_silent_handshake_ends_with_the_connect_timer(call: str) -> None:
    """The peer accepts and says nothing: ConnectError, naming host and timer."""
    seen = threading.Event()
    timeouts = Timeouts(connect=0.2)
    with (
        ResponsesPeer(accept=silent_upgrade(seen)) as peer,
        peer.client(timeouts=timeouts) as client,
        ends_within(0.2),
    ):
        turn = {} if call == "connect" else TURN
        with pytest.raises(ConnectError, match="did not answer the WebSocket upgrade"):
            getattr(client, call)(**turn)


def test_a_trickled_handshake_ends_with_the_connect_timer() -> None:
    """One deadline for all of it: a byte now and then does not renew it."""
    done = threading.Event()

    def trickle(peer: Peer) -> None:
        peer.read_request()
        for byte in peer.acceptance()[:-1]:
            peer.send(bytes((byte,)))
            if done.wait(0.01):
                break
        peer.read_to_end()

    with ResponsesPeer(accept=trickle) as peer:
        with (
            peer.client(timeouts=Timeouts(connect=0.3)) as client,
            ends_within(0.3),
            pytest.raises(ConnectError),
        ):
            client.create(**TURN)
        done.set()


def test_the_callers_patience_ends_a_connect_too() -> None:
    """``timeout`` is for the whole turn: TurnTimeoutError, though nothing was sent yet."""
    seen = threading.Event()
    with ResponsesPeer(accept=silent_upgrade(seen)) as peer, peer.client() as client:
        with ends_within(0.2), pytest.raises(TurnTimeoutError) as caught:
            client.create(**TURN, timeout=0.2)
        assert (caught.value.phase, caught.value.state) == ("total", "prepared")


@pytest.mark.parametrize("replay", ["safe", "never"])
def test_no_event_ends_with_the_first_event_timer(replay: str) -> None:
    """The peer took the request and says nothing: unknown delivery, not a second wait."""
    timeouts = Timeouts(first_event=0.2)
    with ResponsesPeer(freeze_after()) as peer:
        with (
            peer.client(timeouts=timeouts, replay=replay) as client,
            ends_within(0.2),
            pytest.raises(DeliveryUnknownError, match="no event within"),
        ):
            client.create(**TURN)
        assert len(peer.requests) == 1


def test_a_peer_that_takes_no_bytes_ends_with_the_send_timer() -> None:
    """The kernel's buffers are full and nothing moves: the call ends, and so does the link."""
    with ResponsesPeer(accept=deaf) as peer:
        timeouts = Timeouts(send=0.3)
        with (
            peer.client(timeouts=timeouts, replay="never") as client,
            ends_within(0.3),
            pytest.raises(DeliveryUnknownError, match="send timed out"),
        ):
            client.create(**BIG_TURN)


def test_the_callers_patience_ends_a_send_too() -> None:
    """``timeout`` counts while the peer takes no bytes."""
    with ResponsesPeer(accept=deaf) as peer, peer.client() as client:
        with ends_within(0.3), pytest.raises(TurnTimeoutError) as caught:
            client.create(**BIG_TURN, timeout=0.3)
        assert caught.value.phase == "total"


@pytest.mark.parametrize("phase", ["silence", "total"])
def test_a_frozen_answer_ends_with_the_callers_timer(phase: str) -> None:
    """Mid-stream silence: TurnTimeoutError names the timer and carries the partial output."""
    timeouts = Timeouts(**{phase: 0.2})
    with (
        ResponsesPeer(scripts(freeze_after("half"))) as peer,
        peer.client(timeouts=timeouts) as client,
    ):
        with ends_within(0.2):
            _, caught = read_until_error(client.stream(**TURN))
        assert isinstance(caught, TurnTimeoutError)
        assert (caught.phase, caught.partial.text, caught.attempts) == (phase, "half", 1)
        assert client.create(**TURN).output_text == "hello"


@pytest.mark.parametrize("phase", ["silence", "total"])
def test_a_timer_is_never_replayed(phase: str) -> None:
    """A blocking call that gave up has given up, though a replay would be safe."""
    timeouts = Timeouts(**{"create_total" if phase == "total" else phase: 0.2})
    with ResponsesPeer(freeze_after("half")) as peer, peer.client(timeouts=timeouts) as client:
        with ends_within(0.2), pytest.raises(TurnTimeoutError):
            client.create(**TURN)
        assert len(peer.requests) == 1


def test_a_dead_peer_is_found_by_its_missing_pong() -> None:
    """Mid-stream and no timer of the caller: ping, wait, cut."""
    timeouts = Timeouts(ping_interval=0.1, ping_timeout=0.2)
    with (
        ResponsesPeer(scripts(freeze_after("half"))) as peer,
        peer.client(timeouts=timeouts) as client,
    ):
        with ends_within(0.3):
            _, caught = read_until_error(client.stream(**TURN))
        assert isinstance(caught, ResponseInterruptedError)
        assert "no answer to a ping" in str(caught)
        assert client.create(**TURN).output_text == "hello"


def test_a_dead_idle_link_is_not_used_again() -> None:
    """Between turns the keeper finds it dead, and the next turn has another link."""
    timeouts = Timeouts(ping_interval=0.05, ping_timeout=0.1)

    def answer_and_freeze(turn: PeerTurn) -> None:
        turn.answer()
        turn.freeze()

    with (
        ResponsesPeer(scripts(answer_and_freeze)) as peer,
        peer.client(timeouts=timeouts) as client,
    ):
        client.create(**TURN)
        wait_for(lambda: not client.stats().links, "the end of the link")
        assert client.create(**TURN).report.link == 2


def test_pongs_keep_a_quiet_stream_alive() -> None:
    """The model may think for long: with pongs alone the stream lives on."""
    pings = 0

    def count_pings(turn: PeerTurn) -> None:
        nonlocal pings
        turn.begin("slow")
        while pings < 5:
            assert turn.peer.read_frame()[0] == 9
            pings += 1
            turn.peer.send(frame(PONG))
        turn.send(delta("ly"), completed("slowly", turn.response_id))

    timeouts = Timeouts(ping_interval=0.05, ping_timeout=0.2, first_event=0.2)
    with ResponsesPeer(count_pings) as peer, peer.client(timeouts=timeouts) as client:
        assert client.create(**TURN).output_text == "slowly"
        assert pings == 5


def test_a_quiet_stream_lives_for_ten_minutes() -> None:
    """After ``created`` nothing but pongs for 600 s, on a clock of our own."""
    clock = ManualClock()
    finish = threading.Event()

    def script(turn: PeerTurn) -> None:
        turn.begin("slow")
        for _ in range(30):
            assert turn.peer.read_frame()[0] == 9
            turn.peer.send(frame(PONG))
        assert finish.wait(10)
        turn.send(completed("slow", turn.response_id))

    with ResponsesPeer(script) as peer, peer.client(clock=clock) as client:
        stream = client.stream(**TURN)
        assert next(stream).type == "response.created"
        link = client._pool._links[0]
        for _ in range(30):
            _advance_one_ping(clock, link)
        finish.set()
        assert stream.get_final_response().output_text == "slow"
        client.close(timeout=0)


def _advance_one_ping(clock: ManualClock, link: Any) -> None:
    """Let 20 s pass, and wait until the pong for the ping that leaves then has come."""
    clock.wait_for_waiters(1, within=20)
    received = link.transport.bytes_received
    clock.advance(20)
    wait_for(lambda: link.transport.bytes_received > received, "the pong")


def test_a_timer_that_ends_a_retry_pause_is_the_callers() -> None:
    """A pause that would outlast ``total`` is not begun; the API's error says why."""
    script = says(error("server_is_overloaded", 503, retry_after="20"))
    with (
        ResponsesPeer(script) as peer,
        peer.client() as client,
        at_most(1 + GRACE),
        pytest.raises(ResponsesWSError),
    ):
        client.create(**TURN, timeout=1)


def test_a_loss_in_a_retry_is_still_inside_the_total() -> None:
    """Retries do not renew the caller's timer."""
    script = scripts(says(error("server_is_overloaded", 503, retry_after_ms="1")), freeze_after())
    timeouts = Timeouts(create_total=1.0)
    with (
        ResponsesPeer(script) as peer,
        peer.client(timeouts=timeouts) as client,
        ends_within(1.0),
        pytest.raises(TurnTimeoutError),
    ):
        client.create(**TURN)


def test_connection_send_ends_with_the_send_timer() -> None:
    """The low level has the same timer."""
    with ResponsesPeer(accept=deaf) as peer:
        client: ResponsesClient = peer.client(timeouts=Timeouts(send=0.3))
        with (
            client,
            client.connect() as connection,
            ends_within(0.3),
            pytest.raises(ConnectionLostError),
        ):
            connection.send({"type": "response.create", **BIG_TURN})
