"""The low level: one logical connection that outlives its sockets."""

from __future__ import annotations

import contextlib
import threading
from queue import SimpleQueue
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient
from pyresponses_ws.errors import (
    AuthenticationError,
    ClosedError,
    ConnectError,
    ConnectionLostError,
    ProtocolError,
    ReconnectError,
    UsageError,
)
from tests.support.answers import completed, delta
from tests.support.responses_peer import (
    PATIENCE,
    Gone,
    PeerLink,
    PeerTurn,
    ResponsesPeer,
    says,
    scripts,
    silent_upgrade,
    threads_of,
    types_until,
    wait_for,
)

CREATE: dict[str, Any] = {"type": "response.create", "model": "m", "input": "hello"}
#: Soon, so that a test need not wait.
FAST = {"retry_delays": (0.01,) * 5}


def lose_link(peer: ResponsesPeer, connection: Any) -> None:
    """Have a turn answered, so that iteration buffers; cut the link and take its loss."""
    connection.send(CREATE)
    types_until(connection, "response.completed")
    peer.cut_all()
    with pytest.raises(ConnectionLostError):
        next(connection)


# --- opening and closing --------------------------------------------------------------------------


def test_connect_opens_and_iteration_yields_the_answer() -> None:
    """Open at once; a command goes out as it is, and its events come back."""
    with ResponsesPeer() as peer, peer.client() as client, client.connect() as connection:
        assert (connection.state, connection.is_connected) == ("open", True)
        connection.send(CREATE)
        types = types_until(connection, "response.completed")
        assert types[0] == "response.created"
        assert peer.requests == [CREATE]


def test_the_first_failure_raises() -> None:
    """Nobody listens: connect does not try again in the background."""
    with ResponsesPeer() as peer, peer.client(**FAST) as client:
        peer.stop_listening()
        with pytest.raises(ConnectError):
            client.connect()
        assert (peer.connections, threads_of("reconnector")) == (0, [])


def test_close_is_seen_by_the_peer_and_is_idempotent() -> None:
    """Close 1000 "Client closed"; a second close does nothing."""
    with ResponsesPeer() as peer, peer.client() as client:
        connection = client.connect()
        connection.close()
        connection.close()
        assert (connection.state, connection.is_connected) == ("closed", False)
        peer.wait_for_ends(1)
        assert peer.closes == [(1000, "Client closed")]


def test_close_takes_a_code_and_a_reason() -> None:
    """For protocols on top of this one."""
    with ResponsesPeer() as peer, peer.client() as client:
        client.connect().close(4001, "enough")
        peer.wait_for_ends(1)
        assert peer.closes == [(4001, "enough")]


def test_no_event_comes_after_close() -> None:
    """What is on its way, and what waits unread, reaches neither loop nor callback."""
    go = threading.Event()
    seen: list[str] = []

    def script(turn: PeerTurn) -> None:
        turn.begin("early")
        assert go.wait(PATIENCE)
        turn.send(delta("late"), completed("late", turn.response_id))

    with ResponsesPeer(script) as peer, peer.client() as client:
        connection = client.connect()
        connection.on("response.completed", lambda event: seen.append(event.type))
        connection.send(CREATE)
        assert next(connection).type == "response.created"
        closer = threading.Thread(target=connection.close)
        closer.start()
        wait_for(lambda: connection.state == "closed", "close")
        go.set()
        closer.join(PATIENCE)
        assert list(connection) == []
        peer.wait_for_ends(1)
        assert seen == []


def test_close_wakes_whoever_iterates() -> None:
    """Iteration stops; it is no error."""
    with ResponsesPeer() as peer, peer.client() as client:
        connection = client.connect()
        rest: SimpleQueue[list[Any]] = SimpleQueue()
        reader = threading.Thread(target=lambda: rest.put(list(connection)))
        reader.start()
        connection.close()
        assert rest.get(timeout=PATIENCE) == []
        reader.join(PATIENCE)
        assert peer.connections == 1


