"""Bad input: one clear error of our tree, in time, with the thing, the fix, and no key in it."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws import ResponsesClient
from pyresponses_ws.errors import (
    ConfigError,
    RequestTooLargeError,
    UsageError,
)
from tests.support.responses_peer import KEY, ResponsesPeer, error_of

TURN: dict[str, Any] = {"model": "m", "input": "hello"}
LOOPBACK = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


# --- options ------------------------------------------------------------------------------------


def test_no_key_names_option_and_variable() -> None:
    """Neither given nor in the environment."""
    error = error_of(lambda: ResponsesClient())
    assert isinstance(error, ConfigError)
    assert "api_key=" in str(error)
    assert "OPENAI_API_KEY" in str(error)


@pytest.mark.parametrize("key", ["", "   "])
def test_an_empty_key_is_no_key(key: str) -> None:
    """An empty variable in a deployment is the usual way to have none."""
    assert "no API key" in str(error_of(lambda: ResponsesClient(key)))


@pytest.mark.parametrize("tail", ["\n", "\r\nX-Evil: 1", "\0", "\x7f", "é", "€"])
def test_a_key_that_no_header_carries_is_refused(tail: str) -> None:
    """A newline that was copied along is named by place, and the key is not shown."""
    error = error_of(lambda: ResponsesClient(KEY + tail))
    assert isinstance(error, ConfigError)
    assert f"position {len(KEY)}" in str(error)


def test_a_key_of_another_type_is_refused() -> None:
    """Bytes are no key."""
    assert "must be a string" in str(error_of(lambda: ResponsesClient(KEY.encode())))


def test_a_rotating_key_is_checked_when_it_is_asked() -> None:
    """A callable may return nonsense; the turn ends with the same error as the option."""
    with ResponsesClient(lambda: KEY + "\n", base_url=LOOPBACK) as client:
        error = error_of(lambda: client.create(**TURN))
    assert isinstance(error, ConfigError)
    assert f"position {len(KEY)}" in str(error)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("https://", "host"),
        ("https:///v1", "host"),
        ("ftp://example.com/v1", "not ftp"),
        ("example.com/v1", "no scheme"),
        ("", "no scheme"),
        ("https://example.com:port/v1", "not a URL"),
        ("https://[::1/v1", "not a URL"),
        (f"https://user:{KEY}@example.com/v1", "api_key="),
        ("http://example.com/v1", "allow_insecure=True"),
        ("ws://10.0.0.1/v1", "allow_insecure=True"),
    ],
)
def test_a_bad_url_is_refused_with_its_name(url: str, word: str) -> None:
    """The option is named, and what is wrong with it."""
    error = error_of(lambda: ResponsesClient(KEY, websocket_base_url=url))
    assert isinstance(error, ConfigError)
    assert word in str(error)


@pytest.mark.parametrize("url", ["https://", "ftp://example.com/v1"])
def test_a_bad_url_of_the_environment_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is checked like the option."""
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert "base_url" in str(error_of(lambda: ResponsesClient(KEY)))


def test_an_unknown_option_is_named_beside_the_known_ones() -> None:
    """A slip of the pen does not pass silently."""
    error = error_of(lambda: ResponsesClient(KEY, time_outs=3))
    assert isinstance(error, ConfigError)
    assert "'time_outs'" in str(error)
    assert "timeouts" in str(error)


@pytest.mark.parametrize(
    "options",
    [
        {"timeouts": 3},
        {"replay": "always"},
        {"retry_delays": (1, -1)},
        {"retry_delays": ("soon",)},
        {"retry_delays": 5},
        {"headers": {"X-A": "b\r\nX-Evil: 1"}},
        {"headers": {"X-A\n": "b"}},
        {"headers": {"X-A": 7}},
        {"headers": "X-A: b"},
        {"query": 5},
        {"organization": "a\nb"},
        {"organization": 5},
        {"max_request_bytes": 0},
        {"max_request_bytes": "many"},
        {"hooks": print},
        {"ca_bundle": "/nowhere/ca.pem"},
        {"client_cert": "/nowhere/cert.pem"},
        {"client_cert": 5},
        {"ssl_context": "yes"},
        {"transport_factory": "websocket"},
        {"base_url": 5},
    ],
    ids=str,
)
def test_a_bad_option_is_a_config_error(options: dict[str, Any]) -> None:
    """At construction, and never as an error of Python's own; the option is named."""
    error = error_of(lambda: ResponsesClient(KEY, **{"base_url": LOOPBACK, **options}))
    assert isinstance(error, ConfigError)
    name = next(iter(options))
    assert name in str(error) or "header" in str(error)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "soon", True])
def test_a_bad_timeout_of_a_turn_is_a_config_error(timeout: Any) -> None:
    """Nothing is sent, and nothing connects."""
    with ResponsesClient(KEY, base_url=LOOPBACK) as client:
        error = error_of(lambda: client.create(**TURN, timeout=timeout))
    assert isinstance(error, ConfigError)
    assert "timeout" in str(error)


# --- requests -----------------------------------------------------------------------------------


class _Opaque:
    """What no JSON can say."""


@pytest.mark.parametrize(
    ("turn", "path"),
    [
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"input": [{"role": "user", "content": "\ud83d"}]}, "input[0].content"),
        ({"metadata": {"tags": {"a", "b"}}}, "metadata.tags"),
        ({"input": [{"role": "user", "content": b"raw"}]}, "input[0].content"),
        ({"metadata": {1: "x"}}, "metadata"),
        ({"tools": [{"type": "function", "parameters": _Opaque()}]}, "tools[0].parameters"),
        ({"extra_body": {"deep": [[float("nan")]]}}, "deep[0][0]"),
    ],
    ids=["nan", "inf", "surrogate", "set", "bytes", "int-key", "object", "extra"],
)
def test_a_request_that_is_no_json_names_the_path(turn: dict[str, Any], path: str) -> None:
    """Before anything is sent, and before anything connects."""
    with ResponsesPeer() as peer, peer.client() as client:
        error = error_of(lambda: client.create(**{**TURN, **turn}))
        assert isinstance(error, UsageError)
        assert path in str(error)
        assert peer.connections == 0


def test_a_request_that_holds_itself_is_refused() -> None:
    """A circle has no JSON, and no end."""
    loop: list[Any] = []
    loop.append(loop)
    with ResponsesClient(KEY, base_url=LOOPBACK) as client:
        assert isinstance(error_of(lambda: client.create(model="m", input=loop)), UsageError)


@pytest.mark.parametrize(
    ("turn", "word"),
    [
        ({"model": ""}, "model is empty"),
        ({"background": True}, "background"),
        ({"stream_id": "a"}, "lane"),
        ({"extra_body": 5}, "extra_body"),
    ],
)
def test_a_bad_turn_says_what_to_do(turn: dict[str, Any], word: str) -> None:
    """Nothing connects for a turn that cannot be."""
    with ResponsesPeer() as peer, peer.client() as client:
        assert word in str(error_of(lambda: client.create(**{**TURN, **turn})))
        assert peer.connections == 0


def test_a_request_too_large_is_refused_here() -> None:
    """The service would close the link; nothing is sent."""
    with ResponsesPeer() as peer, peer.client(max_request_bytes=100) as client:
        error = error_of(lambda: client.create(model="m", input="x" * 200))
        assert isinstance(error, RequestTooLargeError)
        assert "max_request_bytes (100)" in str(error)
        assert peer.connections == 0
