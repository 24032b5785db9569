"""Turns over HTTP and WebSocket of an engine that takes or refuses them itself."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, Literal

import pytest
import requests

from pyresponses_ws import ResponsesClient
from pyresponses_ws.errors import APIError, BadRequestError, RateLimitError, ServerError
from pyresponses_ws.server.core.errors import bad_request
from pyresponses_ws.server.engines.base import (
    CancelToken,
    Delta,
    EngineRequest,
    StartDelta,
    TextDelta,
)
from pyresponses_ws.testing import LocalServer

REFUSALS: dict[str, APIError] = {
    "long": bad_request("Too long.", code="context_length_exceeded", param="input"),
    "busy": RateLimitError("Busy.", code="insufficient_quota", status=429, retry_after=1),
    "down": ServerError("It is down.", code="bad_gateway", status=502),
}


class VettingEngine:
    """Refuses what REFUSALS says, fails where told, hangs where told, and takes the rest."""

    vets: Literal[True] = True

    def __init__(self) -> None:
        self.started = threading.Event()
        self.cancelled = threading.Event()
        self.is_closed = False

    def models(self) -> Sequence[str]:
        return ("vetting",)

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        text = request.items[-1]["content"][0]["text"]
        if text in REFUSALS:
            raise REFUSALS[text]
        if text == "hang":
            self.started.set()
            if cancel.wait(60):
                self.cancelled.set()
            return
        yield StartDelta()
        if text == "fail":
            raise ServerError("It broke.", code="server_error", status=500)
        yield TextDelta("taken")

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(scope="module")
def vetting() -> Iterator[LocalServer]:
    """Serve it."""
    with LocalServer(engine=VettingEngine()) as running:
        yield running


def client_of(server: LocalServer, transport: Any) -> ResponsesClient:
    return ResponsesClient("key", base_url=server.base_url, transport=transport)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_the_same_error_over_every_transport(
    vetting: LocalServer, name: str, transport: str, is_stream: bool
) -> None:
    """With status, code and what to wait; no response was created."""
    due = REFUSALS[name]
    with client_of(vetting, transport) as client:
        stream = client.stream(model="m", input=name) if is_stream else None
        ask = client.create if stream is None else stream.get_final_response
        turn = {"model": "m", "input": name} if stream is None else {}
        with pytest.raises(type(due)) as caught:
            ask(**turn)
    got = caught.value
    assert (got.status, got.code, got.param) == (due.status, due.code, due.param)
    assert got.retry_after == due.retry_after
    assert got.response_id is None


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_a_turn_that_is_taken_is_as_any_other(vetting: LocalServer, transport: str) -> None:
    """Also right behind a refusal."""
    with client_of(vetting, transport) as client:
        with pytest.raises(BadRequestError):
            client.create(model="m", input="long")
        assert client.create(model="m", input="hi").output_text == "taken"
        types = [event.type for event in client.stream(model="m", input="hi")]
        assert types[0] == "response.created"
        assert types[-1] == "response.completed"


def test_json_gets_the_status_and_the_envelope(vetting: LocalServer) -> None:
    """As every refusal over HTTP does."""
    for stream in (False, True):
        body = {"model": "m", "input": "busy", "stream": stream}
        reply = requests.post(f"{vetting.base_url}/responses", json=body, timeout=30)
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
        assert reply.json()["error"]["code"] == "insufficient_quota"


def test_a_failure_behind_the_start_is_the_responses(vetting: LocalServer) -> None:
    """Status 200 was sent by then."""
    body = {"model": "m", "input": "fail"}
    reply = requests.post(f"{vetting.base_url}/responses", json=body, timeout=30)
    assert (reply.status_code, reply.json()["status"]) == (200, "failed")


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_before_the_turn_is_taken_cancels_it(stream: bool) -> None:
    """Nothing was answered, and nobody waits."""
    engine = VettingEngine()
    with LocalServer(engine=engine) as server, requests.Session() as session:
        body = {"model": "m", "input": "hang", "stream": stream}
        with pytest.raises(requests.ReadTimeout):
            session.post(f"{server.base_url}/responses", json=body, timeout=(30, 0.2))
        assert engine.started.is_set()
        session.close()
        assert engine.cancelled.wait(10)


def test_the_engine_is_closed_with_the_server() -> None:
    """Whatever it holds ends with who used it."""
    engine = VettingEngine()
    with LocalServer(engine=engine):
        assert not engine.is_closed
    assert engine.is_closed


def test_an_engine_that_breaks_in_its_close_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The server has ended all the same."""

    class Broken(VettingEngine):
        def close(self) -> None:
            raise RuntimeError("held fast")

    with LocalServer(engine=Broken()):
        pass
    assert "held fast" in caplog.text or "the engine" in caplog.text


def test_a_list_of_models_that_does_not_come_holds_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The server stops meanwhile, and whoever waited for the list is told that it does."""
    asked, go_on = threading.Event(), threading.Event()

    class Slow(VettingEngine):
        def models(self) -> Sequence[str]:
            asked.set()
            go_on.wait(60)
            return ()

    with LocalServer(engine=Slow()) as server:
        url = f"{server.base_url}/models"
        statuses: SimpleQueue[int] = SimpleQueue()
        ask = threading.Thread(target=lambda: statuses.put(requests.get(url).status_code))
        ask.start()
        assert asked.wait(10)
    assert statuses.get(timeout=10) == 503
    ask.join(10)
    go_on.set()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_models_that_break_are_a_500() -> None:
    """The engine's fault is told as that of a route."""

    class Broken(VettingEngine):
        def models(self) -> Sequence[str]:
            raise RuntimeError("no list")

    with LocalServer(engine=Broken()) as server:
        assert requests.get(f"{server.base_url}/models", timeout=30).status_code == 500
