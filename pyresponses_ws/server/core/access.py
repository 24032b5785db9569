"""Who may talk to the server: the right Host, no foreign web page, a known key."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from pyresponses_ws.server.config import ServerConfig, is_loopback
from pyresponses_ws.server.core import errors


class Access:
    """Checks the headers of a request, names in lower case.

    Browsers send Origin and Host as they are, so these two stop a web page from driving a server on
    loopback; CORS alone would not, since a plain POST runs before the browser asks.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._scheme = config.scheme
        self._hosts = {name.lower() for name in (config.host, *config.allowed_hosts)}
        self._origins = {origin.rstrip("/").lower() for origin in config.cors_origins}
        self._owners = [_owner_of(key) for key in config.api_keys]

    def check_source(self, headers: Mapping[str, str]) -> None:
        """Raise the 421 of a foreign Host or the 403 of a foreign Origin."""
        host = headers.get("host", "").lower()
        name = _without_port(host)
        if not is_loopback(name) and name not in self._hosts:
            raise errors.misdirected()
        origin = headers.get("origin")
        # "null" is what a sandboxed page sends, so it is as foreign as any other.
        if origin is not None and not self._is_known_origin(origin.lower(), host):
            raise errors.forbidden_origin()

    def find_owner(self, headers: Mapping[str, str]) -> str:
        """Return the owner: SHA-256 of the bearer, "" without one. Raises the 401 of a bad key."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        key = bearer.strip() if scheme.lower() == "bearer" else ""
        owner = _owner_of(key) if key else ""
        # Every key is compared, and in constant time, so that the clock tells nothing.
        matches = [hmac.compare_digest(owner, known) for known in self._owners]
        if self._owners and not any(matches):
            raise errors.unauthorized(given=bool(key))
        return owner

    def _is_known_origin(self, origin: str, host: str) -> bool:
        return origin == f"{self._scheme}://{host}" or origin in self._origins


def check_content_type(headers: Mapping[str, str]) -> None:
    """Raise the 415 of a POST that is not JSON; a page may send any other type unasked."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise errors.unsupported_media_type()


def _owner_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0].lstrip("[")
    return host.partition(":")[0]
