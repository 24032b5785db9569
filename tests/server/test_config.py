"""Options of the server."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.config import OptionError, ServerConfig, is_loopback


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"port": 70_000}, "port must be between 0 and 65535, not 70000"),
        ({"port": "80"}, "port must"),
        ({"max_turns": 0}, "max_turns must be a whole number of at least 1, not 0"),
        ({"max_turns": True}, "max_turns must"),
        ({"max_connections": 1.5}, "max_connections must"),
        ({"max_header_bytes": 100}, "max_header_bytes must be a whole number of at least 1024"),
        ({"connection_minutes": math.nan}, "connection_minutes must be a number above 0, not nan"),
        ({"connection_minutes": None}, "connection_minutes must"),
        ({"requests_per_second": 0}, "requests_per_second must"),
        ({"ping_interval": math.inf}, "ping_interval must"),
        ({"grace": -1}, "grace must be 0 seconds or more, not -1"),
        ({"allowed_hosts": ("box.lan:80",)}, "allowed_hosts takes names without scheme and port"),
        ({"cors_origins": ("*",)}, "cors_origins takes origins like"),
        ({"cors_origins": ("null",)}, "cors_origins takes"),
        ({"host": "0.0.0.0"}, r"host 0\.0\.0\.0 can be reached by others: give api_keys"),
        ({"host": ""}, "all addresses"),
        ({"ssl_keyfile": "key.pem"}, "ssl_keyfile needs ssl_certfile"),
    ],
)
def test_options_that_cannot_work_are_named(options: dict[str, Any], part: str) -> None:
    """Each is a ConfigError that says what is wrong."""
    with pytest.raises(ConfigError, match=part):
        ServerConfig(**options)


@pytest.mark.parametrize("key", ["", "two words", "a,b", "schl\u00fcssel", "line\n"])
def test_a_key_that_no_header_could_carry_is_refused_unquoted(key: str) -> None:
    """A secret that was mistyped must not end in a log."""
    with pytest.raises(ConfigError) as caught:
        ServerConfig(api_keys=("good", key))
    assert not key or key not in str(caught.value)


def test_an_option_is_told_by_any_name_and_a_value_by_its_own() -> None:
    """Values may look like options, and like a template; and the error pickles."""
    with pytest.raises(OptionError) as caught:
        ServerConfig(host="api_keys{option}")
    error = pickle.loads(pickle.dumps(caught.value))
    rest = "api_keys{option} can be reached by others: give"
    assert str(error).startswith(f"host {rest} api_keys, or")
    told = error.tell({"host": "--host", "api_keys": "--api-key"})
    assert told.startswith(f"--host {rest} --api-key, or")


def test_a_rate_and_a_grace_may_be_left_out() -> None:
    """None is no limit; no grace is an end at once."""
    config = ServerConfig(requests_per_second=None, grace=0)
    assert (config.requests_per_second, config.grace) == (None, 0)


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
