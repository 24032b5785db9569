"""Which proxy stands between a client and its server: by option, or by the environment."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from pyresponses_ws.errors import ConfigError

#: Schemes of proxies, and the port that each has where the URL names none.
DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
#: Schemes of what a client connects to: the variable that counts for each, and the port.
_VARIABLES = {"ws": "http", "http": "http", "wss": "https", "https": "https"}
_TARGET_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}

#: RFC 1929 gives the length of a user name and of a password one byte each.
_SOCKS_WORD_LIMIT = 255

#: What to do without the library that speaks SOCKS, behind the name of an option.
SOCKS_MISSING = "is a SOCKS proxy, which needs: pip install 'pyresponses-ws[socks]'"

_SCHEMES = ", ".join(f"{scheme}://" for scheme in DEFAULT_PORTS)


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy and how to speak to it. User and password stay out of the repr."""

    scheme: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    #: The option or variable that named it, for what an error asks to check.
    source: str = field(default="proxy", compare=False)

    @property
    def is_socks(self) -> bool:
        return self.scheme in ("socks5", "socks5h")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_proxy(url: Any, *, option: str = "proxy") -> Proxy:
    """Read a proxy's URL. Raises ConfigError, which names the option and shows no password."""
    if not isinstance(url, str):
        raise ConfigError(f"{option} must be a string, got {type(url).__name__}")
    parts = _split(url.strip(), option)
    proxy = Proxy(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or DEFAULT_PORTS[parts.scheme],
        username=_decode(parts.username, option),
        password=_decode(parts.password, option),
        source=option,
    )
    _check_credentials(proxy, option)
    if proxy.is_socks and importlib.util.find_spec("python_socks") is None:
        raise ConfigError(f"{option} {SOCKS_MISSING}")
    return proxy


def _split(url: str, option: str) -> SplitResult:
    """Take the URL apart and refuse what makes no proxy."""
    if not re.fullmatch(r"[!-~]+", url):
        raise ConfigError(
            f"{option} is empty, or holds a space, a control character or one outside ASCII:"
            " percent-encode it"
        )
    if "://" not in url:
        raise ConfigError(f"{option} has no scheme: write http:// before the host, or {_SCHEMES}")
    parts = _split_or_none(url)
    if parts is None:
        raise ConfigError(
            f"{option} is not a URL: check host and port, and percent-encode what is special in"
            " user name and password"
        )
    _check_scheme(parts.scheme, option)
    if not parts.hostname:
        raise ConfigError(f"{option} has no host; expected something like http://proxy.test:3128")
    if parts.port == 0:
        raise ConfigError(f"{option} has the port 0; ports go from 1 to 65535")
    if parts.path not in ("", "/") or parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ConfigError(
            f"{option} must end after host and port: no path, query or fragment (a '/', '?' or '#'"
            " in a password must be percent-encoded)"
        )
    return parts


def _split_or_none(url: str) -> SplitResult | None:
    """Take a URL apart. Python's own error would stay the context of ours, and repeats words."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError for one that is no number
    except ValueError:
        return None
    return parts


def _check_scheme(scheme: str, option: str) -> None:
    if scheme in DEFAULT_PORTS:
        return
    if scheme.startswith("socks"):
        raise ConfigError(
            f"{option} has the scheme {scheme!r}; write socks5h://, or socks5:// to look names up"
            " on this machine"
        )
    raise ConfigError(f"{option} has the scheme {scheme!r}; it must be one of {_SCHEMES}")


def _decode(word: str | None, option: str) -> str | None:
    """Percent-decode a part of the user-info."""
    if word is None:
        return None
    decoded = unquote(word)
    # What stands for bytes that are no UTF-8. As an error of Python's they would be repeated.
    if "\N{REPLACEMENT CHARACTER}" in decoded:
        raise ConfigError(f"user name and password of {option} must be percent-encoded UTF-8")
    return decoded


def _check_credentials(proxy: Proxy, option: str) -> None:
    """Refuse what neither Basic (RFC 7617) nor SOCKS (RFC 1929) can carry."""
    name, password = proxy.username or "", proxy.password or ""
    if not proxy.is_socks:
        if ":" in name or any(ord(char) < 32 or ord(char) == 127 for char in name + password):
            raise ConfigError(
                f"{option}: a user name with a colon, or a control character in it or in the"
                " password, cannot be sent to a proxy"
            )
        return
    if bool(name) != bool(password):
        raise ConfigError(f"{option}: a SOCKS proxy takes a user name and a password, or neither")
    if not (name + password).isascii() or max(len(name), len(password)) > _SOCKS_WORD_LIMIT:
        raise ConfigError(
            f"{option}: user name and password of a SOCKS proxy must be ASCII, and no longer than"
            f" {_SOCKS_WORD_LIMIT} characters"
        )


def find_proxy(url: str, given: Proxy | None) -> Proxy | None:
    """The proxy for ``url``: the one that was given, else the environment's, else None.

    One that was given counts for every host, whatever NO_PROXY says, as with requests and httpx.
    The environment is read at each call, as they do: HTTPS_PROXY for wss and https, HTTP_PROXY for
    ws and http (in upper case not under CGI, where a request's header could set it), then
    ALL_PROXY; the lower-case spelling wins. A bare ``host:port`` there means http://.

    Raises ConfigError, naming the variable.
    """
    if given is not None:
        return given
    proxies = _read_environment()
    parts = urlsplit(url)
    kind = next((name for name in (_VARIABLES[parts.scheme], "all") if name in proxies), None)
    if kind is None or is_bypassed(parts, proxies.get("no", "")):
        return None
    value = proxies[kind].strip()
    if "://" not in value:
        value = f"http://{value}"
    return parse_proxy(value, option=_name_of_variable(f"{kind}_proxy", proxies[kind]))


def _read_environment() -> dict[str, str]:
    """Values of the variables by the first part of their names: http, https, all, no."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    # Only now: it imports half of the standard library's network modules.
    from urllib.request import getproxies_environment

    return getproxies_environment()


def _name_of_variable(name: str, value: str) -> str:
    """The spelling in which a variable was set, for the error that names it."""
    spellings = (name, name.upper(), *os.environ)
    same = (spelling for spelling in spellings if spelling.lower() == name)
    return next((spelling for spelling in same if os.environ.get(spelling) == value), name)


def is_bypassed(url: SplitResult, no_proxy: str) -> bool:
    """Whether NO_PROXY has this URL reached directly.

    Its entries stand apart by commas or spaces: ``*``; a host, which stands for its subdomains too,
    with or without a leading dot; an address or a network in CIDR; each but these last may
    end in a port. Names are not looked up, so an entry of addresses fits hosts given as addresses.
    """
    host = (url.hostname or "").rstrip(".").lower()
    port = url.port or _TARGET_PORTS[url.scheme]
    entries = filter(None, re.split(r"[,\s]+", no_proxy.lower()))
    return any(_fits(entry, host, port) for entry in entries)


def _fits(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _parse_address(host)
    network = _parse_network(entry)
    if network is not None:
        return address is not None and address in network
    name, wanted = _split_port(entry)
    if wanted not in ("", str(port)):
        return False
    if address is not None:
        return address == _parse_address(name)
    name = name.lstrip("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, str]:
    match = re.fullmatch(r"\[?(.*?)\]?(?::(\d+))?", entry)
    return (match[1], match[2] or "") if match else (entry, "")


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Read an address or a network; host bits may be set, as other programs allow."""
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None
