"""The life of a link (one socket), and that of the logical connection which outlives it."""

from __future__ import annotations

from enum import Enum
from typing import Final


class LinkState(Enum):
    """Where one socket is in its life."""

    #: The handshake is under way.
    CONNECTING = "connecting"
    #: Turns may start.
    OPEN = "open"
    #: No turn may start; those that run go on, and the socket goes after the last of them.
    RETIRING = "retiring"
    #: Our close frame is out, or the socket was shut down; nothing that arrives counts.
    CLOSING = "closing"
    #: The descriptor is gone.
    CLOSED = "closed"


class LinkSignal(Enum):
    """What can happen to a socket."""

    CONNECTED = "connected"
    CONNECT_FAILED = "connect_failed"
    #: It must take no further turn: a fence, its age, or the server's limit.
    RETIRE = "retire"
    #: We end it.
    CLOSE = "close"
    #: The reader saw its end.
    LOST = "lost"


LINK_LIFE: Final = {
    (LinkState.CONNECTING, LinkSignal.CONNECTED): LinkState.OPEN,
    (LinkState.CONNECTING, LinkSignal.CONNECT_FAILED): LinkState.CLOSED,
    (LinkState.CONNECTING, LinkSignal.CLOSE): LinkState.CLOSING,
    (LinkState.OPEN, LinkSignal.RETIRE): LinkState.RETIRING,
    (LinkState.OPEN, LinkSignal.CLOSE): LinkState.CLOSING,
    (LinkState.OPEN, LinkSignal.LOST): LinkState.CLOSED,
    (LinkState.RETIRING, LinkSignal.RETIRE): LinkState.RETIRING,
    (LinkState.RETIRING, LinkSignal.CLOSE): LinkState.CLOSING,
    (LinkState.RETIRING, LinkSignal.LOST): LinkState.CLOSED,
    # An attempt that was aborted may still report how it went.
    (LinkState.CLOSING, LinkSignal.CONNECTED): LinkState.CLOSING,
    (LinkState.CLOSING, LinkSignal.CONNECT_FAILED): LinkState.CLOSED,
    (LinkState.CLOSING, LinkSignal.RETIRE): LinkState.CLOSING,
    (LinkState.CLOSING, LinkSignal.CLOSE): LinkState.CLOSING,
    (LinkState.CLOSING, LinkSignal.LOST): LinkState.CLOSED,
    (LinkState.CLOSED, LinkSignal.RETIRE): LinkState.CLOSED,
    (LinkState.CLOSED, LinkSignal.CLOSE): LinkState.CLOSED,
    (LinkState.CLOSED, LinkSignal.LOST): LinkState.CLOSED,
}

#: States in which what arrives is somebody's.
CARRIES_EVENTS: Final = frozenset({LinkState.OPEN, LinkState.RETIRING})
#: States in which a turn may start. Whoever opens a link for a turn begins it before it is open.
ACCEPTS_TURNS: Final = frozenset({LinkState.CONNECTING, LinkState.OPEN})


class ConnectionState(Enum):
    """Where a logical connection is; the values are the public names."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPEN = "open"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


class ConnectionSignal(Enum):
    """What can happen to a logical connection."""

    CONNECT = "connect"
    CONNECTED = "connected"
    CONNECT_FAILED = "connect_failed"
    LOST = "lost"
    #: One attempt to reconnect failed; others follow.
    RETRY_FAILED = "retry_failed"
    #: The last one did.
    GAVE_UP = "gave_up"
    CLOSE = "close"


CONNECTION_LIFE: Final = {
    (ConnectionState.IDLE, ConnectionSignal.CONNECT): ConnectionState.CONNECTING,
    (ConnectionState.IDLE, ConnectionSignal.CLOSE): ConnectionState.CLOSED,
    (ConnectionState.CONNECTING, ConnectionSignal.CONNECTED): ConnectionState.OPEN,
    # The first failure is the caller's to judge: it may connect again.
    (ConnectionState.CONNECTING, ConnectionSignal.CONNECT_FAILED): ConnectionState.IDLE,
    (ConnectionState.CONNECTING, ConnectionSignal.CLOSE): ConnectionState.CLOSED,
    (ConnectionState.OPEN, ConnectionSignal.LOST): ConnectionState.RECONNECTING,
    (ConnectionState.OPEN, ConnectionSignal.CLOSE): ConnectionState.CLOSED,
    (ConnectionState.RECONNECTING, ConnectionSignal.CONNECTED): ConnectionState.OPEN,
    (ConnectionState.RECONNECTING, ConnectionSignal.RETRY_FAILED): ConnectionState.RECONNECTING,
    (ConnectionState.RECONNECTING, ConnectionSignal.GAVE_UP): ConnectionState.CLOSED,
    (ConnectionState.RECONNECTING, ConnectionSignal.CLOSE): ConnectionState.CLOSED,
    (ConnectionState.CLOSED, ConnectionSignal.CLOSE): ConnectionState.CLOSED,
    # What was under way when it was closed may still report; nothing comes of it.
    (ConnectionState.CLOSED, ConnectionSignal.CONNECTED): ConnectionState.CLOSED,
    (ConnectionState.CLOSED, ConnectionSignal.CONNECT_FAILED): ConnectionState.CLOSED,
    (ConnectionState.CLOSED, ConnectionSignal.LOST): ConnectionState.CLOSED,
    (ConnectionState.CLOSED, ConnectionSignal.RETRY_FAILED): ConnectionState.CLOSED,
    (ConnectionState.CLOSED, ConnectionSignal.GAVE_UP): ConnectionState.CLOSED,
}

#: 1000 counts: the server may close so after the frame that announces its age limit. 1008 (account
#: or feature not allowed), 1009 (too big) and the protocol errors would come again.
_RETRYABLE_CODES = frozenset({1000, 1001, 1005, 1006, *range(1011, 1016)})


def is_retryable_close(code: int | None) -> bool:
    """Tell whether another link may fare better; None is an end without a close frame.

    3000 to 4999 belong to applications and say nothing that we know, so they count as a loss.
    """
    return code is None or code in _RETRYABLE_CODES or 3000 <= code <= 4999