def test_client_close_aborts_a_connect_under_way() -> None:
    """The handshake hangs; close ends it with ClosedError or ConnectError, soon."""
    seen = threading.Event()
    outcome: SimpleQueue[BaseException] = SimpleQueue()

    def connect(client: ResponsesClient) -> None:
        try:
            client.connect()
        except (ClosedError, ConnectError) as exc:
            outcome.put(exc)

    with ResponsesPeer(accept=silent_upgrade(seen)) as peer, peer.client() as client:
        thread = threading.Thread(target=connect, args=(client,))
        thread.start()
        assert seen.wait(PATIENCE)
        client.close()
        outcome.get(timeout=1)
        thread.join(PATIENCE)


# --- sending ----------------------------------------------------------------------------------


def test_send_on_a_closed_connection_names_the_state() -> None:
    """It never queues silently."""
    with ResponsesPeer() as peer, peer.client() as client:
        connection = client.connect()
        connection.close()
        with pytest.raises(ClosedError, match="closed, not open; nothing was sent"):
            connection.send(CREATE)
        assert peer.requests == []


def test_send_while_reconnecting_names_the_state() -> None:
    """Between two links there is nowhere to send to."""
    with ResponsesPeer() as peer, peer.client(retry_delays=(30,)) as client:
        connection = client.connect()
        peer.cut_all()
        wait_for(lambda: connection.state == "reconnecting", "the loss")
        with pytest.raises(ClosedError, match="reconnecting, not open"):
            connection.send(CREATE)
        connection.close()


@pytest.mark.parametrize("command", [{}, {"type": 5}, {"model": "m"}])
def test_what_is_no_command_is_refused(command: dict[str, Any]) -> None:
    """A command has a type."""
    with ResponsesPeer() as peer, peer.client() as client, client.connect() as connection:
        with pytest.raises(UsageError, match="type"):
            connection.send(command)
        assert peer.requests == []


def test_a_command_may_be_of_any_type() -> None:
    """What comes after ``response.create`` passes through."""
    with ResponsesPeer(lambda turn: None) as peer, peer.client() as client:
        with client.connect() as connection:
            connection.send({"type": "response.steer", "input": "shorter"})
            peer.wait_for_requests(1)
        assert peer.requests[0]["type"] == "response.steer"


# --- losses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 4000])
def test_a_loss_is_told_once_and_iteration_goes_on(code: int) -> None:
    """ConnectionLostError with code and reason; then the next link's events."""

    def close(turn: PeerTurn) -> None:
        turn.begin("half")
        turn.close(code, "bye")

    with (
        ResponsesPeer(scripts(close)) as peer,
        peer.client(**FAST) as client,
        client.connect() as connection,
    ):
        connection.send(CREATE)
        assert types_until(connection, "response.output_text.delta")[0] == "response.created"
        with pytest.raises(ConnectionLostError, match="bye") as caught:
            next(connection)
        assert (caught.value.code, caught.value.reason) == (code, "bye")
        last = connection.last_close
        assert (last.code, last.reason, last.retryable) == (code, "bye", True)
        wait_for(lambda: connection.is_connected, "the next link")
        connection.send(CREATE)
        assert types_until(connection, "response.completed")[0] == "response.created"


def test_last_close_is_none_while_the_first_link_lives() -> None:
    """There was no close."""
    with ResponsesPeer() as peer, peer.client() as client, client.connect() as connection:
        assert connection.last_close is None
        assert peer.connections == 1


@pytest.mark.parametrize("code", [1008, 1009, 1002])
def test_a_close_that_would_come_again_ends_the_connection(code: int) -> None:
    """Not retryable: told once, then closed for good."""
    with ResponsesPeer() as peer, peer.client(**FAST) as client:
        connection = client.connect()
        connection.send(CREATE)
        types_until(connection, "response.completed")
        peer.close_link(1, code, "no")
        with pytest.raises(ConnectionLostError):
            next(connection)
        assert (connection.state, connection.last_close.retryable) == ("closed", False)
        peer.wait_for_ends(1)
        assert peer.connections == 1


