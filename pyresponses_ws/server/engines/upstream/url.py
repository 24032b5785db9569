"""Where an upstream is, from what its user says of it."""

from __future__ import annotations

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.urls import is_loopback, is_secure, split_url

#: The route that is asked, below the base.
ROUTE = "/responses"

_OPTION = "the upstream's URL"


def read_url(url: str, *, has_key: bool) -> tuple[str, str]:
    """Return the base of an upstream's routes, and its host and port.

    The URL is what a client would take as its base: without a path it gets ``/v1``, and
    ``/responses`` at its end is left out. Raises ConfigError, which repeats no secret.
    """
    parts = split_url(_OPTION, url)
    if parts.scheme not in ("http", "https"):
        raise ConfigError(f"{_OPTION} must start with http:// or https://, not {parts.scheme}://")
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
