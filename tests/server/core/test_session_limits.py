"""What one connection may ask for, and how it ends."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from pyresponses_ws.server.core import errors, turn
from pyresponses_ws.server.core.service import Service
from pyresponses_ws.server.core.session import Close
from pyresponses_ws.server.engines.base import (
    CloseDelta,
    Direction,
    EngineRequest,
    FrameDelta,
    TextDelta,
)
from tests.server.drivers import NOW, Frame, Wire, make_service, types

BUSY = {"type": "error", "status": 503, "error": {"code": "slow_down", "message": "Later."}}


class Directing:
    """An engine's ``direct`` that always says the same."""

    def __init__(self, **facts: Any) -> None:
        self._direction = Direction(**facts)

    def direct(self, request: EngineRequest) -> Direction:
        return self._direction


class OneASecond:
    """Lets a create through each second."""

    def __init__(self) -> None:
        self._last = 0.0

    def take(self, owner: str, now: float) -> float | None:
        if now - self._last < 1:
            return 1.0
        self._last = now
        return None


def directed(**facts: Any) -> Wire:
    """Make a session whose turns are directed."""
    return Wire(service=Service(rng=random.Random(1), director=Directing(**facts)))


def codes(frames: Sequence[Frame]) -> list[str]:
    """Return the codes of error frames."""
    return [frame["error"]["code"] for frame in frames if frame["type"] == "error"]


def test_sixteen_turns_run_and_more_wait() -> None:
    """The next starts when one of them ends, on whichever lane."""
    wire = Wire()
    for number in range(17):
        wire.send(input="hi", stream_id=f"lane-{number}")
    assert len(wire.turns) == 16
    frames = wire.run(wire.turns[5])
    assert types(frames)[-2:] == ["response.created", "response.in_progress"]
    assert {frame["stream_id"] for frame in frames[-2:]} == {"lane-16"}


def test_the_thirty_third_name_is_refused_and_echoed() -> None:
    """In the service's words; known names and the default lane go on."""
    wire = Wire()
    for number in range(32):
        wire.complete(input="hi", stream_id=f"lane-{number}")
    (frame,) = wire.send(input="hi", stream_id="lane-32")
    assert frame["stream_id"] == "lane-32"
    assert frame["error"] == {
        "type": "invalid_request_error",
        "code": "websocket_stream_limit_reached",
        "message": (
            "This WebSocket connection has reached its maximum number of distinct stream IDs "
            "(32). Reuse an existing stream_id or open a new WebSocket connection."
        ),
        "param": "stream_id",
    }
    for lane in ("lane-0", None):
        assert wire.complete(input="hi", stream_id=lane)


def test_a_name_counts_when_its_create_is_accepted() -> None:
    """Thirty-two refused names leave all thirty-two to use."""
    wire = Wire()
    for number in range(32):
        assert codes(wire.send(input=5, stream_id=f"bad-{number}")) == ["invalid_type"]
    for number in range(32):
        assert wire.complete(input="hi", stream_id=f"lane-{number}")


def test_two_hundred_and_fifty_six_wait_and_more_are_refused() -> None:
    """With 429, after what was asked before; checkpoints stay, and so does the socket."""
    wire = Wire()
    parent = wire.complete(input="zero", store=False)
    for _ in range(1 + 256 + 3):
        wire.send(input="hi", store=False, previous_response_id=parent["id"])
        wire.turns = wire.turns[:1]
    refused = []
    while wire.turns:
        frames = wire.run()
        parent = next(frame for frame in frames if "response" in frame)["response"]
        refused += codes(frames)
    assert refused.count("rate_limit_exceeded") == 3
    assert wire.closed is None
    assert wire.complete(input="on", previous_response_id=parent["id"])


def test_an_owner_over_its_rate_is_refused_with_a_wait() -> None:
    """The error carries retry-after, as the service's does."""
    wire = Wire(service=Service(rng=random.Random(1), rates=OneASecond()))
    wire.complete(input="hi")
    (frame,) = wire.send(input="hi")
    assert (frame["status"], frame["error"]["code"]) == (429, "rate_limit_exceeded")
    assert frame["error"]["type"] == "rate_limit_error"
    assert frame["error"]["headers"] == {"retry-after": "1"}


def test_an_idle_connection_ends_at_its_age_limit() -> None:
    """With the service's frame, on no lane, and then a close."""
    wire = Wire()
    wire.session.receive_age()
    (frame,) = wire.drain()
    assert (frame["status"], frame["error"]["code"]) == (400, "websocket_connection_limit_reached")
    assert "(60 minutes)" in frame["error"]["message"]
    assert "stream_id" not in frame
    assert wire.closed == Close(1000)


def test_running_turns_end_before_an_old_connection_does() -> None:
    """Nothing new starts, what waits was never started, and the frame comes last."""
    wire = Wire()
    wire.send(input="one", stream_id="a")
    wire.send(input="two", stream_id="a")
    wire.session.receive_age()
    assert (wire.drain(), wire.closed) == ([], None)
    assert wire.send(input="three") == []
    frames = wire.run()
    assert types(frames)[-2:] == ["response.completed", "error"]
    assert wire.closed == Close(1000)
    assert wire.turns == []


