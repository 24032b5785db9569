"""Which headers of a caller's may travel with every request."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyresponses_ws.errors import ConfigError

#: What a caller may not set: they are the handshake itself, or would frame the request anew.
RESERVED_HEADERS = frozenset(
    {
        *("connection", "upgrade", "content-length", "transfer-encoding"),
        *("sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-key"),
        "sec-websocket-version",
    }
)

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise ConfigError, which names the header and never its value, for one that cannot travel."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(f"header {name!r}: not a valid name")
        if name.lower() in RESERVED_HEADERS:
            raise ConfigError(f"header {name!r} is set by the transport itself; leave it out")
        if name.lower() == "proxy-authorization":
            raise ConfigError(
                f"header {name!r} would go to the server: put user name and password into proxy"
            )
        if not _VALUE.fullmatch(value):
            raise ConfigError(
                f"header {name!r}: its value holds a line break, another control character or one"
                " outside Latin-1 (a key pasted with its newline?)"
            )
