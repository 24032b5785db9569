"""Ends of a TLS connection that are none.

One thread receives on a socket while another sends. Until CPython 3.13 nothing keeps the two calls
into OpenSSL apart, and what one leaves in their common state can make the other's "not yet" look
like the end of the stream: three times in 2,000 turns on a busy machine whose records came byte by
byte. The TCP socket below knows better.
"""

from __future__ import annotations

import selectors
import socket
import ssl

#: So many such ends in a row are believed: a peer may end TLS and leave TCP open.
BELIEVED = 3


class FalseEnds:
    """Judges the ends that one thread meets on one socket."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def reset(self) -> None:
        """Something went through."""
        self._in_a_row = 0

    def is_false(self, sock: socket.socket, error: OSError | None = None) -> bool:
        """Tell whether to try again after an end, or after an error of a send."""
        if type(sock) is not ssl.SSLSocket or not _may_be_false(error):
            return False
        self._in_a_row += 1
        return self._in_a_row <= BELIEVED and not _is_at_end(sock)


def _may_be_false(error: OSError | None) -> bool:
    return error is None or isinstance(error, (ssl.SSLError, BlockingIOError))


def _is_at_end(sock: socket.socket) -> bool:
    """Tell whether the TCP connection has ended, past all TLS. Raises nothing."""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            if not selector.select(0):
                return False
        return not socket.socket.recv(sock, 1, socket.MSG_PEEK)
    except (TimeoutError, BlockingIOError):
        # The other thread took it, so there was something.
        return False
    except (OSError, ValueError):  # ValueError: closed already
        return True
