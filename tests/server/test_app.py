"""The HTTP side of the server, from outside."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pyresponses_ws.errors import RateLimitError
from pyresponses_ws.server.config import MAX_MESSAGE_BYTES
from pyresponses_ws.testing import LocalServer
from tests.server.engines_for_tests import FunctionEngine, HangingEngine, failing

CREATE = {"model": "m", "input": "hi"}


def post(server: LocalServer, body: Any = CREATE, **options: Any) -> requests.Response:
    """Post a create; the reply is read whole."""
    return requests.post(f"{server.base_url}/responses", json=body, timeout=30, **options)


def read_events(reply: requests.Response) -> list[tuple[str, dict[str, Any]]]:
    """Split server-sent events into name and data."""
    blocks = reply.content.decode().split("\n\n")
    assert blocks.pop() == ""
    pairs = [block.removeprefix("event: ").split("\ndata: ") for block in blocks]
    return [(name, json.loads(data)) for name, data in pairs]


def status_of_upgrade(server: LocalServer, path: str = "/responses", **headers: str) -> int:
    """Return the status that refuses a WebSocket."""
    url = server.base_url.replace("http", "ws", 1) + path
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(url, additional_headers=headers, compression=None),
    ):
        pass
    assert json.loads(caught.value.response.body)["error"]["message"]
    return int(caught.value.response.status_code)


def test_a_create_answers_with_the_response(server: LocalServer) -> None:
    """One JSON object, complete."""
    reply = post(server).json()
    assert (reply["object"], reply["status"]) == ("response", "completed")
    assert reply["output"][0]["content"][0]["text"] == "You said: hi"


def test_a_streamed_create_answers_with_events(server: LocalServer) -> None:
    """Each has its name and its JSON; none is ``[DONE]``."""
    reply = post(server, {**CREATE, "stream": True})
    events = read_events(reply)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert [name for name, _ in events] == [data["type"] for _, data in events]
    assert (events[0][0], events[-1][0]) == ("response.created", "response.completed")


def test_http_ignores_generate(server: LocalServer) -> None:
    """Only a WebSocket warms up."""
    assert post(server, {**CREATE, "generate": False}).json()["output"] != []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "hi"}, "model"),
        ({**CREATE, "stream_id": "a"}, "stream_id"),
        ({**CREATE, "previous_response_id": "resp_none"}, "previous_response_id"),
        ([1], None),
    ],
)
def test_a_bad_create_is_a_400(server: LocalServer, body: Any, param: str | None) -> None:
    """The error is the whole body, in the service's envelope."""
    reply = post(server, body)
    assert reply.status_code == 400
    assert list(reply.json()) == ["error"]
    assert reply.json()["error"]["param"] == param


def test_bad_json_is_a_400(server: LocalServer) -> None:
    """So is bad UTF-8."""
    for data in (b"{", b"\xff", b""):
        headers = {"content-type": "application/json"}
        reply = requests.post(f"{server.base_url}/responses", data, headers=headers, timeout=30)
        assert reply.status_code == 400


def test_a_post_that_is_not_json_is_a_415(server: LocalServer) -> None:
    """A web page could send it without asking."""
    body = json.dumps(CREATE)
    headers = {"content-type": "text/plain"}
    reply = requests.post(f"{server.base_url}/responses", body, headers=headers, timeout=30)
    assert reply.status_code == 415


def test_a_body_over_the_limit_is_a_413(server: LocalServer) -> None:
    """It is counted while it comes."""
    reply = post(server, {**CREATE, "input": "x" * MAX_MESSAGE_BYTES})
    assert reply.status_code == 413


def test_a_failing_engine_is_a_failed_response() -> None:
    """As JSON it is a 200 that says failed; as events, an ``error`` and then the failure."""
    error = RateLimitError("Slow down.", code="slow_down")
    with LocalServer(failing(error)) as server:
        reply = post(server)
        assert (reply.status_code, reply.json()["status"]) == (200, "failed")
        assert reply.json()["error"] == {"code": "slow_down", "message": "Slow down."}
        events = read_events(post(server, {**CREATE, "stream": True}))
    assert [name for name, _ in events[-2:]] == ["error", "response.failed"]
    assert events[-2][1]["error"]["code"] == "slow_down"


def test_an_engine_that_breaks_the_rules_is_a_failed_response() -> None:
    """A delta that the builder refuses ends the turn."""
    engine = FunctionEngine(lambda request, cancel: (delta for delta in [object()]))
    with LocalServer(engine) as server:
        assert post(server).json()["error"]["code"] == "server_error"


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_client_that_leaves_cancels_its_turn(is_streamed: bool) -> None:
    """The engine is told as soon as the server sees the loss."""
    engine = HangingEngine()
    with LocalServer(engine) as server:
        body = {**CREATE, "stream": is_streamed}
        with pytest.raises(requests.RequestException):
            requests.post(
                f"{server.base_url}/responses", json=body, timeout=(30, 0.2)
            ).raise_for_status()
        assert engine.cancelled.wait(10)


def test_a_stop_fails_the_turns_over_http() -> None:
    """The client hears why, and the server does not wait for the engine."""
    engine = HangingEngine()
    with LocalServer(engine) as server:
        body = {**CREATE, "stream": True}
        with requests.post(f"{server.base_url}/responses", json=body, stream=True, timeout=30) as r:
            assert engine.started.wait(10)
            server.stop()
            assert read_events(r)[-1][1]["response"]["error"]["code"] == "server_is_overloaded"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/responses", 405),
        ("GET", "/healthz", 200),
        ("GET", "/v1/models", 200),
    ],
)
def test_the_routes(server: LocalServer, method: str, path: str, status: int) -> None:
    """What is there, and the service's words for what is not."""
    url = server.base_url.removesuffix("/v1") + path
    reply = requests.request(method, url, timeout=30)
    assert reply.status_code == status
    if status >= 400:
        assert path in reply.json()["error"]["message"]


def test_an_upgrade_of_another_path_is_a_404(server: LocalServer) -> None:
    """With a body that says so."""
    assert status_of_upgrade(server, "/nothing") == 404


def test_with_keys_others_are_unauthorized() -> None:
    """On every route and on the upgrade; only the health check is open."""
    with LocalServer(api_keys=("right",)) as server:
        good, bad = ({"Authorization": f"Bearer {key}"} for key in ("right", "wrong"))
        assert [post(server, headers=h).status_code for h in (good, bad, {})] == [200, 401, 401]
        assert status_of_upgrade(server, **bad) == status_of_upgrade(server) == 401
        health = server.base_url.removesuffix("/v1") + "/healthz"
        assert requests.get(health, timeout=30).status_code == 200


def test_a_foreign_page_is_refused_everywhere(server: LocalServer) -> None:
    """Before any route runs, and before the upgrade."""
    origin = {"Origin": "http://example.com"}
    assert post(server, headers=origin).status_code == 403
    assert status_of_upgrade(server, **origin) == 403


def test_a_foreign_host_is_refused(server: LocalServer) -> None:
    """A name that was rebound to loopback gets nothing."""
    assert post(server, headers={"Host": "example.com"}).status_code == 421
