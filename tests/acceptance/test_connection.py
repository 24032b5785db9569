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
from tests.support.responses_peer import (
    PATIENCE,
    Gone,
    PeerLink,
    PeerTurn,
    ResponsesPeer,
    completed,
    created,
    delta,
    error,
    failed,
    says,
    scripts,
    silent_upgrade,
    wait_for,
    whole_answer,
)

CREATE: dict[str, Any] = {"type": "response.create", "model": "m", "input": "hello"}
#: Soon, so that a test need not wait.
FAST = {"retry_delays": (0.01,) * 5}


def types_until(connection: Any, last: str) -> list[str]:
    """Iterate until an event of this type; return the types."""
    types = []
    while not types or types[-1] != last:
        types.append(next(connection).type)
    return types


def lose_link(peer: ResponsesPeer, connection: Any) -> None:
    """Have a turn answered, so that iteration buffers; cut the link and take its loss."""
    connection.send(CREATE)
    types_until(connection, "response.completed")
    peer.cut_all()
    with pytest.raises(ConnectionLostError):
        next(connection)


def in_lane(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The same events on a lane."""
    return [{**event, "stream_id": name} for event in events]


def answer_in_lane(turn: PeerTurn) -> None:
    """Answer on the lane that was asked on."""
    events = whole_answer(turn.text, turn.response_id)
    name = turn.request.get("stream_id")
    turn.send(*(in_lane(events, name) if name else events))


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
        assert (peer.connections, _threads("reconnector")) == (0, [])


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
        wait_for(lambda: not _threads("reconnector"), "the end of the reconnector")
        assert connection.state == "closed"


def _threads(role: str) -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == f"pyresponses-{role}"]


# --- callbacks --------------------------------------------------------------------------------


def test_callbacks_hear_their_type_and_star_hears_all() -> None:
    """One dispatcher thread; in order."""
    with ResponsesPeer() as peer, peer.client() as client, client.connect() as connection:
        heard: SimpleQueue[Any] = SimpleQueue()
        own: list[str] = []
        connection.on("response.output_text.delta", lambda event: own.append(event.delta))
        connection.on("*", lambda event: heard.put(event.type))
        connection.send(CREATE)
        types = [heard.get(timeout=PATIENCE) for _ in range(4)]
        assert types == types_until(connection, "response.completed")
        assert (own, _threads("dispatcher")) == (["hello"], ["pyresponses-dispatcher"])
        assert peer.connections == 1


def test_unsubscribing_ends_the_calls() -> None:
    """The function that ``on`` returned; twice does no harm."""
    with ResponsesPeer() as peer, peer.client() as client, client.connect() as connection:
        heard: SimpleQueue[Any] = SimpleQueue()
        gone: list[Any] = []
        unsubscribe = connection.on("*", gone.append)
        connection.on("response.completed", heard.put)
        unsubscribe()
        unsubscribe()
        connection.send(CREATE)
        heard.get(timeout=PATIENCE)
        assert gone == []
        assert peer.connections == 1


def test_a_broken_callback_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the others are called, and the events come."""
    with ResponsesPeer() as peer, peer.client() as client, client.connect() as connection:
        heard: SimpleQueue[Any] = SimpleQueue()
        connection.on("response.completed", lambda event: 1 / 0)
        connection.on("response.completed", heard.put)
        connection.send(CREATE)
        assert heard.get(timeout=PATIENCE).type == "response.completed"
        assert types_until(connection, "response.completed")
        assert "a callback of 'response.completed' raised" in caplog.text
        assert peer.connections == 1


def test_open_and_close_are_told() -> None:
    """A loss: its code and whether another link comes; then that link."""
    with (
        ResponsesPeer() as peer,
        peer.client(**FAST) as client,
        client.connect() as connection,
    ):
        heard: SimpleQueue[Any] = SimpleQueue()
        connection.on("close", heard.put)
        connection.on("open", heard.put)
        peer.close_link(1, 1012, "restart")
        close, link = heard.get(timeout=PATIENCE), heard.get(timeout=PATIENCE)
        assert (close.code, close.reason, close.retryable) == (1012, "restart", True)
        assert link.link == 2


# --- ids and lanes ------------------------------------------------------------------------------


def test_previous_response_id_follows_completed_responses() -> None:
    """None at first, then the latest completed one; a failed turn with store=False drops it."""
    stored = {**completed("x", "resp_s")}
    unstored = {
        **completed("x", "resp_u"),
        "response": {**completed("x", "resp_u")["response"], "store": False},
    }
    script = scripts(
        says(created("resp_s"), stored),
        says(created("resp_f"), failed("resp_f")),
        says(created("resp_u"), unstored),
        says(error("invalid_prompt", 400)),
    )
    with ResponsesPeer(script) as peer, peer.client() as client, client.connect() as connection:
        ids = [connection.previous_response_id]
        for last in ("response.completed", "response.failed", "response.completed", "error"):
            connection.send(CREATE)
            types_until(connection, last)
            ids.append(connection.previous_response_id)
        assert ids == [None, "resp_s", "resp_s", "resp_u", None]
        assert peer.connections == 1


@pytest.mark.parametrize(("store", "after"), [(True, "resp_1"), (False, None)])
def test_previous_response_id_after_a_loss(store: bool, after: str | None) -> None:
    """The service forgets what it did not store, and so does the connection."""

    def script(turn: PeerTurn) -> None:
        event = completed("x", "resp_1")
        event["response"]["store"] = store
        turn.send(created("resp_1"), event)

    with (
        ResponsesPeer(script) as peer,
        peer.client(**FAST) as client,
        client.connect() as connection,
    ):
        connection.send(CREATE)
        types_until(connection, "response.completed")
        assert connection.previous_response_id == "resp_1"
        peer.cut_all()
        with pytest.raises(ConnectionLostError):
            next(connection)
        assert connection.previous_response_id == after


def test_lanes_run_side_by_side() -> None:
    """Each iterates over its own events; the connection sees them all."""
    with (
        ResponsesPeer(answer_in_lane) as peer,
        peer.client() as client,
        client.connect() as connection,
    ):
        one, two = connection.lane("one"), connection.lane("two")
        for lane in (one, two):
            lane.send({**CREATE, "input": f"for {lane.name}"})
        texts = ["".join(_deltas(lane)) for lane in (two, one)]
        assert texts == ["for two", "for one"]
        assert [request["stream_id"] for request in peer.requests] == ["one", "two"]
        assert one.previous_response_id != two.previous_response_id


def _deltas(lane: Any) -> list[str]:
    texts = []
    while (event := next(lane)).type != "response.completed":
        texts += [event.delta] if event.type == "response.output_text.delta" else []
    return texts


def test_interleaved_lanes_do_not_mix() -> None:
    """Deltas of two lanes in one write, each to its own."""
    waiting: list[PeerTurn] = []

    def script(turn: PeerTurn) -> None:
        waiting.append(turn)
        if len(waiting) == 2:
            answers = [
                in_lane(whole_answer(t.text, t.response_id), t.request["stream_id"])
                for t in waiting
            ]
            turn.send(*(event for pair in zip(*answers, strict=True) for event in pair))

    with ResponsesPeer(script) as peer, peer.client() as client, client.connect() as connection:
        lanes = [connection.lane(name) for name in ("a", "b")]
        for lane in lanes:
            lane.send({**CREATE, "input": f"{lane.name} 1 2"})
        assert ["".join(_deltas(lane)) for lane in lanes] == ["a 1 2", "b 1 2"]
        assert peer.connections == 1


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 257, "a/b"])
def test_a_bad_lane_name_is_refused(name: str) -> None:
    """By the server's own rule, before anything is sent."""
    with ResponsesPeer() as peer, peer.client() as client, client.connect() as connection:
        with pytest.raises(UsageError, match="lane name"):
            connection.lane(name)
        assert peer.requests == []


