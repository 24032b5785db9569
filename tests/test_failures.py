"""One reading of every error shape that is on the wire."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.codec import decode_event, decode_response
from pyresponses_ws.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConnectionLimitError,
    NotFoundError,
    PermissionDeniedError,
    PreviousResponseNotFoundError,
    RateLimitError,
    ServerError,
)
from pyresponses_ws.failures import ErrorDetails, normalize_error, to_error

FACTS = {"type": "invalid_request_error", "code": "bad", "message": "No.", "param": "model"}


def facts_of(details: ErrorDetails) -> dict[str, Any]:
    return {name: getattr(details, name) for name in FACTS}


@pytest.mark.parametrize(
    "source",
    [
        {"type": "error", "status": 400, "error": FACTS},
        {"type": "error", "status_code": 400, "error": FACTS},
        {"type": "error", "error": {**FACTS, "status": "400"}},
        {"status": 400, "error": {"error": FACTS}},
        {"type": "response.failed", "response": {"status": "failed", "output": [], "error": FACTS}},
        FACTS,
    ],
)
def test_every_shape_gives_the_same_facts(source: dict[str, Any]) -> None:
    """Nested, nested twice, in a failed response, or bare."""
    details = normalize_error(source)
    assert facts_of(details) == FACTS
    assert details.implied_status == 400


def test_errors_in_errors_are_unwrapped_as_far_as_anybody_nests_them() -> None:
    """A hostile depth does not matter."""
    source: dict[str, Any] = {"message": "inner"}
    for _ in range(4):
        source = {"message": "outer", "error": source}
    assert normalize_error(source).message == "inner"
    for _ in range(50):
        source = {"message": "outer", "error": source}
    assert normalize_error(source).message == "outer"


def test_a_flat_event_has_no_type_of_its_own() -> None:
    """Its ``type`` says that it is an event; the documented SSE shape."""
    flat = {"type": "error", "code": "bad", "message": "No.", "param": None, "sequence_number": 3}
    details = normalize_error(flat)
    assert facts_of(details) == {"type": None, "code": "bad", "message": "No.", "param": None}


def test_events_and_responses_are_read_like_their_json() -> None:
    """What the turn holds is typed."""
    event = decode_event({"type": "error", "status": 400, "error": dict(FACTS)})
    assert facts_of(normalize_error(event)) == FACTS
    response = decode_response({"status": "failed", "output": [], "error": dict(FACTS)})
    assert facts_of(normalize_error(response)) == FACTS
    failed = decode_event({"type": "response.failed", "response": {"error": dict(FACTS)}})
    assert facts_of(normalize_error(failed)) == FACTS


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"type": "error", "status": 400, "error": {"detail": "Unsupported: x"}}, "Unsupported: x"),
        ({"error": "plain text"}, "plain text"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"msg": "required"}]}, '[{"msg": "required"}]'),
        ("<html>502</html>", "<html>502</html>"),
        ({"error": {"message": {"text": "odd"}}}, '{"text": "odd"}'),
        ({"message": object}, "type"),
    ],
)
def test_other_servers_put_the_message_elsewhere(source: Any, message: str) -> None:
    """The words survive, whatever their place and kind."""
    assert normalize_error(source).message == message


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ({"error": {"code": "odd_code"}}, "(odd_code)"),
        ({"error": {"type": "odd_type"}}, "(odd_type)"),
        ({"type": "response.cancelled", "response": {"status": "cancelled", "output": []}}, "(can"),
        (None, "no message"),
        (7, "7"),
    ],
)
def test_without_a_message_there_is_a_sentence(source: Any, hint: str) -> None:
    """It repeats what the server did say."""
    assert hint in normalize_error(source).message


def test_a_response_without_an_error_is_not_repeated() -> None:
    """It holds prompt and answer, which no error may hold."""
    secret: dict[str, Any] = {
        "status": "failed",
        "output": [],
        "instructions": "secret",
        "error": None,
    }
    details = normalize_error({"type": "response.failed", "response": secret})
    assert "secret" not in repr(details)


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ({"error": {"code": 404, "message": "?"}}, 404, "404"),
        ({"error": {"code": "503", "message": "?"}}, None, "503"),
        ({"error": {"code": 1234, "message": "?"}}, None, "1234"),
        ({"status": True, "error": {"code": False}}, None, None),
        ({"status": "failed", "error": {"code": ""}}, None, None),
        ({"status": 99, "error": {"status_code": 418}}, 418, None),
        ({"status": "²²²"}, None, None),
    ],
)
def test_integer_codes_and_odd_statuses(source: Any, status: int | None, code: str | None) -> None:
    """Some servers send the HTTP status as the code; only real statuses count."""
    details = normalize_error(source)
    assert (details.status, details.code) == (status, code)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"Retry-After": 1.5}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "9", "Retry-After-Ms": "250"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf", "retry-after-ms": "nan"}, None),
        ("nonsense", None),
    ],
)
@pytest.mark.parametrize("is_inside", [True, False])
def test_the_pause_is_read_from_headers(
    headers: Any, seconds: float | None, is_inside: bool
) -> None:
    """In the error or beside it, in any case; what is no number of seconds is none."""
    error: dict[str, Any] = {"message": "?"}
    frame: dict[str, Any] = {"error": error}
    (error if is_inside else frame)["headers"] = headers
    assert normalize_error(frame).retry_after == seconds


def test_the_request_id_may_be_a_header() -> None:
    """Or a field."""
    assert normalize_error({"headers": {"X-Request-ID": "req_1"}}).request_id == "req_1"
    assert normalize_error({"error": {"message": "?", "request_id": "r"}}).request_id == "r"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"status": 400}, BadRequestError),
        ({"status": 422}, BadRequestError),
        ({"status": 413}, BadRequestError),
        ({"status": 401}, AuthenticationError),
        ({"status": 403}, PermissionDeniedError),
        ({"status": 404}, NotFoundError),
        ({"status": 429}, RateLimitError),
        ({"status": 500}, ServerError),
        ({"status": 599}, ServerError),
        ({"code": "rate_limit_exceeded"}, RateLimitError),
        ({"code": "server_is_overloaded"}, ServerError),
        ({"code": "invalid_api_key"}, AuthenticationError),
        ({"error": {"type": "server_error"}}, ServerError),
        ({"error": {"type": "invalid_request_error"}}, BadRequestError),
        ({"code": "websocket_connection_limit_reached", "status": 400}, ConnectionLimitError),
        ({"code": "previous_response_not_found", "status": 404}, PreviousResponseNotFoundError),
        ({"error": {"type": "previous_response_not_found"}}, PreviousResponseNotFoundError),
        (
            {"message": "Previous response with id 'resp_1' not found.", "status": 400},
            PreviousResponseNotFoundError,
        ),
        ({"code": "misalignment_policy_violation"}, APIError),
        ({}, APIError),
    ],
)
def test_the_class_is_chosen_by_code_then_status_then_type(
    source: dict[str, Any], expected: type[APIError]
) -> None:
    """What has no class of its own is an APIError."""
    assert type(to_error(normalize_error(source))) is expected


def test_a_code_of_its_own_beats_words() -> None:
    """A message that happens to say so does not make another error of it."""
    details = normalize_error({"code": "bad", "message": "previous response was not found"})
    assert not details.is_previous_response_lost


def test_the_error_says_what_the_server_said() -> None:
    """All of its message, the code and the status; the facts are attributes; it pickles."""
    message = "Long. " * 1000
    frame = {"status": 429, "error": {**FACTS, "message": message, "headers": {"retry-after": "2"}}}
    error = to_error(normalize_error(frame))
    assert all(part in str(error) for part in (message, "bad", "429"))
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.code, twin.status, twin.param, twin.retry_after) == ("bad", 429, "model", 2.0)
    assert twin.raw == {**FACTS, "message": message}


def test_an_error_without_facts_is_its_message() -> None:
    """No empty brackets."""
    assert str(to_error(normalize_error("Sorry."))) == "Sorry."


def test_no_header_is_in_an_error() -> None:
    """A header may be a secret."""
    headers = {"set-cookie": "secret", "retry-after": "1"}
    frame = {"headers": headers, "error": {"message": "?", "headers": headers}}
    error = to_error(normalize_error(frame))
    assert "secret" not in str(error) + repr(vars(error))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children)
        | st.dictionaries(
            st.sampled_from(
                ["error", "response", "message", "detail", "code", "type", "status", "headers"]
            )
            | st.text(),
            children,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_makes_an_error(source: Any) -> None:
    """It never raises, and the exception pickles."""
    error = to_error(normalize_error(source))
    assert str(pickle.loads(pickle.dumps(error))) == str(error) != ""


@given(JSON)
def test_any_json_makes_an_error_as_an_event(source: Any) -> None:
    """The typed form of a frame is no obstacle."""
    event = decode_event({"type": "error", "error": json.loads(json.dumps(source))})
    assert normalize_error(event).message
