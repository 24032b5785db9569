"""How links end from our side: politely, or without a word when nobody is left to speak."""

from __future__ import annotations

import os

from pyresponses_ws._runtime.link import Link
from pyresponses_ws._transport.base import NORMAL_CLOSURE, Close

#: What the peer hears when a client or a connection is closed.
CLIENT_CLOSED = Close(code=NORMAL_CLOSURE, reason="Client closed")

#: Seconds that a peer gets to answer our close frame.
GOODBYE_WAIT = 1.0


def cut_all(pid: int, links: list[Link]) -> None:
    """Cut links that nobody holds any more. For finalizers: takes no lock, starts no thread.

    ``pid`` is the process that opened them; a forked child must leave its parent's sockets alone.
    """
    if os.getpid() == pid:
        for link in list(links):
            link.transport.abort()
