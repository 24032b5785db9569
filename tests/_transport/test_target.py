"""Whom a socket is for, and the words for what fails on the way."""

from __future__ import annotations

import ssl

import pytest

from pyresponses_ws._transport.target import Target, as_connect_error
from pyresponses_ws.errors import ConfigError, ConnectError
from pyresponses_ws.proxies import parse_proxy

SERVER = Target(host="api.test", port=443, server_hostname="api.test")
PROXY = Target.of_proxy(parse_proxy("http://me:word@[::1]:3128", option="HTTPS_PROXY"))


def told(target: Target, stage: str, exc: Exception) -> ConnectError:
    """Return what an exception of this stage becomes."""
    with pytest.raises(ConnectError) as caught, as_connect_error(target, stage):
        raise exc
    assert caught.value.__cause__ is exc
    return caught.value


def test_target_is_written_as_in_a_url() -> None:
    """A proxy is called one, and an address of version 6 stands in brackets."""
    assert str(SERVER) == "api.test:443"
    assert str(PROXY) == "the proxy [::1]:3128"
    assert PROXY.authority == "[::1]:3128"


@pytest.mark.parametrize("stage", ["dns", "tcp", "tls"])
def test_stage_is_kept_for_the_server_and_is_proxy_for_a_proxy(stage: str) -> None:
    """Whoever reads it knows which of the two was not reached."""
    assert told(SERVER, stage, OSError("no")).stage == stage
    assert told(PROXY, stage, OSError("no")).stage == "proxy"


@pytest.mark.parametrize(
    ("exc", "words"),
    [
        (OSError("unreachable"), "unreachable. Check host and port of"),
        (OSError(), "failed: OSError. Check host"),
        (UnicodeError("label too long"), "label too long"),
        (TimeoutError("timed out"), "took longer than the connect timeout allows"),
        (ssl.SSLError(1, "bad"), "Check host and port of"),
    ],
)
def test_failure_names_whom_and_what_to_check(exc: Exception, words: str) -> None:
    """The option for the server, the variable for a proxy that came from one."""
    for target, source in ((SERVER, "base_url"), (PROXY, "HTTPS_PROXY")):
        text = str(told(target, "tcp", exc))
        assert text.startswith(f"connecting to {target}")
        assert words in text
        assert source in text or isinstance(exc, TimeoutError)


def test_error_of_the_options_comes_out_as_it_is() -> None:
    """It is a ValueError as well, and must not be taken for a name that no encoding takes."""
    with pytest.raises(ConfigError, match=r"^as it is$"), as_connect_error(SERVER, "dns"):
        raise ConfigError("as it is")
