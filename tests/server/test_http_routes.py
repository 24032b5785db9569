"""What every route answers to the wrong method, path or body, and when the server stops."""

from __future__ import annotations

import json

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from pyresponses_ws.server.engines.base import Director
from pyresponses_ws.testing import LocalServer
from tests.server.engines_for_tests import HangingEngine

STORED = "/v1/responses/resp_1"
ROUTES = {
    "/v1/responses": "POST",
    "/v1/responses/compact": "POST",
    STORED: "DELETE, GET",
    f"{STORED}/cancel": "POST",
    f"{STORED}/input_items": "GET",
    "/v1/models": "GET",
    "/healthz": "GET, HEAD",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
JSON_HEADERS = {"content-type": "application/json"}


def ask(server: LocalServer, method: str, path: str, body: object = b"") -> requests.Response:
    """Send a request with JSON, whatever its method."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = server.base_url.removesuffix("/v1") + path
    return requests.request(
        method, url, data=data, headers=JSON_HEADERS, timeout=30, allow_redirects=False
    )


@pytest.mark.parametrize("path", ROUTES)
def test_other_methods_are_told_which_are_allowed(server: LocalServer, path: str) -> None:
    """A 405 in the usual envelope, with Allow; ``compact`` is an id too where ids are read."""
    allowed = ROUTES[path].split(", ")
    wrong = set(METHODS) - set(allowed)
    if path.endswith("/compact"):
        wrong -= {"GET", "DELETE"}
    for method in wrong:
        reply = ask(server, method, path)
        assert (reply.status_code, reply.headers["allow"]) == (405, ROUTES[path])
        if method != "HEAD":
            message = reply.json()["error"]["message"]
            assert message == f"Invalid method for URL ({method} {path})"


@pytest.mark.parametrize("path", ["/v1/responses/", f"{STORED}/", f"{STORED}/x", "/v1", "/"])
def test_an_unknown_path_is_a_404(server: LocalServer, path: str) -> None:
    """Without a redirect to one that is nearly the same."""
    reply = ask(server, "GET", path)
    assert reply.status_code == 404
    assert reply.json()["error"]["message"] == f"Invalid URL (GET {path})"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/responses/compact", f"{STORED}/cancel"])
def test_every_post_needs_json(server: LocalServer, path: str) -> None:
    """A web page could send any other unasked."""
    url = server.base_url.removesuffix("/v1") + path
    reply = requests.post(url, b"{}", headers={"content-type": "text/plain"}, timeout=30)
    assert reply.status_code == 415


def test_text_without_utf8_comes_back(server: LocalServer) -> None:
    """Half of a surrogate pair, in a Response, in an error, and in events."""
    half = "\ud800"
    good = {"model": half, "input": half}
    assert ask(server, "POST", "/v1/responses", good).json()["model"] == half
    assert ask(server, "POST", "/v1/responses", {**good, "stream": True}).status_code == 200
    bad = ask(server, "POST", "/v1/responses", {**good, "truncation": half})
    assert (bad.status_code, half in bad.json()["error"]["message"]) == (400, True)


PATHS = st.lists(
    st.sampled_from(["v1", "responses", "compact", "cancel", "input_items", "resp_1", "%2e%2e"])
    | st.text(st.sampled_from("/?&=%0aZ.é#"), max_size=6),
    max_size=5,
).map(lambda parts: "/" + "/".join(parts))
QUERIES = st.dictionaries(
    st.sampled_from(["limit", "order", "after", "stream", "include", "x"]),
    st.text(max_size=4),
    max_size=3,
)
BODIES = st.binary(max_size=20) | st.dictionaries(
    st.sampled_from(["model", "input", "stream", "store", "previous_response_id", "tools"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just([{}]),
    max_size=4,
)


@given(st.sampled_from(METHODS), PATHS, QUERIES, BODIES)
@settings(max_examples=150, deadline=None)
def test_no_request_breaks_a_route(
    server: LocalServer, method: str, path: str, query: dict[str, str], body: object
) -> None:
    """Whatever is asked, the answer is not a 5xx, and an error is in the envelope."""
    with requests.Session() as session:
        url = server.base_url.removesuffix("/v1") + path
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = requests.Request(method, url, JSON_HEADERS, data=data, params=query)
        reply = session.send(request.prepare(), timeout=30, allow_redirects=False)
    assert reply.status_code < 500
    if reply.status_code >= 400 and method != "HEAD":
        assert reply.json()["error"]["message"]


class _BrokenDirector(HangingEngine):
    """Breaks before a turn starts."""

    def direct(self, request: object) -> None:
        raise RuntimeError("broken")


def test_a_route_that_breaks_answers_in_the_envelope() -> None:
    """A 500 with the words of the service, and nothing of the exception."""
    engine = _BrokenDirector()
    assert isinstance(engine, Director)
    with LocalServer(engine) as server:
        reply = ask(server, "POST", "/v1/responses", {"model": "m", "input": "hi"})
    assert reply.status_code == 500
    assert reply.json()["error"]["code"] == "server_error"
    assert "broken" not in reply.text
