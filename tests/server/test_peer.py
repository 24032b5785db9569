"""One WebSocket of the server, from outside."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from pyresponses_ws.server.config import MAX_MESSAGE_BYTES
from pyresponses_ws.server.engines.base import Direction, EngineRequest, FrameDelta, ItemDelta
from pyresponses_ws.testing import LocalServer
from tests.server.engines_for_tests import FunctionEngine, HangingEngine, failing


def open_socket(server: LocalServer) -> ClientConnection:
    """Open a WebSocket; one test at a time, so no compression and no pings."""
    url = server.base_url.replace("http", "ws", 1) + "/responses"
    return connect(url, max_size=None, compression=None, ping_interval=None)


@pytest.fixture
def ws(server: LocalServer) -> Iterator[ClientConnection]:
    """Open a WebSocket to the session's server."""
    with open_socket(server) as opened:
        yield opened


def create(ws: ClientConnection, **fields: Any) -> None:
    """Send a create."""
    ws.send(json.dumps({"type": "response.create", "model": "m", **fields}))


def receive_until(ws: ClientConnection, *ends: str) -> list[dict[str, Any]]:
    """Return the frames up to one of these types."""
    frames = [json.loads(ws.recv())]
    while frames[-1]["type"] not in ends:
        frames.append(json.loads(ws.recv()))
    return frames


def close_code(ws: ClientConnection) -> int | None:
    """Read to the end; return the code that the server closed with."""
    try:
        while True:
            ws.recv()
    except ConnectionClosed as exc:
        return exc.rcvd.code if exc.rcvd else None


def test_creates_may_be_sent_ahead(ws: ClientConnection) -> None:
    """A lane answers all of them, one after the other, numbered anew."""
    for number in range(20):
        create(ws, input=f"number {number}")
    for number in range(20):
        frames = receive_until(ws, "response.completed")
        text = frames[-1]["response"]["output"][0]["content"][0]["text"]
        assert text == f"You said: number {number}"
        assert [frame["sequence_number"] for frame in frames] == list(range(len(frames)))


def test_a_lane_does_not_wait_for_another(slow_server: LocalServer) -> None:
    """A create on a free lane starts while another lane's turn takes its time."""
    with open_socket(slow_server) as ws:
        for lane in ("a", "b"):
            create(ws, input="hi", stream_id=lane)
            started = receive_until(ws, "response.in_progress")
            assert {frame["stream_id"] for frame in started} == {lane}


def test_a_bad_frame_leaves_the_socket_open(ws: ClientConnection) -> None:
    """An error frame answers it; the next create works."""
    ws.send("{")
    assert receive_until(ws, "error")[0]["status"] == 400
    create(ws, input="hi")
    assert receive_until(ws, "response.completed")


def test_a_binary_frame_is_refused(ws: ClientConnection) -> None:
    """The protocol is text; the close code says so."""
    ws.send(b"{}")
    assert close_code(ws) == 1003


def test_bad_utf8_is_refused(ws: ClientConnection) -> None:
    """A text frame that is none closes with 1007."""
    with ws.protocol_mutex:
        ws.protocol.send_text(b"\xff\xfe")
        ws.send_data()
    assert close_code(ws) == 1007


def test_a_message_over_the_limit_is_refused(ws: ClientConnection) -> None:
    """16 MiB pass, a byte more closes with 1009."""
    ws.send("x" * MAX_MESSAGE_BYTES)
    assert receive_until(ws, "error")[0]["status"] == 400
    ws.send("x" * (MAX_MESSAGE_BYTES + 1))
    assert close_code(ws) == 1009


