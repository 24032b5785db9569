"""The reader thread: receives on one link until it ends, and does nothing else.

Why it always ends: its only blocking call is ``Transport.receive``, which returns every few
seconds, and raises once the peer is gone or anybody has called ``abort``. The keeper calls that
for a silent peer, and a finalizer for a dropped client.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from pyresponses_ws._runtime.link import Link
from pyresponses_ws._transport.base import ABNORMAL_CLOSURE, Close, TransportClosed
from pyresponses_ws.errors import ProtocolError

logger = logging.getLogger("pyresponses_ws.reader")

#: RFC 6455 section 7.4.1, protocol error: the peer sent what no Responses server may send.
PROTOCOL_ERROR = 1002


def read(link: Link) -> None:
    """Run until the link ends, then end its turns."""
    transport = link.transport
    close = Close(reason="the reader failed")
    seen = 0
    try:
        while True:
            texts = transport.receive()
            if transport.bytes_received != seen:
                seen = transport.bytes_received
                link.vitals.note_arrival()
            if texts:
                link.deliver(texts)
            link.writer.answer_ping()
    except TransportClosed as end:
        close = _blame_peer(end.close)
    except ProtocolError as exc:
        close = Close(code=PROTOCOL_ERROR, reason="protocol error", cause=exc)
    except Exception as exc:
        # Safety net: whatever went wrong, the turns must end.
        logger.exception("link %d: the reader failed", link.number)
        close = Close(reason="the reader failed", cause=exc)
    finally:
        link.finish(close)


def _blame_peer(close: Close) -> Close:
    """Give our own refusal its error: a code that came in no close frame is ours to send."""
    if close.code == ABNORMAL_CLOSURE or close.reply_due:
        return close
    return replace(close, cause=ProtocolError(f"the peer broke the protocol: {close.reason}"))
