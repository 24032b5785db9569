"""A logical connection over scripted links."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

from pyresponses_ws._runtime.mailbox import Mailbox
from pyresponses_ws.commands import ResponseSteer
from pyresponses_ws.config import Hooks
from pyresponses_ws.errors import (
    AuthenticationError,
    ClosedError,
    ConnectError,
    ConnectionLostError,
    RequestTooLargeError,
    StreamOverflowError,
    UsageError,
)
from tests._runtime.rig import Call, created, reconnect, refusal, rig, turn


def test_it_goes_through_its_states() -> None:
    """Open after connect, reconnecting after a loss, open again, closed by close."""
    with rig(None, None) as made:
        connection = made.client.connect()
        assert (connection.state, connection.is_connected) == ("open", True)
        assert connection.last_close is None
        made.transport.end(1001, "deploy")
        with pytest.raises(ConnectionLostError):
            next(connection)
        assert (connection.state, connection.is_connected) == ("reconnecting", False)
        assert vars(connection.last_close) == {"code": 1001, "reason": "deploy", "retryable": True}
        reconnect(made, 1)
        connection.on("*", print)
        made.transports[1].settle()
        assert connection.state == "open"
        connection.close()
        assert connection.state == "closed"


def test_the_first_failure_is_raised() -> None:
    """Nothing is tried again behind the caller's back."""
    with rig(None) as made:
        made.transport.connect_error = ConnectError("refused")
        with pytest.raises(ConnectError):
            made.client.connect()
        assert made.transport.is_disposed


def test_an_api_refusal_of_the_handshake_is_an_api_error() -> None:
    """401 is not the network's fault."""
    with rig(None) as made:
        body = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
        made.transport.connect_error = ConnectError("401", status=401, body=body)
        with pytest.raises(AuthenticationError, match="Incorrect API key") as caught:
            made.client.connect()
        assert isinstance(caught.value.__cause__, ConnectError)


def test_send_never_queues() -> None:
    """While reconnecting and after close it raises, naming the state."""
    with rig(None, None) as made:
        connection = made.client.connect()
        made.transport.end()
        with pytest.raises(ConnectionLostError):
            next(connection)
        with pytest.raises(ClosedError, match="reconnecting"):
            connection.send({"type": "response.create"})
        connection.close()
        with pytest.raises(ClosedError, match="closed"):
            connection.send({"type": "response.create"})


def test_a_final_close_is_not_repaired() -> None:
    """1008 would come again: the loss is told, then iteration ends."""
    with rig(None) as made:
        connection = made.client.connect()
        made.transport.end(1008)
        with pytest.raises(ConnectionLostError):
            next(connection)
        assert (connection.state, list(connection)) == ("closed", [])
        assert connection.last_close is not None
        assert connection.last_close.retryable is False


def test_close_says_goodbye_and_ends_every_reader() -> None:
    """1000 "Client closed"; what was buffered does not come any more."""
    with rig(None) as made:
        connection = made.client.connect()
        connection.send({"type": "response.create", "input": "a"})
        made.transport.feed(*turn())
        made.transport.settle()
        connection.close()
        connection.close()
        assert made.transport.closes == [(1000, "Client closed")]
        assert list(connection) == []
        assert vars(connection.last_close)["code"] == 1000


def test_close_wakes_a_reader() -> None:
    """Iteration on another thread ends."""
    with rig(None) as made:
        connection = made.client.connect()
        call = Call(lambda: list(connection))
        made.clock.wait_for_waiters(2)
        connection.close()
        assert call.result() == []


def test_the_client_closes_its_connections() -> None:
    """client.close() leaves none open."""
    with rig(None) as made:
        connection = made.client.connect()
        made.client.close()
        assert connection.state == "closed"
        with pytest.raises(ClosedError):
            made.client.connect()


def test_an_error_without_a_listener_does_not_crash() -> None:
    """It is an event like others."""
    with rig(None) as made, made.client.connect() as connection:
        connection.send({"type": "response.create", "input": "a"})
        made.transport.feed(refusal("invalid_type"))
        assert next(connection).type == "error"
        assert connection.is_connected


def test_receive_has_a_timeout() -> None:
    """TimeoutError, and the connection goes on."""
    with rig(None) as made, made.client.connect() as connection:
        call = Call(lambda: connection.receive(timeout=3))
        made.clock.wait_for_waiters(within=3)
        made.clock.advance(3)
        with pytest.raises(TimeoutError, match="within 3 s"):
            call.result()
        made.transport.feed({"type": "keepalive"})
        assert connection.receive(timeout=3).type == "keepalive"


