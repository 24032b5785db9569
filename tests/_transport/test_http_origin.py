"""URLs of HTTP calls: whom they lead to, and which cannot be used."""

from __future__ import annotations

import ssl

import pytest

from pyresponses_ws._transport.base import Endpoint
from pyresponses_ws._transport.http_origin import origin_of
from pyresponses_ws.errors import ConfigError
from pyresponses_ws.proxies import Proxy

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.mark.parametrize(
    ("url", "host", "port", "is_secure"),
    [
        ("http://h/v1", "h", 80, False),
        ("https://h/v1?a=b", "h", 443, True),
        ("HTTPS://H:8/", "h", 8, True),
        ("http://[::1]:443/", "::1", 443, False),
    ],
)
def test_origin_is_scheme_host_and_port(url: str, host: str, port: int, is_secure: bool) -> None:
    """The scheme decides on TLS and on the port that goes without saying."""
    origin = origin_of(Endpoint(url=url, ssl_context=CONTEXT))
    assert (origin.host, origin.port) == (host, port)
    assert origin.default_port == (443 if is_secure else 80)
    assert (origin.ssl_context is CONTEXT) is is_secure


def test_calls_share_connections_only_on_the_same_way() -> None:
    """Another path is the same origin; another proxy or context is not."""
    one = Endpoint(url="https://h/v1", ssl_context=CONTEXT)
    assert origin_of(one) == origin_of(Endpoint(url="https://h:443/v2?x", ssl_context=CONTEXT))
    proxy = Proxy(scheme="http", host="p", port=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    others = [
        Endpoint(url=one.url, ssl_context=CONTEXT, proxy=proxy),
        Endpoint(url=one.url, ssl_context=context),
        Endpoint(url="http://h:443/v1"),
    ]
    assert origin_of(one) not in [origin_of(other) for other in others]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://h/", "scheme 'ftp'"),
        ("http:///v1", "names no host"),
        ("http://h:x/", "cannot be read"),
        ("http://h/a b", "percent-encode"),
        ("http://h/\u00fc", "percent-encode"),
        ("http://user:pw-secret@h/", "holds a user name"),
        ("https://h/", "needs an ssl_context"),
    ],
)
def test_url_that_cannot_be_used_is_a_config_error(url: str, words: str) -> None:
    """The error shows nothing that may be secret."""
    with pytest.raises(ConfigError, match=words) as caught:
        origin_of(Endpoint(url=url))
    assert "secret" not in str(caught.value)