def test_an_old_connection_starts_no_successor() -> None:
    """The steers fail, since their response can be continued elsewhere."""
    wire = Wire()
    created = wire.send(input="one")[0]["response"]
    wire.session.receive_deltas(wire.turns[0], [TextDelta("Hello.")])
    wire.send(type="response.steer", previous_response_id=created["id"], input="x")
    wire.session.receive_age()
    wire.session.receive_end(wire.turns[0], None, NOW)
    assert types(wire.drain())[-3:] == ["response.incomplete", "response.steer.failed", "error"]


def test_a_turn_that_does_not_end_is_cut_off_by_the_second_warning() -> None:
    """The limit is a limit."""
    wire = Wire()
    wire.send(input="one")
    for _ in range(2):
        wire.session.receive_age()
    assert codes(wire.drain()) == ["websocket_connection_limit_reached"]
    assert wire.closed == Close(1000)


def test_nothing_follows_a_close() -> None:
    """Neither the rest of a running turn nor an answer to another frame."""
    wire = Wire()
    wire.send(input="one")
    wire.session.receive_deltas(wire.turns[0], [CloseDelta(1011, "boom"), TextDelta("x")])
    assert (wire.drain(), wire.closed) == ([], Close(1011, "boom"))
    wire.session.receive_end(wire.turns[0], None, NOW)
    assert wire.send(input="two") == []


def test_creates_can_be_refused_while_turns_run() -> None:
    """Those that wait and those that come; the running ones go on to their end."""
    wire = Wire()
    wire.send(input="one")
    wire.send(input="two")
    wire.service.refuse(errors.shutting_down())
    wire.session.refuse_waiting(errors.shutting_down())
    assert wire.session.is_running
    assert codes(wire.send(input="three", stream_id="a")) == ["server_is_overloaded"]
    frames = wire.run()
    assert types(frames)[-2:] == ["response.completed", "error"]
    assert not wire.session.is_running


def test_a_directed_refusal_takes_the_place_of_the_turn() -> None:
    """It is sent as it is, and the lane goes on."""
    wire = directed(refusal=BUSY)
    assert wire.send(input="one") == [BUSY]
    assert wire.send(input="two") == [BUSY]


def test_a_directed_close_ends_the_connection() -> None:
    """After the refusal, if there is one."""
    wire = directed(refusal=BUSY, close=CloseDelta(1008))
    assert wire.send(input="one") == [BUSY]
    assert wire.closed == Close(1008)


def test_directed_events_are_left_out_or_doubled() -> None:
    """Their numbers tell: one is missing, the other comes twice."""
    wire = directed(
        drop=frozenset({"response.in_progress"}),
        duplicate=frozenset({"response.output_text.delta"}),
    )
    frames = [*wire.send(input="one"), *wire.run()]
    assert "response.in_progress" not in types(frames)
    numbers = [frame["sequence_number"] for frame in frames]
    assert numbers[:2] == [0, 2]
    doubled = [f["sequence_number"] for f in frames if f["type"].endswith("text.delta")]
    assert doubled == sorted([*set(doubled)] * 2)


def test_a_frame_of_an_engine_passes_as_it_is() -> None:
    """It has no number, lane or place in the Response."""
    wire = Wire()
    wire.send(input="one", stream_id="a")
    frame = {"type": "keepalive"}
    wire.session.receive_deltas(wire.turns[0], [FrameDelta(frame)])
    assert wire.drain() == [frame]


def test_connections_share_the_store_and_not_their_turns() -> None:
    """The end of one's turn leaves the other's running."""
    service = make_service()
    one, two = Wire(service=service), Wire(service=service, owner="you")
    one.send(input="hi")
    two.send(input="hi")
    one.run()
    assert two.session.is_running


def test_nothing_starts_behind_a_close() -> None:
    """Neither what waited for the turn that closes nor what waited for the limit."""
    wire = Wire()
    for text in ("one", "two"):
        wire.send(input=text)
    wire.session.receive_deltas(wire.turns[0], [CloseDelta(1011)])
    wire.session.receive_end(wire.turns[0], None, NOW)
    assert len(wire.turns) == 1
    assert not wire.session.is_running


def test_a_response_cut_by_a_close_is_not_stored() -> None:
    """Nobody was told that it is complete."""
    service = make_service()
    wire = Wire(service=service)
    created = wire.send(input="one")[0]["response"]
    wire.session.receive_deltas(wire.turns[0], [CloseDelta(1011)])
    wire.session.receive_end(wire.turns[0], None, NOW)
    assert service.store.get("me", created["id"], NOW) is None


def test_a_create_that_never_starts_leaves_the_checkpoint() -> None:
    """A new chain drops it as it starts, and this one was refused before."""
    wire = Wire()
    first = wire.complete(input="one", store=False)
    bad = [{"type": "function_call_output", "call_id": "call_missing", "output": "x"}]
    assert codes(wire.send(input=bad)) == [None]
    assert wire.complete(input="two", previous_response_id=first["id"])


def test_a_context_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain that outgrows the limit can be compacted, or begun anew."""
    monkeypatch.setattr(turn, "MAX_CONTEXT_SIZE", 1_000)
    wire = Wire()
    first = wire.complete(input="x" * 800)
    frames = wire.send(input="x" * 800, previous_response_id=first["id"])
    assert codes(frames) == ["context_length_exceeded"]
    assert wire.complete(input="x" * 800)
