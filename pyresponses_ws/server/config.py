"""Options of the server, validated once."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyresponses_ws.errors import ConfigError

#: The service closes a WebSocket over a larger message (measured); a larger body is a 413.
MAX_MESSAGE_BYTES = 16 * 2**20

#: Options that count something, with the least that works. A header limit below 1 KiB would
#: refuse what ordinary clients send.
_COUNTS = {"max_turns": 1, "max_connections": 1, "max_message_bytes": 1, "max_header_bytes": 1024}

#: Options that are a time or a rate, and so above zero.
_POSITIVE = (
    *("connection_minutes", "requests_per_second", "first_request_timeout"),
    *("ping_interval", "ping_timeout", "write_timeout"),
)

#: What a key may hold: visible ASCII, and no comma, which parts the keys in the environment.
_KEY = re.compile(r"[!-+\--~]+")

#: The same in words.
KEY_RULE = "visible ASCII without spaces and commas"

#: A host as a Host header names it, without the port.
_HOST = re.compile(r"\[[0-9a-f:.]+\]|[^\s:/@\[\],]+", re.IGNORECASE)

#: An origin as browsers send it.
_ORIGIN = re.compile(r"https?://(?:\[[0-9a-f:.]+\]|[^\s:/@\[\],*]+)(?::\d+)?/?", re.IGNORECASE)


class OptionError(ConfigError):
    """An option that cannot work, told by its name here, or by what a command line calls it.

    ``template`` has ``{}`` for each of ``values``, and ``{option}`` and ``{other}`` for fields of
    ``ServerConfig``. Kept apart, so that no value is ever taken for the name of an option.
    """

    def __init__(self, template: str, *values: object, option: str, other: str = "") -> None:
        self.template = template
        self.values = tuple(map(str, values))
        self.option = option
        self.other = other
        super().__init__(self.tell({}))

    def tell(self, names: Mapping[str, str]) -> str:
        """Return the message with the options by these names; a missing one keeps its own."""
        option, other = (names.get(field, field) for field in (self.option, self.other))
        return self.template.format(*self.values, option=option, other=other)


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Where to listen and whom to answer. Raises OptionError when it contradicts itself."""

    host: str = "127.0.0.1"
    #: 0 lets the system choose.
    port: int = 0
    #: Keys that are let in; with none, any bearer is, and is its own owner.
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    #: Names besides loopback and ``host`` that a Host header may carry, without a port.
    allowed_hosts: tuple[str, ...] = ()
    #: Origins of web pages that may call, besides the server's own.
    cors_origins: tuple[str, ...] = ()
    ssl_certfile: str | Path | None = None
    ssl_keyfile: str | Path | None = None
    max_message_bytes: int = MAX_MESSAGE_BYTES
    #: Turns whose engines run at once; each holds a thread.
    max_turns: int = 128
    #: Open connections of both wires. Below the 1,024 files that many systems let a process open.
    max_connections: int = 1_000
    #: Minutes that a WebSocket may last; 60 at the service.
    connection_minutes: float = 60.0
    #: Creates a second that one owner may send; None for no limit.
    requests_per_second: float | None = None
    #: Seconds that running turns get to finish when the process is told to end.
    grace: float = 30.0
    #: Seconds for a connection to begin and to complete its first request, and for each later one
    #: from its first byte. Arbitrary; a body gets more as it comes.
    first_request_timeout: float = 10.0
    #: Bytes of all headers of a request together. Far above what clients send (below 2 KiB).
    max_header_bytes: int = 64 * 2**10
    #: Seconds between pings, and for a pong to come. A peer gone without a word is seen within the
    #: sum, below the 60 seconds after which middleboxes commonly forget a silent connection.
    ping_interval: float = 20.0
    ping_timeout: float = 20.0
    #: Seconds in which a peer must take something of what is written to it. Arbitrary.
    write_timeout: float = 30.0

    def __post_init__(self) -> None:
        if not _is_whole(self.port) or not 0 <= self.port <= 65535:
            raise OptionError(
                "{option} must be between 0 and 65535, not {}", self.port, option="port"
            )
        for name, least in _COUNTS.items():
            _check_count(name, getattr(self, name), least)
        for name in _POSITIVE:
            _check_positive(name, getattr(self, name))
        if not _is_number(self.grace) or not 0 <= self.grace < float("inf"):
            raise OptionError(
                "{option} must be 0 seconds or more, not {}", self.grace, option="grace"
            )
        self._check_names()
        self._check_keys()
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            raise OptionError("{option} needs {other}", option="ssl_keyfile", other="ssl_certfile")

    def _check_names(self) -> None:
        for name in self.allowed_hosts:
            if not _HOST.fullmatch(name):
                template = "{option} takes names without scheme and port, not {}"
                raise OptionError(template, name, option="allowed_hosts")
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                template = "{option} takes origins like http://localhost:3000, not {}"
                raise OptionError(template, origin, option="cors_origins")

    def _check_keys(self) -> None:
        if not all(map(is_key, self.api_keys)):
            # The key itself stays out of the message.
            template = "{option} must be {}; one is not, or is empty"
            raise OptionError(template, KEY_RULE, option="api_keys")
        if not self.api_keys and not is_loopback(self.host):
            raise OptionError(
                "{option} {} can be reached by others: give {other}, or listen on 127.0.0.1",
                self.host or "(all addresses)",
                option="host",
                other="api_keys",
            )

    @property
    def scheme(self) -> str:
        """The scheme of the server's URLs: http or https."""
        return "http" if self.ssl_certfile is None else "https"


def is_key(text: str) -> bool:
    """Say whether a client could send this as a key."""
    return _KEY.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Say whether a host name or address stays on this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_count(name: str, value: int, least: int) -> None:
    if not _is_whole(value) or value < least:
        template = "{option} must be a whole number of at least {}, not {}"
        raise OptionError(template, least, value, option=name)


def _check_positive(name: str, value: float | None) -> None:
    if value is None and name == "requests_per_second":
        return
    # NaN compares false with everything, so it is refused too.
    if value is None or not _is_number(value) or not 0 < value < float("inf"):
        raise OptionError("{option} must be a number above 0, not {}", value, option=name)