def test_a_send_that_fails_names_the_close_code() -> None:
    """The peer had closed."""
    with rig(None, None) as made, made.client.connect() as connection:
        made.transport.send_error = ConnectionLostError("reset")
        made.transport.end(1009, "too big")
        with pytest.raises((ConnectionLostError, ClosedError)) as caught:
            connection.send({"type": "response.create", "input": "a"})
        assert getattr(caught.value, "code", 1009) == 1009


def test_a_slow_iteration_overflows_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is dropped silently."""
    monkeypatch.setattr(Mailbox.__init__, "__kwdefaults__", {"limit": 300})
    with rig(None) as made, made.client.connect() as connection:
        connection.send({"type": "response.create", "input": "a"})
        for _ in range(20):
            made.transport.feed(created())
        made.transport.settle()
        with pytest.raises(StreamOverflowError):
            list(connection)


@pytest.mark.parametrize("command", [{}, {"type": 3}])
def test_a_command_needs_a_type(command: dict[str, Any]) -> None:
    """Before anything is sent."""
    with rig(None) as made, made.client.connect() as connection:
        with pytest.raises(UsageError, match="type"):
            connection.send(command)
        assert made.transport.sent == []


def test_a_dropped_connection_is_collected() -> None:
    """Its link is cut and its threads end, callbacks or not."""
    with rig(None) as made:
        held = [made.client.connect()]
        held[0].on("*", held[0].send)
        gone = weakref.ref(held[0])
        held.clear()
        gc.collect()
        assert gone() is None
        made.transport.wait_until_aborted()


def test_any_command_may_be_sent() -> None:
    """Steering, and what comes after it, as typed objects too."""
    with rig(None) as made, made.client.connect() as connection:
        connection.send(ResponseSteer(previous_response_id="resp_1", input="Shorter."))
        assert made.transport.next_command()["type"] == "response.steer"


def test_a_turn_that_did_not_leave_is_as_if_it_had_never_begun() -> None:
    """An interrupted send leaves no fence that nobody's answer would ever lift."""
    with rig(None) as made, made.client.connect() as connection:
        connection.send({"type": "response.create", "input": "a"})
        made.transport.send_error = KeyboardInterrupt()
        made.transport.is_send_partial = False
        with pytest.raises(KeyboardInterrupt):
            connection.send({"type": "response.create", "input": "b"})
        made.transport.send_error = None
        made.transport.feed(*turn())
        made.transport.settle()
        connection.send({"type": "response.create", "input": "c"})
        assert [command["input"] for command in made.transport.sent] == ["a", "c"]


def test_closing_while_it_opens_says_nothing_on_the_wire() -> None:
    """A close frame has no place in an upgrade: the socket is cut."""
    with rig(None) as made:
        gate = threading.Event()
        made.transport.connect_error = ConnectError("aborted")
        made.transport.on_connect = gate.wait
        opening = Call(made.client.connect)
        made.transport.wait_until_connecting()
        closing = Call(made.client.close)
        made.transport.wait_until_aborted()
        gate.set()
        with pytest.raises((ConnectError, ClosedError)):
            opening.result()
        closing.result()
        assert made.transport.closes == []


def test_iteration_goes_on_after_an_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once; then there is room again."""
    monkeypatch.setattr(Mailbox.__init__, "__kwdefaults__", {"limit": 300})
    with rig(None) as made, made.client.connect() as connection:
        connection.send({"type": "response.create", "input": "a"})
        for _ in range(20):
            made.transport.feed({"type": "keepalive", "padding": "x" * 50})
        made.transport.settle()
        with pytest.raises(StreamOverflowError):
            list(connection)
        made.transport.feed({"type": "keepalive"})
        assert next(connection).type == "keepalive"


def test_hooks_and_counts_see_connections_too() -> None:
    """Every link of the client, pooled or not."""
    heard: list[Any] = []
    hooks = Hooks(on_connect=heard.append, on_disconnect=heard.append)
    with rig(None, None, hooks=hooks) as made:
        connection = made.client.connect()
        made.transport.end(1001)
        reconnect(made, 1)
        made.transports[1].settle()
        stats = made.client.stats()
        assert (stats.links, stats.links_opened, stats.reconnects) == (1, 2, 1)
        connection.close()
        made.transports[1].wait_until_disposed()
    assert [(report.link, report.close_code) for report in heard] == [
        (1, None),
        (1, 1001),
        (2, None),
        (2, 1000),
    ]


def test_a_command_that_is_too_large_is_not_sent() -> None:
    """The frame would be refused, and the connection with it."""
    with rig(None, max_request_bytes=100) as made, made.client.connect() as connection:
        with pytest.raises(RequestTooLargeError, match="max_request_bytes"):
            connection.send({"type": "response.create", "input": "x" * 100})
        assert made.transport.sent == []
