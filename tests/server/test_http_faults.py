"""Turns over HTTP that break the protocol on purpose."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest
import requests

from pyresponses_ws.server.engines.base import (
    CancelToken,
    CloseDelta,
    Delta,
    Direction,
    EngineRequest,
    FrameDelta,
    TextDelta,
)
from pyresponses_ws.testing import LocalServer

CREATE = {"model": "m", "input": "hi"}
ERROR = {
    "type": "rate_limit_error",
    "code": "rate_limit_exceeded",
    "message": "Slow.",
    "param": None,
}


class FaultyEngine:
    """Directs every turn the same way, then plays its deltas."""

    def __init__(self, *deltas: Delta, **direction: Any) -> None:
        self._deltas = deltas
        self._direction = Direction(**direction)

    def models(self) -> tuple[str, ...]:
        return ("faulty",)

    def direct(self, request: EngineRequest) -> Direction:
        return self._direction

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        yield from self._deltas


def post(engine: FaultyEngine, **fields: Any) -> requests.Response:
    """Post a create to a server of this engine."""
    with LocalServer(engine) as server:
        return requests.post(f"{server.base_url}/responses", json={**CREATE, **fields}, timeout=30)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_refusal_is_the_reply(is_streamed: bool) -> None:
    """Its status, its error and its headers, in the place of the turn."""
    error = {**ERROR, "headers": {"Retry-After": "2"}}
    refusal = {"type": "error", "status": 429, "error": error}
    reply = post(FaultyEngine(refusal=refusal), stream=is_streamed)
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "2")
    assert reply.json() == {"error": error}


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        ({"type": "error", **ERROR, "sequence_number": 3}, 400),
        ({"type": "error", "status_code": 503, "error": {"detail": "no"}}, 503),
        ({"type": "error", "status": 200, "error": "text"}, 400),
        ({"type": "error", "status": "x", "headers": ["a"], "error": None}, 400),
        ({"type": "error", "headers": {"a b": "c", "d": "e\nf", "content-length": "1"}}, 400),
    ],
)
def test_a_refusal_of_any_shape_is_a_reply(frame: dict[str, Any], status: int) -> None:
    """Headers that no reply can carry are left out."""
    reply = post(FaultyEngine(refusal=frame))
    assert reply.status_code == status
    assert list(reply.json()) == ["error"]
    assert not {"a", "d"} & reply.headers.keys()


def test_a_refusal_may_end_the_connection() -> None:
    """Once it is read."""
    refusal = {"type": "error", "status": 400, "error": ERROR}
    reply = post(FaultyEngine(refusal=refusal, close=CloseDelta(1008)))
    assert (reply.status_code, reply.headers["connection"]) == (400, "close")


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_close_in_the_place_of_a_turn_cuts_the_connection(is_streamed: bool) -> None:
    """Nothing is answered."""
    with pytest.raises(requests.ConnectionError):
        post(FaultyEngine(close=CloseDelta(1006)), stream=is_streamed)


def test_a_close_in_a_turn_cuts_a_json_reply() -> None:
    """Nothing is answered."""
    with pytest.raises(requests.ConnectionError):
        post(FaultyEngine(TextDelta("word"), CloseDelta(1011)))


def test_a_close_in_a_turn_cuts_its_events_there() -> None:
    """What was said before it arrives; the end of the reply does not."""
    with LocalServer(FaultyEngine(TextDelta("word"), CloseDelta(1011))) as server:
        body = {**CREATE, "stream": True}
        with requests.post(f"{server.base_url}/responses", json=body, stream=True, timeout=30) as r:
            lines = r.iter_lines(decode_unicode=True)
            seen = [next(line for line in lines if line.startswith("data:")) for _ in range(5)]
            with pytest.raises(requests.RequestException):
                list(lines)
    assert json.loads(seen[-1].removeprefix("data: "))["type"] == "response.output_text.delta"


def test_dropped_doubled_and_raw_events_are_sent_as_they_are() -> None:
    """The stream is what the turn makes of its direction."""
    engine = FaultyEngine(
        FrameDelta({"type": "keepalive"}),
        TextDelta("word"),
        drop=frozenset({"response.completed"}),
        duplicate=frozenset({"response.output_text.delta"}),
    )
    text = post(engine, stream=True).text
    assert text.count("event: response.output_text.delta\n") == 2
    assert text.count("event: keepalive\n") == 1
    assert "event: response.completed\n" not in text


def test_a_cut_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """It was meant; uvicorn would complain of a route that forgot its reply."""
    with pytest.raises(requests.ConnectionError):
        post(FaultyEngine(close=CloseDelta(1006)))
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
