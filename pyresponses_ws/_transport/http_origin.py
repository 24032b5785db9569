"""Whom an HTTP connection leads to."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from pyresponses_ws._transport.base import Endpoint
from pyresponses_ws._transport.target import split_endpoint
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
    url = split_endpoint(endpoint.url, tuple(_PORTS), "HTTP needs http or https")
    if url.username is not None:
        raise ConfigError(f"the URL for {url.hostname} holds a user name: pass api_key instead")
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