def test_nonsense_from_the_peer_is_chained() -> None:
    """The loss says why: a ProtocolError as its cause."""
    with ResponsesPeer(says("{nonsense")) as peer, peer.client(**FAST) as client:
        connection = client.connect()
        connection.send(CREATE)
        with pytest.raises(ConnectionLostError) as caught:
            next(connection)
        assert isinstance(caught.value.__cause__, ProtocolError)
        assert peer.connections >= 1
        connection.close()


def test_reconnecting_gives_up_after_its_tries() -> None:
    """The last of ``retry_delays`` used up: ReconnectError, once, and the state is closed."""
    with ResponsesPeer() as peer, peer.client(retry_delays=(0.01, 0.01, 0.01)) as client:
        connection = client.connect()
        told: SimpleQueue[Any] = SimpleQueue()
        connection.on("error", told.put)
        peer.stop_listening()
        lose_link(peer, connection)
        with pytest.raises(ReconnectError) as caught:
            next(connection)
        assert (caught.value.attempts, connection.state) == (3, "closed")
        assert isinstance(caught.value.__cause__, ConnectError)
        assert isinstance(told.get(timeout=PATIENCE), ReconnectError)


def test_a_refusal_by_the_api_is_not_tried_again() -> None:
    """A key that was revoked meanwhile stays revoked."""

    def accept(peer: PeerLink) -> None:
        if server.connections == 1:
            peer.accept()
            return
        peer.read_request()
        peer.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}")
        peer.read_to_end()
        raise Gone

    with ResponsesPeer(accept=accept) as server, server.client(**FAST) as client:
        connection = client.connect()
        lose_link(server, connection)
        with pytest.raises(ReconnectError) as caught:
            next(connection)
        assert isinstance(caught.value.__cause__, AuthenticationError)
        assert server.connections == 2


def _accepts_and_drops(first_talks: int) -> Any:
    """An ``accept`` that opens every link, and from the second on drops it at once."""
    count = 0

    def accept(peer: PeerLink) -> None:
        nonlocal count
        count += 1
        peer.accept()
        if count > first_talks:
            raise Gone

    return accept


def test_a_server_that_accepts_and_drops_is_given_up() -> None:
    """Opening resets nothing: the delays are used up although every attempt opens."""
    options = {"retry_delays": (0.01,) * 4}
    with ResponsesPeer(accept=_accepts_and_drops(1)) as peer, peer.client(**options) as client:
        connection = client.connect()
        lose_link(peer, connection)
        with pytest.raises(ReconnectError):
            _read_through_losses(connection)
        assert peer.connections <= 6


def test_the_first_event_resets_the_back_off() -> None:
    """A link that has proved good starts the row of delays again."""
    with (
        ResponsesPeer() as peer,
        peer.client(retry_delays=(0.01, 0.01)) as client,
        client.connect() as connection,
    ):
        for number in range(1, 6):
            lose_link(peer, connection)
            wait_for(lambda: connection.is_connected, "the next link")
            assert peer.connections == number + 1


def _read_through_losses(connection: Any) -> None:
    while True:
        with contextlib.suppress(ConnectionLostError):
            next(connection)


def test_close_ends_a_reconnect_that_waits() -> None:
    """The reconnector's thread goes at once, not when its time has come."""
    with ResponsesPeer() as peer, peer.client(retry_delays=(30,)) as client:
        connection = client.connect()
        peer.cut_all()
        wait_for(lambda: connection.state == "reconnecting", "the loss")
        connection.close()
        wait_for(lambda: not threads_of("reconnector"), "the end of the reconnector")
        assert connection.state == "closed"
