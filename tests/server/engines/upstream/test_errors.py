"""What an upstream's failures become: its own words and status, unless they are about our key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyresponses_ws.errors import (
    APIError,
    BadRequestError,
    ConnectError,
    RateLimitError,
    ServerError,
)
from pyresponses_ws.proxies import parse_proxy
from pyresponses_ws.server.engines.upstream.errors import (
    Refusal,
    Upstream,
    edit_texts,
    from_event,
    from_refusal,
    unreachable,
)

UPSTREAM = Upstream(address="up.test:8000")
OURS = "--engine upstream:URL"


def refuse(status: int, body: Any = None, *, target: str | None = None, **headers: str) -> APIError:
    """Make the error of an answer; a string is a body that is no JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    refusal = Refusal(status=status, headers=headers, text=text, target=target)
    return from_refusal(refusal, UPSTREAM)


def test_a_refusal_keeps_all_that_it_says() -> None:
    """Status, code, type, parameter and message; the message stays as it was."""
    told = {"message": "Too long.", "code": "context_length_exceeded", "param": "input"}
    error = refuse(400, {"error": {**told, "type": "invalid_request_error"}})
    assert isinstance(error, BadRequestError)
    assert (str(error), error.status, error.code) == ("Too long.", 400, "context_length_exceeded")
    assert (error.param, error.type) == ("input", "invalid_request_error")


def test_the_time_to_wait_is_passed_on() -> None:
    """A client may retry by it."""
    body = {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}
    error = refuse(429, body, **{"retry-after": "7"})
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 7


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, "rate_limit_error"), (500, "server_error"), (503, "server_error"), (400, None)],
)
@pytest.mark.parametrize("body", [{"error": {"message": "No."}}, "busy"])
def test_a_fault_of_the_upstream_is_none_of_the_request(
    status: int, kind: str | None, body: Any
) -> None:
    """A type that it does not tell is that of its status; without one it is the request's."""
    assert refuse(status, body).type == kind
    assert refuse(status, {"error": {"message": "No.", "type": "own"}}).type == "own"


def test_a_refused_key_is_this_servers_fault() -> None:
    """The client's key is another one, and may be good."""
    error = refuse(401, {"error": {"message": "Incorrect key", "code": "invalid_api_key"}})
    assert isinstance(error, ServerError)
    assert error.status == 502
    assert "PYRESPONSES_WS_UPSTREAM_API_KEY" in str(error)


def test_what_is_forbidden_may_be_more_than_the_key() -> None:
    """The client can do nothing about any of it, and is told what it may be."""
    error = refuse(403, {"error": {"message": "Country not supported"}})
    assert error.status == 502
    assert all(word in str(error) for word in ("HTTP 403", "key", "model", "region", "policy"))


@pytest.mark.parametrize("proxy", [None, "http://me:hunter2@proxy.test:3128"])
def test_a_proxy_that_wants_a_password_is_named(proxy: str | None) -> None:
    """Without the one that it was told; the key of the upstream has nothing to do with it."""
    between = None if proxy is None else parse_proxy(proxy, option="HTTPS_PROXY")
    upstream = Upstream(address="up.test", proxy=between)
    refusal = Refusal(status=407, headers={}, text="me:hunter2")
    tunnel = ConnectError("me:hunter2", stage="proxy", status=407)
    for error in (from_refusal(refusal, upstream), unreachable(tunnel, upstream)):
        assert error.status == 502
        assert "KEY" not in str(error)
        assert "hunter2" not in f"{error} {vars(error)}"
        assert ("http://proxy.test:3128" in str(error)) == (proxy is not None)


