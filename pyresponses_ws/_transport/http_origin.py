"""Whom an HTTP connection leads to."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from pyresponses_ws._transport.base import Endpoint
from pyresponses_ws.errors import ConfigError
from pyresponses_ws.proxies import Proxy

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A server and the way to it. Calls to equal ones may share connections."""

    host: str
    port: int
    #: Port that the ``Host`` header leaves out.
    default_port: int
    #: None for a connection in clear.
    ssl_context: ssl.SSLContext | None = field(repr=False)
    proxy: Proxy | None


def origin_of(endpoint: Endpoint) -> Origin:
    """Take the URL apart. Raises ConfigError, whose message repeats no part but scheme and host."""
    url = _parse_url(endpoint.url)
    is_secure = url.scheme == "https"
    if is_secure and endpoint.ssl_context is None:
        raise ConfigError("an https URL needs an ssl_context")
    return Origin(
        host=url.hostname or "",
        port=url.port or _PORTS[url.scheme],
        default_port=_PORTS[url.scheme],
        ssl_context=endpoint.ssl_context if is_secure else None,
        proxy=endpoint.proxy,
    )


def _parse_url(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - raises ValueError for one that is no number
    except ValueError:
        raise ConfigError("the URL cannot be read: check host and port of base_url") from None
    if url.scheme not in _PORTS:
        raise ConfigError(f"the URL has the scheme {url.scheme!r}; HTTP needs http or https")
    if not url.hostname:
        raise ConfigError("the URL names no host: check base_url")
    if url.username is not None:
        raise ConfigError(f"the URL for {url.hostname} holds a user name: pass api_key instead")
    if not re.fullmatch(r"[!-~]+", text):
        raise ConfigError(
            f"the URL for {url.hostname} holds a space, a line break or a character outside"
            " ASCII: percent-encode it"
        )
    return url
