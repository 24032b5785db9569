"""Options of the server, validated once."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from pyresponses_ws.errors import ConfigError

#: The service closes a WebSocket over a larger message (measured); a larger body is a 413.
MAX_MESSAGE_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Where to listen and whom to answer. Raises ConfigError when it contradicts itself."""

    host: str = "127.0.0.1"
    #: 0 lets the system choose.
    port: int = 0
    #: Keys that are let in; with none, any bearer is, and is its own owner.
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    #: Names besides loopback and ``host`` that a Host header may carry.
    allowed_hosts: tuple[str, ...] = ()
    #: Origins of web pages that may call, besides the server's own.
    cors_origins: tuple[str, ...] = ()
    ssl_certfile: str | Path | None = None
    ssl_keyfile: str | Path | None = None
    max_message_bytes: int = MAX_MESSAGE_BYTES
    #: Turns whose engines run at once; each holds a thread.
    max_turns: int = 128

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port {self.port} is not between 0 and 65535")
        if self.max_turns < 1:
            raise ConfigError(f"max_turns must be at least 1, not {self.max_turns}")
        if any(not key.strip() for key in self.api_keys):
            raise ConfigError("an API key of the server is empty")
        if not self.api_keys and not is_loopback(self.host):
            raise ConfigError(f"listening on {self.host} needs API keys: others can reach it")
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            raise ConfigError("ssl_keyfile needs ssl_certfile")

    @property
    def scheme(self) -> str:
        """The scheme of the server's URLs: http or https."""
        return "http" if self.ssl_certfile is None else "https"


def is_loopback(host: str) -> bool:
    """Say whether a host name or address stays on this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
