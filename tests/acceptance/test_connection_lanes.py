"""What a connection tells: callbacks, ids, lanes, and what it says in its handshake."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import pytest

from pyresponses_ws.errors import (
    ConnectionLostError,
    UsageError,
)
from tests.support.answers import completed, created, error, failed, whole_answer
from tests.support.responses_peer import (
    PATIENCE,
    PeerTurn,
    ResponsesPeer,
    says,
    scripts,
    threads_of,
    types_until,
)

CREATE: dict[str, Any] = {"type": "response.create", "model": "m", "input": "hello"}
#: Soon, so that a test need not wait.
FAST = {"retry_delays": (0.01,) * 5}


def in_lane(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The same events on a lane."""
    return [{**event, "stream_id": name} for event in events]


def answer_in_lane(turn: PeerTurn) -> None:
    """Answer on the lane that was asked on."""
    events = whole_answer(turn.text, turn.response_id)
    name = turn.request.get("stream_id")
    turn.send(*(in_lane(events, name) if name else events))


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
        assert (own, threads_of("dispatcher")) == (["hello"], ["pyresponses-dispatcher"])
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
