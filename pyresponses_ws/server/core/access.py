"""Who may talk to the server: the right Host, no foreign web page, a known key."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence

from pyresponses_ws.server.config import ServerConfig, is_loopback
from pyresponses_ws.server.core import errors

#: A Host header: an IPv6 address in brackets or any other name, then perhaps a port.
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(?::(\d*))?")

#: Ports that browsers leave out.
_DEFAULT_PORTS = {"http": "80", "https": "443"}

#: Headers that decide who is let in; of two, one reader would see the first and one the last.
_SINGLE = (b"host", b"origin", b"authorization")


class Access:
    """Checks the headers of a request, names in lower case.

    Browsers send Origin and Host as they are, so these two stop a web page from driving a server on
    loopback; CORS alone would not, since a plain POST runs before the browser asks.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._scheme = config.scheme
        names = (config.host, *config.allowed_hosts)
        self._hosts = {name.lower().strip("[]") for name in names}
        self._origins = {origin.rstrip("/").lower() for origin in config.cors_origins}
        self._owners = [_owner_of(key) for key in config.api_keys]

    def check_size(self, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Raise the 431 of large headers, or the 413 of a body that is announced as too large."""
        if count_header_bytes(target, headers) > self._config.max_header_bytes:
            raise errors.headers_too_large(self._config.max_header_bytes)
        length = dict(headers).get(b"content-length", b"")
        if length.isdigit() and int(length) > self._config.max_message_bytes:
            raise errors.too_large(self._config.max_message_bytes)

    def check_room(self, *, is_over_limit: bool) -> None:
        """Raise the 429 of a connection for which there is no room."""
        if is_over_limit:
            raise errors.too_many_connections(self._config.max_connections)

    def check_source(self, headers: Mapping[str, str]) -> None:
        """Raise the 421 of a foreign Host or the 403 of a foreign Origin."""
        host = _HOST.fullmatch(headers.get("host", "").lower())
        name = host[1].strip("[]") if host else ""
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

    def _is_known_origin(self, origin: str, host: re.Match[str] | None) -> bool:
        own = f"{self._scheme}://{host[0].removesuffix(':')}" if host else ""
        port = _DEFAULT_PORTS[self._scheme]
        return origin in self._origins or _drop_port(origin, port) == _drop_port(own, port)


def check_single(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise the 400 of a header that comes twice though it decides who is let in."""
    seen = set()
    for name, _ in headers:
        if name in _SINGLE and name in seen:
            raise errors.bad_request(f"The header '{name.decode()}' was sent more than once.")
        seen.add(name)


def count_header_bytes(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return the bytes that a request takes before its body."""
    return len(target) + sum(len(name) + len(value) + len(": \r\n") for name, value in headers)


def check_content_type(headers: Mapping[str, str]) -> None:
    """Raise the 415 of a POST that is not JSON; a page may send any other type unasked."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise errors.unsupported_media_type()


def _owner_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _drop_port(origin: str, port: str) -> str:
    return origin.removesuffix(f":{port}")
