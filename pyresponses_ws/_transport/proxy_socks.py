"""Asks a SOCKS5 proxy for a connection. The only module that imports python-socks."""

from __future__ import annotations

import socket
from typing import Any, cast

from pyresponses_ws._transport.deadline import Deadline
from pyresponses_ws._transport.target import Target
from pyresponses_ws.errors import ConfigError, ConnectError
from pyresponses_ws.proxies import SOCKS_MISSING, Proxy

#: What helps, by reply code of the refusal (RFC 1928, 6).
_FIXES = {
    2: "Its rules forbid this host or port: have it allowed, or list the host in NO_PROXY",
    3: "It does not reach the server: check base_url, and what the proxy may reach",
    4: "It does not reach the server, or does not find its name: check base_url, and what the"
    " proxy may reach",
    5: "The server refused the proxy's connection: check host and port of base_url",
    7: "It knows no CONNECT: use another proxy",
    8: "It does not take this kind of address: write socks5h:// for socks5://, or the reverse",
}


def open_socks_tunnel(
    sock: socket.socket, proxy: Proxy, host: str, target: Target, deadline: Deadline
) -> None:
    """Have a SOCKS5 proxy connect ``sock`` to ``host``, a name or address of the target.

    Raises ConnectError of the stage ``proxy``; OSError, TimeoutError at the deadline for one;
    ValueError for a host that cannot be written in a request; ConfigError without python-socks.
    """
    try:
        import python_socks
        import python_socks.sync

        client = python_socks.sync.Proxy(
            proxy_type=python_socks.ProxyType.SOCKS5,
            host=proxy.host,
            port=proxy.port,
            username=proxy.username or None,
            password=proxy.password or None,
            # Names go to the proxy; where they must not, the host is an address by now.
            rdns=True,
            forward=cast(Any, _Connected(sock, deadline)),
        )
    except (ImportError, TypeError):  # TypeError: one before 3.0 does not know ``forward``
        raise ConfigError(f"{proxy.source} {SOCKS_MISSING}") from None
    try:
        client.connect(host, target.port)
    except python_socks.ProxyTimeoutError as exc:
        raise TimeoutError("timed out") from exc
    except python_socks.ProxyError as exc:
        raise _refused(proxy, target, exc) from exc


class _Connected:
    """Stands where python-socks opens its socket, and at the place of that socket.

    Its own look-ups and connects would know no deadline and no interruption.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def connect(self, **_: object) -> _Connected:
        return self

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def recv(self, size: int) -> bytes:
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv(size)

    def close(self) -> None:
        """Leave the socket open: it has another owner, who closes it in every case."""


def _refused(proxy: Proxy, target: Target, exc: Any) -> ConnectError:
    place = Target.of_proxy(proxy)
    text = str(exc).rstrip(".")
    if exc.error_code is not None:
        fix = _FIXES.get(exc.error_code, f"It fails: try again later, or check {proxy.source}")
    elif "authentication" in text.lower():
        fix = f"Check user name and password in {proxy.source}"
    else:
        fix = f"It may not speak SOCKS5: check scheme, host and port of {proxy.source}"
    return ConnectError(f"{place} did not connect to {target}: {text}. {fix}", stage="proxy")
