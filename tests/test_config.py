"""Options, checked once."""

from __future__ import annotations

import math
import ssl
from typing import Any

import pytest

from pyresponses_ws.config import ClientConfig, Hooks, Timeouts, config_from_environment
from pyresponses_ws.errors import ConfigError


def config(**options: Any) -> ClientConfig:
    return config_from_environment({"api_key": "sk-test", **options})


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "BASE_URL", "ORG_ID", "PROJECT_ID"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.openai.com/v1", "wss://api.openai.com/v1/responses"),
        ("https://host/v1/", "wss://host/v1/responses"),
        ("wss://host/v1?api-version=preview", "wss://host/v1/responses?api-version=preview"),
        ("http://127.0.0.1:8000/v1", "ws://127.0.0.1:8000/v1/responses"),
        ("ws://[::1]:8000", "ws://[::1]:8000/responses"),
    ],
)
def test_the_url_is_made_of_the_base(base_url: str, url: str) -> None:
    """http pairs with ws, https with wss; the path is appended and the query kept."""
    assert config(base_url=base_url).websocket_url == url


def test_a_websocket_base_comes_first() -> None:
    """And the query option is merged in."""
    made = config(
        base_url="https://one/v1", websocket_base_url="wss://two/v1?a=1", query={"b": "2"}
    )
    assert made.websocket_url == "wss://two/v1/responses?a=1&b=2"
    assert (made.host, made.is_secure) == ("two", True)


def test_the_environment_fills_what_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the official package; an argument wins."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env\n")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://host/v1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    made = config_from_environment({"project": "mine"})
    assert made.request_headers()["Authorization"] == "Bearer sk-env"
    assert (made.host, made.organization, made.project) == ("host", "org", "mine")


def test_headers_of_the_upgrade() -> None:
    """The caller's own win, case ignored; attribution goes to OpenAI alone."""
    made = config(headers={"user-agent": "mine"}, organization="org", project="proj")
    headers = made.request_headers()
    assert headers["OpenAI-Organization"] == "org"
    assert headers["OpenAI-Project"] == "proj"
    assert headers["originator"] == "pyresponses_ws"
    assert [headers[name] for name in headers if name.lower() == "user-agent"] == ["mine"]
    assert "originator" not in config(base_url="https://elsewhere/v1").request_headers()


def test_a_key_may_be_asked_for_each_time() -> None:
    """Rotating tokens; what the callable returns is checked."""
    keys = iter(["one", "two", "bad\n"])
    made = config(api_key=lambda: next(keys))
    assert [made.current_api_key() for _ in range(2)] == ["one", "two"]
    with pytest.raises(ConfigError):
        made.current_api_key()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"api_key": None}, "OPENAI_API_KEY"),
        ({"api_key": " "}, "no API key"),
        ({"api_key": "sk-secret\nx"}, "position 9"),
        ({"api_key": 7}, "api_key must be a string, got int"),
        ({"base_url": "ftp://host"}, "not ftp"),
        ({"base_url": "host/v1"}, "no scheme"),
        ({"base_url": "https:///v1"}, "no host"),
        ({"base_url": "https://host:port"}, "base_url is not a URL"),
        ({"base_url": "https://user:pw@host"}, "user name or password"),
        ({"base_url": 3}, "base_url must be a string"),
        ({"websocket_base_url": "http://host"}, "allow_insecure"),
        ({"base_url": "http://127.evil.example"}, "allow_insecure"),
        ({"headers": {"X": "a\r\nb"}}, "line break"),
        ({"headers": {"X": 1}}, "header 'X' must be a string, got int"),
        ({"replay": "always"}, '"safe" or "never"'),
        ({"retry_delays": (1, -1)}, r"retry_delays\[1\]"),
        ({"max_request_bytes": 0}, "max_request_bytes"),
        ({"timeouts": 5}, "timeouts must be"),
        ({"hooks": print}, "hooks must be"),
        ({"ssl_context": object(), "ca_bundle": "x"}, "not both"),
        ({"colour": "red"}, "unknown option 'colour'"),
    ],
)
def test_a_bad_option_is_named(options: dict[str, Any], named: str) -> None:
    """With the fix, and without the key."""
    with pytest.raises(ConfigError, match=named) as caught:
        config(**options)
    assert "secret" not in str(caught.value)


def test_plain_ws_needs_a_word() -> None:
    """allow_insecure lets it through to any host."""
    assert config(base_url="http://host/v1", allow_insecure=True).websocket_url.startswith("ws:")


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, True, "5"])
def test_a_timeout_is_a_positive_number(seconds: Any) -> None:
    """Each option, by its name."""
    with pytest.raises(ConfigError, match=r"Timeouts\.connect"):
        Timeouts(connect=seconds)


def test_some_timeouts_may_be_off() -> None:
    """None where nothing else would hang for ever."""
    assert Timeouts(first_event=None, silence=None, create_total=None).first_event is None
    with pytest.raises(ConfigError, match=r"Timeouts\.send"):
        Timeouts(send=None)  # type: ignore[arg-type]


def test_a_hook_is_callable() -> None:
    """Anything else is refused at once."""
    with pytest.raises(ConfigError, match=r"Hooks\.on_retry must be callable, got str"):
        Hooks(on_retry="x")  # type: ignore[arg-type]


def test_the_key_is_in_no_repr() -> None:
    """Nor are the headers, which may hold another one."""
    made = config(api_key="sk-secret", headers={"X-Token": "secret-too"})
    assert "secret" not in repr(made)


@pytest.mark.parametrize("name", ["base_url", "websocket_base_url"])
def test_a_url_that_cannot_be_read_is_not_repeated(name: str) -> None:
    """It may hold a password, which the words of Python would show."""
    with pytest.raises(ConfigError, match=f"{name} is not a URL") as caught:
        config(**{name: "https://user:se/cret@host/v1"})
    assert caught.value.__context__ is None
    assert "se" not in str(caught.value).replace("base", "").replace("websocket", "")


@pytest.mark.parametrize("name", ["Proxy-Authorization", "Content-Length", "a b", ""])
def test_a_header_that_cannot_travel_is_refused_at_once(name: str) -> None:
    """And not at the first turn."""
    with pytest.raises(ConfigError, match="header"):
        config(headers={name: "value"})


def test_a_context_for_servers_is_refused() -> None:
    """It would verify nobody."""
    with pytest.raises(ConfigError, match="ssl_context"):
        config(ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
