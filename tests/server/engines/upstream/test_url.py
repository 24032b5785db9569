"""Where an upstream is: what a client would take for its base URL."""

from __future__ import annotations

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.engines.upstream.url import read_url


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://host.test/api/v2", "https://host.test/api/v2"),
        ("https://host.test/v1/responses", "https://host.test/v1"),
        ("https://host.test/responses/", "https://host.test"),
        (" https://host.test/v1 ", "https://host.test/v1"),
    ],
)
def test_the_base_is_what_a_client_would_take(url: str, base: str) -> None:
    """A bare host gets ``/v1``, and the route itself may be given."""
    assert read_url(url, has_key=False)[0] == base


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("host.test/v1", "must start with http:// or https://$"),
        ("hunter2:8000/v1", "must start with http:// or https://$"),
        ("ws://host.test/v1", "must start with http:// or https://, not ws://"),
        ("wss://host.test/v1", "must start with http:// or https://, not wss://"),
        ("http://", "has no host"),
        ("http://host.test:99999", "host and port"),
        ("http://me:hunter2@host.test/v1", "PYRESPONSES_WS_UPSTREAM_API_KEY"),
        ("http://hunter2@host.test/v1", "user name or password"),
        ("http://@host.test/v1", "user name or password"),
        ("http://host.test/v1?key=hunter2", "no query"),
        ("http://host.test/v1#hunter2", "no fragment"),
    ],
)
def test_what_cannot_be_asked_is_refused_without_repeating_a_secret(url: str, words: str) -> None:
    """The error names the problem, and options of this server alone."""
    with pytest.raises(ConfigError, match=words) as caught:
        read_url(url, has_key=False)
    told = repr(caught.value)
    assert "--engine upstream:URL" in told
    assert not any(word in told for word in ("hunter2", "api_key=", "or ws://", "base_url"))


def test_a_key_does_not_travel_in_clear_to_another_machine() -> None:
    """Without a key, or to this one, it may be http."""
    with pytest.raises(ConfigError, match=r"in clear to host\.test"):
        read_url("http://host.test/v1", has_key=True)
    assert read_url("http://host.test/v1", has_key=False)[1] == "host.test"
    assert read_url("http://localhost:1/v1", has_key=True)[1] == "localhost:1"
