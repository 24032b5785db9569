"""Options of the server."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.config import ServerConfig, is_loopback


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"port": 70_000}, "port 70000"),
        ({"max_turns": 0}, "max_turns"),
        ({"api_keys": ("",)}, "empty"),
        ({"host": "0.0.0.0"}, "needs API keys"),
        ({"ssl_keyfile": "key.pem"}, "ssl_certfile"),
    ],
)
def test_options_that_cannot_work_are_named(options: dict[str, Any], part: str) -> None:
    """Each is a ConfigError that says what is wrong."""
    with pytest.raises(ConfigError, match=part):
        ServerConfig(**options)


def test_a_public_address_works_with_keys() -> None:
    """Then only those who know one are let in."""
    assert ServerConfig(host="0.0.0.0", api_keys=("k",)).host == "0.0.0.0"


def test_keys_stay_out_of_the_repr() -> None:
    """A logged configuration tells no secret."""
    assert "hush" not in repr(ServerConfig(api_keys=("hush",)))


def test_loopback_is_known_by_name_and_by_address() -> None:
    """IPv4, IPv6 and localhost stay here; the rest does not."""
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "10.0.0.1", "example.com", "")))
