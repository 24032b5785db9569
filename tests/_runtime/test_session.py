"""A logical connection over scripted links."""

from __future__ import annotations

import gc
import threading
import weakref
from queue import SimpleQueue
from typing import Any
from unittest.mock import Mock, patch

import pytest

from pyresponses_ws._runtime.mailbox import Mailbox
from pyresponses_ws._runtime.reconnector import Reconnector
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws.commands import ResponseSteer
from pyresponses_ws.config import Hooks, Timeouts
from pyresponses_ws.errors import (
    AuthenticationError,
    ClosedError,
    ConnectError,
    ConnectionLimitError,
    ConnectionLostError,
    ReconnectError,
    RequestTooLargeError,
    StreamOverflowError,
    UsageError,
)
from tests._runtime.rig import Call, Rig, completed, created, refusal, rig, turn


def reconnect(made: Rig, delay: float) -> None:
    """Let the reconnector's next wait pass."""
    made.clock.wait_for_waiters(within=delay)
    made.clock.advance(delay)


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


def _outcome(connection: Any) -> Any:
    try:
        return next(connection)
    except (ConnectionLostError, ReconnectError) as exc:
        return exc


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


def test_callbacks_hear_what_they_subscribed_to() -> None:
    """By type, by "*", of opening and closing; until they unsubscribe."""
    heard: list[Any] = []
    with rig(None, None) as made, made.client.connect() as connection:
        stop = connection.on("response.created", lambda event: heard.append(event.type))
        connection.on("*", lambda event: heard.append("*"))
        connection.on("close", lambda info: heard.append(info.code))
        connection.on("open", lambda report: heard.append(report.link))
        told: SimpleQueue[Any] = SimpleQueue()
        connection.on("keepalive", told.put)
        made.transport.feed(created(), {"type": "keepalive"})
        told.get(timeout=10)
        stop()
        stop()
        made.transport.feed(created("resp_2"))
        made.transport.end(1001)
        reconnect(made, 1)
        made.transports[1].feed({"type": "keepalive"})
        told.get(timeout=10)
    # "*" comes after the type's own callbacks; the last one may not have been told yet.
    assert heard[:6] == ["response.created", "*", "*", "*", 1001, 2]


def test_a_callback_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The others still hear."""
    with rig(None) as made, made.client.connect() as connection:
        ready: SimpleQueue[Any] = SimpleQueue()
        connection.on("keepalive", lambda event: 1 // 0)
        connection.on("keepalive", ready.put)
        made.transport.feed({"type": "keepalive"})
        assert ready.get(timeout=10).type == "keepalive"
    assert "a callback of 'keepalive' raised" in caplog.text


def test_an_error_without_a_listener_does_not_crash() -> None:
    """It is an event like others."""
    with rig(None) as made, made.client.connect() as connection:
        connection.send({"type": "response.create", "input": "a"})
        made.transport.feed(refusal("invalid_type"))
        assert next(connection).type == "error"
        assert connection.is_connected


def test_the_latest_response_is_known_until_it_is_lost() -> None:
    """Of each lane, and of all."""
    with rig(None, None) as made, made.client.connect() as connection:
        lane = connection.lane("a")
        connection.send({"type": "response.create", "input": "a"})
        lane.send({"type": "response.create", "input": "b"})
        made.transport.feed(created(), completed(store=False))
        made.transport.feed(created("resp_2", lane="a"), completed("resp_2", lane="a"))
        assert [event.type for event in (next(connection), next(connection))][1].endswith("ed")
        made.transport.settle()
        assert (lane.previous_response_id, connection.previous_response_id) == ("resp_2", "resp_2")
        assert connection.lane("b").previous_response_id is None
        made.transport.end()
        with pytest.raises(ConnectionLostError):
            list(connection)
        assert connection.previous_response_id == "resp_2"


def test_a_lane_reads_and_writes_its_own() -> None:
    """Its name travels with the create; others' events do not reach it."""
    with rig(None) as made, made.client.connect() as connection:
        lane = connection.lane("left")
        lane.send({"type": "response.create", "input": "a"})
        assert made.transport.next_command()["stream_id"] == "left"
        made.transport.feed({"type": "keepalive"}, created("resp_1", lane="left"))
        assert next(lane).type == "response.created"
        assert iter(lane) is lane


