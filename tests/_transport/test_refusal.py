"""What an error says of a refused upgrade."""

from __future__ import annotations

import email.utils
import json
import time

import pytest

from pyresponses_ws._transport.refusal import (
    parse_retry_after,
    redact,
    refusal,
    secrets_of,
)
from pyresponses_ws._transport.upgrade import Answer
from pyresponses_ws.errors import ConnectError


def refuse(status: int, body: bytes = b"", **headers: str) -> ConnectError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal("api.test", Answer(status=status, headers=named, body=body), ["sk-secret"])


def test_error_says_host_status_words_and_fix() -> None:
    """One line tells who refused, what they said, and what to do; the body stays readable."""
    body = {"error": {"message": "Missing bearer.", "type": "invalid_request_error"}}
    error = refuse(401, json.dumps(body).encode())
    assert str(error) == (
        "api.test answered the WebSocket upgrade with HTTP 401: Missing bearer. Check the API key"
    )
    assert (error.status, error.stage, error.body) == (401, "upgrade", body)


@pytest.mark.parametrize("status", [200, 204, 400, 404, 405, 426])
def test_answer_of_plain_http_points_at_base_url(status: int) -> None:
    """A server without this route answers as it would a browser."""
    error = refuse(status, b"<!doctype html><title>Welcome</title>")
    assert f"HTTP {status}: a web page" in str(error)
    assert "This server answers HTTP here, not WebSocket: check base_url" in str(error)
    assert error.body is None


def test_redirect_names_only_the_host_it_points_to() -> None:
    """Its path and query may hold secrets, and nobody goes there."""
    error = refuse(307, location="wss://other.test/path?token=abc")
    assert "Redirects (here to other.test) are not followed" in str(error)
    assert "abc" not in str(error)


@pytest.mark.parametrize("location", ["", "/relative", "http://[broken"])
def test_redirect_to_nowhere_is_still_one(location: str) -> None:
    """A location that names no host is left out."""
    assert "Redirects are not followed" in str(refuse(302, location=location))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"detail": "Unsupported"}}', "Unsupported"),
        (b'{"error": "nope"}', "nope"),
        (b'{"message": "top"}', "top"),
        (b'{"detail": "flat"}', "flat"),
        (b"no healthy\n upstream", "no healthy upstream"),
        (b'{"error": {"message": "a\\nb\\u0000c"}}', "a b c"),
    ],
)
def test_words_are_found_in_every_shape(body: bytes, words: str) -> None:
    """Gateways wrap their message each in its own way."""
    assert f"HTTP 503: {words}." in str(refuse(503, body))


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"error": 5}', b'{"error": null}', b"[" * 99999])
def test_body_without_words_adds_none(body: bytes) -> None:
    """Nothing is quoted that is no message."""
    assert "HTTP 503. The server or a proxy" in str(refuse(503, body))


def test_long_words_are_cut() -> None:
    """An error is no place for a page of text."""
    assert len(str(refuse(500, b"x" * 10_000))) < 400


def test_secret_in_the_answer_is_struck_out() -> None:
    """Servers repeat keys; neither message nor body may."""
    body = b'{"error": {"message": "Incorrect API key provided: sk-secret", "key": "sk-secret"}}'
    error = refuse(401, body)
    assert "Incorrect API key provided: ***" in str(error)
    assert "sk-secret" not in repr((error, error.body, error.__dict__))


def test_secrets_are_header_values_and_parts_of_the_url() -> None:
    """The longest comes first, so that no part of it is left over."""
    secrets = secrets_of(
        "wss://user:password@h/p?api-key=k1234&a=b", {"Authorization": "Bearer sk-1", "X": "ab"}
    )
    assert secrets == ["Bearer sk-1", "password", *sorted(secrets[2:], key=len, reverse=True)]
    assert set(secrets[2:]) == {"k1234", "user", "sk-1"}
    assert redact("Bearer sk-1 and sk-1 and k1234", secrets) == "*** and *** and ***"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "9", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_none(headers: dict[str, str], seconds: float | None) -> None:
    """Numbers, milliseconds and dates become seconds from now; nonsense becomes None."""
    assert parse_retry_after(headers) == seconds


def test_retry_after_of_a_date_counts_from_now() -> None:
    """A date in the future is the wait until then."""
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    seconds = parse_retry_after({"retry-after": date})
    assert seconds == pytest.approx(100, abs=5)
    assert refuse(429, retry_after="7").retry_after == 7