@pytest.mark.parametrize(
    "body",
    [
        None,
        "404 page not found",
        "<html>Not Found</html>",
        {"detail": "Not Found"},
        {"status": 404, "error": "Not Found", "path": "/v1/responses"},
        {"message": "no Route matched with those values"},
        {"error": {"message": "File Not Found", "code": 404, "type": "not_found_error"}},
        {"error": {"message": "Invalid URL (POST /v1/responses)", "code": None}},
    ],
)
@pytest.mark.parametrize("status", [404, 405])
def test_a_route_that_is_not_there_is_this_servers_fault(status: int, body: Any) -> None:
    """As gateways and frameworks answer; whoever runs the server has to look at its option."""
    error = refuse(status, body)
    assert error.status == 502
    assert f"The upstream up.test:8000 answered with HTTP {status}" in str(error)
    assert "No Responses API is there" in str(error)
    assert OURS in str(error)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "No such model.", "code": "model_not_found"}},
        {"error": {"message": "Not found", "code": "model_not_found"}},
        {"error": "model any not found"},
        {"object": "error", "message": "The model `any` does not exist.", "code": 404},
    ],
)
def test_a_model_that_is_not_there_is_the_requests_fault(body: dict[str, Any]) -> None:
    """An API tells it, in one of the three forms; the message passes."""
    error = refuse(404, body)
    assert error.status == 404
    told = body.get("error", body)
    assert str(error) == (told if isinstance(told, str) else told["message"])


@pytest.mark.parametrize("status", [301, 400, 403, 404, 413, 418, 429, 503])
def test_advice_is_for_whoever_runs_the_server(status: int) -> None:
    """The client has no option that would help."""
    for body in ("<html>", "", {"message": 5}):
        assert "base_url" not in str(refuse(status, body))


def test_a_redirect_says_where_to() -> None:
    """Its host, so that the option can be set to it."""
    error = refuse(308, "", target="new.test")
    assert error.status == 502
    assert "(here to new.test)" in str(error)
    assert OURS in str(error)


def test_a_page_is_said_to_be_one() -> None:
    """Text is told on one line."""
    assert "HTTP 503: a web page. It or a proxy" in str(refuse(503, " <html>busy</html>"))
    assert "HTTP 503: try later. It or" in str(refuse(503, "try\n\x00later."))
    assert "HTTP 503. It or" in str(refuse(503, "{"))


def test_the_details_of_fastapi_are_told() -> None:
    """As text, or as the list of what is wrong with a request."""
    body = {"detail": "Unexpected fields in the request: {'x'}"}
    assert str(refuse(422, body)) == body["detail"]
    found = {"detail": [{"loc": ["body", "input"], "msg": "Field required"}]}
    assert "Field required" in str(refuse(422, found))


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": 500, "message": "It broke."},
        {"type": "error", "error": {"type": "server_error", "code": None, "message": "It broke."}},
        {"type": "error", "error": "It broke."},
        {"type": "response.failed", "response": {"error": {"code": "500", "message": "It broke."}}},
    ],
)
def test_every_shape_of_an_event_is_read(event: dict[str, Any]) -> None:
    """A code that is only a status is none."""
    error = from_event(event)
    assert (str(error), error.code) == ("It broke.", None)


def test_a_key_that_is_refused_in_an_event_is_this_servers_fault_too() -> None:
    """Some servers check it late."""
    assert "this server's key" in str(from_event({"type": "error", "code": "invalid_api_key"}))


def test_what_fails_behind_the_head_is_no_fault_of_the_request() -> None:
    """Unless it says so itself."""
    kinds = [from_event({"error": {"message": "x", "code": code}}).type for code in (None, 429)]
    assert kinds == ["server_error", "rate_limit_error"]
    told = {"message": "x", "type": "invalid_request_error"}
    assert from_event({"error": told}).type == "invalid_request_error"
    assert from_event({"error": {"message": "x", "code": "invalid_prompt"}}).type is None


def test_every_text_of_an_error_can_be_edited() -> None:
    """Nothing of what the upstream said is left as it was."""
    told = {"message": "key s3cret", "code": "s3cret", "type": "s3cret", "param": "s3cret"}
    error = edit_texts(refuse(400, {"error": told}), lambda text: text.replace("s3cret", "*"))
    assert "s3cret" not in f"{error} {vars(error)}"
    assert str(error) == "key *"


def test_a_message_is_cut() -> None:
    """An upstream cannot make megabytes of an error."""
    assert len(str(from_event({"type": "error", "message": "x" * 10_000}))) < 2_100