def test_warm_up_waits_for_its_response() -> None:
    """``generate: false``, with what was named; the id can be continued."""
    with ResponsesPeer(scripts(says(completed("", "resp_w")))) as peer, peer.client() as client:
        with client.connect() as connection:
            response = connection.warm_up(model="m", instructions="Be brief.")
            assert (response.id, connection.previous_response_id) == ("resp_w", "resp_w")
        request = {k: peer.requests[0][k] for k in ("type", "model", "instructions", "generate")}
        assert request == {
            "type": "response.create",
            "model": "m",
            "instructions": "Be brief.",
            "generate": False,
        }


# --- options ----------------------------------------------------------------------------------


def test_headers_of_the_handshake() -> None:
    """Key, our name and the caller's own; attribution goes to the public service alone."""
    options = {"headers": {"X-Mine": "1"}, "organization": "org", "project": "proj"}
    with ResponsesPeer() as peer, peer.client(**options) as client, client.connect():
        headers = peer.handshakes[0]
    assert headers["authorization"].startswith("Bearer sk-")
    assert (headers["x-mine"], headers["openai-organization"]) == ("1", "org")
    assert headers["openai-project"] == "proj"
    assert {"origin", "cookie", "originator"} & set(headers) == set()


def test_a_query_is_kept() -> None:
    """``/responses`` is appended, what stood behind the question mark stays."""
    with ResponsesPeer() as peer:
        url = peer.base_url + "?api-version=1"
        with peer.client(base_url=url, query={"a": "b"}) as client, client.connect():
            line = peer._peers[0].request.split(b"\r\n")[0]
    assert line == b"GET /v1/responses?api-version=1&a=b HTTP/1.1"


def test_two_connections_are_two_sockets() -> None:
    """Closing one leaves the other."""
    with ResponsesPeer() as peer, peer.client() as client:
        one, two = client.connect(), client.connect()
        one.close()
        two.send(CREATE)
        assert types_until(two, "response.completed")
        assert (one.state, two.state, peer.connections) == ("closed", "open", 2)
