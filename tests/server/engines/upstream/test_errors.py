"""What an upstream's failures become: its own words and status, unless they are about our key."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.errors import BadRequestError, RateLimitError, ServerError
from pyresponses_ws.server.engines.upstream.errors import edit_texts, from_event, from_refusal


def refusal(status: int, body: dict[str, Any] | None, **headers: str) -> dict[str, Any]:
    """Write an answer as the transport does."""
    error = (body or {}).get("error", body or {"message": "words of the transport"})
    return {"type": "error", "status": status, "error": error, "headers": headers}


def test_a_refusal_keeps_all_that_it_says() -> None:
    """Status, code, type, parameter and message; the message stays as it was."""
    told = {"message": "Too long.", "code": "context_length_exceeded", "param": "input"}
    body = {"error": {**told, "type": "invalid_request_error"}}
    error = from_refusal(refusal(400, body), body)
    assert isinstance(error, BadRequestError)
    assert (str(error), error.status, error.code) == ("Too long.", 400, "context_length_exceeded")
    assert (error.param, error.type) == ("input", "invalid_request_error")


def test_the_time_to_wait_is_passed_on() -> None:
    """A client may retry by it."""
    body = {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}
    error = from_refusal(refusal(429, body, **{"retry-after": "7"}), body)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 7


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_refused_key_is_this_servers_fault(status: int) -> None:
    """The client's key is another one, and may be good."""
    body = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
    error = from_refusal(refusal(status, body), body)
    assert isinstance(error, ServerError)
    assert error.status == 502
    assert "PYRESPONSES_WS_UPSTREAM_API_KEY" in str(error)


@pytest.mark.parametrize("status", [302, 404, 405])
def test_a_route_that_is_not_there_is_this_servers_fault(status: int) -> None:
    """FastAPI and gateways answer so; a model that is not there is told by the API."""
    assert from_refusal(refusal(status, None), None).status == 502
    body = {"error": {"message": "No such model.", "code": "model_not_found"}}
    assert from_refusal(refusal(404, body), body).status == 404


def test_the_details_of_fastapi_are_told() -> None:
    """As text, or as the list of what is wrong with a request."""
    body = {"detail": "Unexpected fields in the request: {'x'}"}
    assert str(from_refusal(refusal(422, body), body)) == body["detail"]
    found = {"detail": [{"loc": ["body", "input"], "msg": "Field required"}]}
    assert "Field required" in str(from_refusal(refusal(422, None), found))


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


def test_every_text_of_an_error_can_be_edited() -> None:
    """Nothing of what the upstream said is left as it was."""
    body = {
        "error": {"message": "key s3cret", "code": "s3cret", "type": "s3cret", "param": "s3cret"}
    }
    error = edit_texts(
        from_refusal(refusal(400, body), body), lambda text: text.replace("s3cret", "*")
    )
    assert "s3cret" not in f"{error} {vars(error)}"
    assert str(error) == "key *"


def test_a_message_is_cut() -> None:
    """An upstream cannot make megabytes of an error."""
    assert len(str(from_event({"type": "error", "message": "x" * 10_000}))) < 2_100
