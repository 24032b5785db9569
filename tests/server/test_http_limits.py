"""Creates over HTTP that the server refuses, and what it promises about those that it took."""

from __future__ import annotations

import json

import requests

from pyresponses_ws.server.app import ServerApp
from pyresponses_ws.server.config import ServerConfig
from pyresponses_ws.server.engines.echo import EchoEngine
from pyresponses_ws.testing import LocalServer
from tests.server.engines_for_tests import HangingEngine
from tests.support.asgi import ask

CREATE = {"model": "m", "input": "hi"}


def test_an_owner_that_creates_too_fast_waits() -> None:
    """A 429 that says how long; other owners and other requests do not count."""
    with LocalServer(requests_per_second=0.001) as server:
        url, mine = f"{server.base_url}/responses", {"Authorization": "Bearer mine"}
        replies = [requests.post(url, json=CREATE, headers=mine, timeout=30) for _ in range(2)]
        assert [reply.status_code for reply in replies] == [200, 429]
        assert replies[1].json()["error"]["code"] == "rate_limit_exceeded"
        assert 900 < int(replies[1].headers["retry-after"]) <= 1_000
        made = requests.get(f"{url}/{replies[0].json()['id']}", headers=mine, timeout=30)
        assert made.status_code == 200
        assert requests.post(url, json=CREATE, timeout=30).status_code == 200


def test_no_create_starts_once_they_are_refused() -> None:
    """A 503 in the envelope; what was stored can still be read."""
    app = ServerApp(EchoEngine(), ServerConfig())
    stored = json.loads(ask(app, "POST", "/v1/responses", CREATE).body)
    app.refuse_creates()
    reply = ask(app, "POST", "/v1/responses", CREATE)
    assert reply.status == 503
    assert json.loads(reply.body)["error"] == {
        "type": "server_error",
        "code": "server_is_overloaded",
        "message": "The server is shutting down.",
        "param": None,
    }
    assert ask(app, "GET", f"/v1/responses/{stored['id']}").status == 200


def test_a_running_create_makes_the_server_busy() -> None:
    """Until its client has the answer or is gone."""
    engine = HangingEngine()
    app = ServerApp(engine, ServerConfig())
    seen = [app.is_busy]

    def leave() -> None:
        assert engine.started.wait(10)
        seen.append(app.is_busy)

    reply = ask(app, "POST", "/v1/responses", CREATE, leaves=leave)
    assert (reply.status, reply.body) == (499, b"")
    assert [*seen, app.is_busy] == [False, True, False]
    assert engine.cancelled.wait(10)


def test_a_response_is_stored_before_its_last_event(server: LocalServer) -> None:
    """Whoever reads that it is complete can ask for it at once."""
    url = f"{server.base_url}/responses"
    with requests.post(url, json={**CREATE, "stream": True}, stream=True, timeout=30) as reply:
        lines = (line for line in reply.iter_lines() if line.startswith(b"data: "))
        events = (json.loads(line[len(b"data: ") :]) for line in lines)
        last = next(event for event in events if event["type"] == "response.completed")
        found = requests.get(f"{url}/{last['response']['id']}", timeout=30)
    assert found.json() == last["response"]
