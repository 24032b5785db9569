"""From the base URL that a user gave to the URLs of the two transports."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from pyresponses_ws.errors import ConfigError

DEFAULT_BASE_URL = "https://api.openai.com/v1"
#: The one host that learns who we are (``originator``); others get no attribution.
OPENAI_HOST = "api.openai.com"

Family = Literal["websocket", "http"]

#: Schemes pair up: a base URL says whether to encrypt, and each transport has its own word for it.
_IS_SECURE = {"http": False, "https": True, "ws": False, "wss": True}
_SCHEMES: dict[tuple[Family, bool], str] = {
    ("websocket", False): "ws",
    ("websocket", True): "wss",
    ("http", False): "http",
    ("http", True): "https",
}


def split_url(name: str, url: Any) -> SplitResult:
    """Take a base URL apart. Raises ConfigError, naming the option ``name``."""
    if not isinstance(url, str):
        raise ConfigError(f"{name} must be a string, got {type(url).__name__}")
    parts = _split_or_none(url.strip())
    if parts is None:
        # What Python says of it may repeat a password, so it is no part of this, nor its cause.
        raise ConfigError(f"{name} is not a URL: check host and port")
    if parts.scheme not in _IS_SECURE:
        shown = parts.scheme or "no scheme"
        raise ConfigError(f"{name} must start with https://, http://, wss:// or ws://, not {shown}")
    if not parts.hostname:
        raise ConfigError(f"{name} has no host; expected something like {DEFAULT_BASE_URL}")
    if parts.username or parts.password:
        raise ConfigError(f"{name} must not hold a user name or password; pass api_key=")
    return parts


def _split_or_none(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises on a bad port)
    except ValueError:
        return None
    return parts


def check_encryption(parts: SplitResult, *, allow_insecure: bool) -> None:
    """Raise ConfigError where the key would travel in clear to another machine."""
    host = parts.hostname or ""
    if not is_secure(parts) and not allow_insecure and not is_loopback(host):
        raise ConfigError(
            f"{parts.scheme}:// would send the key in clear to {host}; "
            "use https:// or wss://, or pass allow_insecure=True"
        )


def is_secure(parts: SplitResult) -> bool:
    """Whether the URL asks for TLS."""
    return _IS_SECURE[parts.scheme]


def is_loopback(host: str) -> bool:
    """Whether the host is this machine, as far as its name alone tells."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def endpoint_url(
    parts: SplitResult, family: Family, *, query: Mapping[str, str], path: str = ""
) -> str:
    """URL of ``/responses`` below a base, with ``path`` behind it; the base's query is kept."""
    merged = dict(parse_qsl(parts.query, keep_blank_values=True)) | dict(query)
    return parts._replace(
        scheme=_SCHEMES[family, is_secure(parts)],
        path=parts.path.rstrip("/") + "/responses" + path,
        query=urlencode(merged),
        fragment="",
    ).geturl()