def test_the_limit_counts_bytes(ws: ClientConnection) -> None:
    """Characters of more than one byte count as what they are on the wire."""
    ws.send("é" * (MAX_MESSAGE_BYTES // 2 + 1))
    assert close_code(ws) == 1009


def test_a_failing_engine_is_response_failed_alone() -> None:
    """No ``error`` frame follows or precedes it, and the lane goes on."""
    with LocalServer(failing(KeyError("secret"))) as server, open_socket(server) as ws:
        for _ in range(2):
            create(ws, input="hi")
            frames = receive_until(ws, "response.failed", "error")
            error = frames[-1]["response"]["error"]
            assert error["code"] == "server_error"
            assert "secret" not in error["message"]


def test_an_engine_that_breaks_the_rules_is_response_failed() -> None:
    """A delta that the builder refuses fails the turn, not the connection."""
    engine = FunctionEngine(lambda request, cancel: (delta for delta in [object()]))
    with LocalServer(engine) as server, open_socket(server) as ws:
        create(ws, input="hi")
        frames = receive_until(ws, "response.failed", "response.completed")
        assert frames[-1]["response"]["error"]["code"] == "server_error"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_peer_that_leaves_cancels_its_turns(how: str) -> None:
    """With a close frame or without, the engine is told at once."""
    engine = HangingEngine()
    with LocalServer(engine) as server:
        with open_socket(server) as ws:
            create(ws, input="hi")
            receive_until(ws, "response.output_text.delta")
            assert engine.started.wait(10)
            if how == "reset":
                ws.socket.shutdown(socket.SHUT_RDWR)
        assert engine.cancelled.wait(10)


def test_a_stop_sends_peers_away_with_1001(slow_server: LocalServer) -> None:
    """Going away, in the middle of a turn too."""
    with open_socket(slow_server) as ws:
        create(ws, input="hi")
        receive_until(ws, "response.in_progress")
        slow_server.stop()
        assert close_code(ws) == 1001


def test_an_item_that_is_none_fails_its_turn_alone() -> None:
    """An engine made what cannot be sent; the lane goes on."""
    engine = FunctionEngine(
        lambda request, cancel: (item for item in [ItemDelta({"at": object()})])
    )
    with LocalServer(engine=engine) as server, open_socket(server) as ws:
        for _ in range(2):
            create(ws, input="hi")
            failed = receive_until(ws, "response.failed")[-1]
            assert failed["response"]["error"]["code"] == "server_error"


class Undecided(HangingEngine):
    """A director that breaks."""

    def direct(self, request: EngineRequest) -> Direction:
        raise KeyError("secret")


def test_a_director_that_breaks_fails_its_create_alone() -> None:
    """The socket stays open, and nothing of the exception reaches the client."""
    with LocalServer(engine=Undecided()) as server, open_socket(server) as ws:
        for _ in range(2):
            create(ws, input="hi")
            (frame,) = receive_until(ws, "error")
            assert (frame["status"], frame["error"]["code"]) == (500, "server_error")
            assert "secret" not in str(frame)


def test_many_small_frames_leave_room_for_others(ws: ClientConnection, server: LocalServer) -> None:
    """Each is answered, in order, and another socket is served meanwhile."""
    with open_socket(server) as other:
        for _ in range(500):
            ws.send("{}")
        create(other, input="hi")
        assert receive_until(other, "response.completed")
    for _ in range(500):
        assert receive_until(ws, "error")


@pytest.mark.parametrize(
    "direction",
    [
        Direction(drop=None),
        Direction(refusal={"type": "error", "at": object()}),
        Direction(close=1006),
    ],
)
def test_a_direction_that_cannot_be_followed_fails_its_create_alone(direction: Direction) -> None:
    """Found out when it is given, not when it is to be carried out."""
    engine = Undecided()
    engine.direct = lambda request: direction
    with LocalServer(engine=engine) as server, open_socket(server) as ws:
        for _ in range(2):
            create(ws, input="hi")
            assert receive_until(ws, "error")[0]["error"]["code"] == "server_error"


def test_a_frame_that_is_no_json_fails_its_turn_alone() -> None:
    """Another lane is not told of it."""
    engine = FunctionEngine(
        lambda request, cancel: (delta for delta in [FrameDelta({"at": object()})])
    )
    with LocalServer(engine=engine) as server, open_socket(server) as ws:
        for _ in range(2):
            create(ws, input="hi")
            assert receive_until(ws, "response.failed")
