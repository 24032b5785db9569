"""The port of a ``FaultProxy``: open, shut, or a queue that is full."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable

from pyresponses_ws.errors import UsageError

HOST = "127.0.0.1"

#: Connections that may wait to be accepted; more than a test opens at once.
_BACKLOG = 128
#: Connections of our own that fill a queue for one: of Linux, one gets in and the others hang.
_FILLERS = 4


class Door:
    """Accepts clients at one port, as long as it is open. One thread."""

    def __init__(
        self, selector: selectors.BaseSelector, on_client: Callable[[socket.socket], None]
    ) -> None:
        self._selector = selector
        self._on_client = on_client
        # Bound to the port at any time, so that nobody else gets it.
        self._sock = _bind(0)
        self.port: int = self._sock.getsockname()[1]
        self._fillers: list[socket.socket] = []

    def open(self) -> None:
        """Let clients in."""
        self._rebind()
        self._sock.setblocking(False)
        self._sock.listen(_BACKLOG)
        self._selector.register(self._sock, selectors.EVENT_READ, lambda mask: self._accept())

    def shut(self) -> None:
        """Refuse whoever comes."""
        self._rebind()

    def clog(self) -> None:
        """Leave whoever comes without an answer. Raises UsageError where that is impossible."""
        self._rebind()
        self._sock.listen(0)
        for _ in range(_FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((HOST, self.port))
            self._fillers.append(filler)
        if all(map(_is_connected, self._fillers)):
            self.shut()
            raise UsageError("BlackHole: this system lets no queue of connections fill up")

    def close(self) -> None:
        """Let go of the port."""
        for sock in (self._sock, *self._fillers):
            sock.close()
        self._fillers.clear()

    def _rebind(self) -> None:
        """Go back to a port at which nobody listens."""
        if self._sock in [key.fileobj for key in self._selector.get_map().values()]:
            self._selector.unregister(self._sock)
        self.close()
        self._sock = _bind(self.port)

    def _accept(self) -> None:
        try:
            client, _ = self._sock.accept()
        except OSError:  # the client has left again
            return
        self._on_client(client)


def _bind(port: int) -> socket.socket:
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
