"""Where an upstream is, from what its user says of it."""

from __future__ import annotations

import re

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.urls import is_loopback, is_secure, split_url

#: The route that is asked, below the base.
ROUTE = "/responses"

_OPTION = "the URL of --engine upstream:URL"


def read_url(url: str, *, has_key: bool) -> tuple[str, str]:
    """Return the base of an upstream's routes, and its host and port.

    The URL is what a client would take as its base: without a path it gets ``/v1``, and
    ``/responses`` at its end is left out. Raises ConfigError, which repeats no secret.
    """
    _check_start(url)
    parts = split_url(_OPTION, url)
    if parts.query or parts.fragment or url.strip().endswith(("?", "#")):
        raise ConfigError(f"{_OPTION} must end behind its path: no query and no fragment")
    host = parts.hostname or ""
    if has_key and not is_secure(parts) and not is_loopback(host):
        raise ConfigError(
            f"{_OPTION} has http://, which would send the key in clear to {host}: use https://"
        )
    path = parts.path.rstrip("/")
    path = path.removesuffix(ROUTE) if path.endswith(ROUTE) else path or "/v1"
    return parts._replace(path=path).geturl(), parts.netloc


def _check_start(url: str) -> None:
    """Refuse what a client's option would be refused for in words that are only the client's."""
    scheme, is_url, rest = str(url).strip().partition("://")
    if scheme.lower() not in ("http", "https") or not is_url:
        # What is not followed by slashes may be a user name, or a key.
        shown = f", not {scheme}://" if is_url and scheme.isalnum() else ""
        raise ConfigError(f"{_OPTION} must start with http:// or https://{shown}")
    if "@" in re.split("[/?#]", rest)[0]:
        raise ConfigError(
            f"{_OPTION} must not hold a user name or password: the upstream's key comes from the "
            "environment variable PYRESPONSES_WS_UPSTREAM_API_KEY"
        )