@pytest.mark.parametrize("name", ["", "a b", "x" * 257, "ü"])
def test_a_bad_lane_name_is_refused(name: str) -> None:
    """The server would answer invalid_stream_id."""
    with rig(None) as made, made.client.connect() as connection, pytest.raises(UsageError):
        connection.lane(name)


def test_warm_up_waits_for_its_response() -> None:
    """Beside what else runs; its id can be continued."""
    answer = [created("resp_w"), completed("resp_w", output=[])]
    with rig(lambda command: answer) as made, made.client.connect() as connection:
        response = connection.warm_up("m", instructions="Be brief.", metadata={"a": "b"})
        command = made.transport.next_command()
        assert (command["generate"], command["instructions"]) == (False, "Be brief.")
        assert response.id == connection.previous_response_id == "resp_w"
        assert response.report is not None
        assert response.report.input_mode == "warm"


def test_a_warm_up_needs_an_open_connection() -> None:
    """And is not replayed: the loss is the user's to see."""
    with rig(None) as made:
        connection = made.client.connect()
        call = Call(lambda: connection.warm_up("m"))
        made.transport.next_command()
        connection.close()
        with pytest.raises(Exception, match=r"cancelled|closed"):
            call.result()
        with pytest.raises(ClosedError):
            connection.warm_up("m")


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


def test_a_turn_behind_another_on_its_lane_waits_its_turn() -> None:
    """first_event counts from the head of the lane, and its end spares the neighbour."""
    timeouts = Timeouts(ping_interval=None)
    with rig(None, timeouts=timeouts) as made, made.client.connect() as connection:
        connection.send({"type": "response.create", "input": "long"})
        made.transport.feed(created())
        warming = Call(lambda: connection.warm_up("m"))
        made.transport.next_command()
        made.transport.next_command()
        for _ in range(200):
            made.clock.wait_for_waiters(within=0.5)
            made.clock.advance(0.5)
        made.transport.feed(completed(), *turn("", "resp_w"))
        assert warming.result().id == "resp_w"
        assert not made.transport.is_aborted


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


def test_a_command_that_is_too_large_is_not_sent() -> None:
    """The frame would be refused, and the connection with it."""
    with rig(None, max_request_bytes=100) as made, made.client.connect() as connection:
        with pytest.raises(RequestTooLargeError, match="max_request_bytes"):
            connection.send({"type": "response.create", "input": "x" * 100})
        assert made.transport.sent == []


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


def test_a_loss_is_told_by_its_code_not_as_a_cancelled_turn() -> None:
    """The server closed; nobody here cancelled anything."""
    with rig(None) as made:
        connection = made.client.connect()
        call = Call(lambda: connection.warm_up("m"))
        made.transport.next_command()
        made.transport.end(1008, "policy")
        with pytest.raises(ConnectionLostError) as caught:
            call.result()
        assert (caught.value.close_code, caught.value.close_reason) == (1008, "policy")


def test_the_age_limit_reaches_whoever_warms_up() -> None:
    """A connection has no other link to go to at once."""
    answer = [refusal("websocket_connection_limit_reached", status=400)]
    with rig(lambda command: answer, None) as made:
        connection = made.client.connect()
        with pytest.raises(ConnectionLimitError):
            connection.warm_up("m")
        connection.close()


def test_the_last_close_is_told_before_the_dispatcher_goes() -> None:
    """Also when the user closes."""
    for _ in range(20):
        with rig(None) as made:
            connection = made.client.connect()
            told: SimpleQueue[Any] = SimpleQueue()
            connection.on("close", told.put)
            connection.close()
            assert told.get(timeout=10).code == 1000
