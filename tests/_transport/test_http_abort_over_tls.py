"""An abort of a request that is being sent must not let a byte of it out in clear.

SSLSocket.shutdown drops the TLS session before it shuts the socket down; a sender in its loop then
writes the rest of its request as it is.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import sys
import threading
from collections.abc import Iterator

import pytest

from pyresponses_ws._transport.http import RequestsCall
from pyresponses_ws.errors import ConnectionLostError
from tests._transport.http_scripts import Caller, do_nothing
from tests._transport.test_abort_over_tls import Wiretap, is_all_tls
from tests.support.tls import TestAuthority

ABORTS = 1000
#: Many TLS records, so that the sender is in its loop when it is aborted.
BODY = b"x" * 4_000_000
#: Bytes on the wire from which on the request is under way; the handshake takes under 2,000.
FLOWING = 20_000


class RequestTap(Wiretap):
    """A TLS peer that shakes hands, then keeps the bytes of a request and answers nothing."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context)
        #: Gets one item a connection, when its request is under way.
        self.flowing: queue.SimpleQueue[None] = queue.SimpleQueue()

    def _tap(self, sock: socket.socket, recording: bytearray) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(incoming, outgoing, server_side=True)
        self._pump(sock, recording, incoming, outgoing, tls.do_handshake)
        while len(recording) < FLOWING and (data := sock.recv(1 << 16)):
            recording += data
        self.flowing.put(None)
        while data := sock.recv(1 << 16):
            recording += data


def send_until_lost(call: RequestsCall) -> None:
    with contextlib.suppress(ConnectionLostError):
        call.send(on_sent=do_nothing)


def abort_under_way(tap: RequestTap, context: ssl.SSLContext) -> int:
    """Send a large request and cut it in the middle; return how much of it was handed over."""
    caller = Caller(tap.url.replace("wss:", "https:"), context)
    call = caller.start(BODY)
    sender = threading.Thread(target=send_until_lost, args=(call,))
    sender.start()
    tap.flowing.get(timeout=10)
    call.abort()
    sender.join(10)
    return call.bytes_sent


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns so often that an abort is interrupted in its middle now and then.

    With the abort of SSLSocket, one in a hundred then lets something out.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("hasty_threads")
def test_aborts_of_requests_put_nothing_in_clear_on_the_wire(authority: TestAuthority) -> None:
    """A thousand aborts in the middle of a request: all that went out is TLS."""
    context = authority.client_context()
    with RequestTap(authority.server_context()).running() as tap:
        sent = [abort_under_way(tap, context) for _ in range(ABORTS)]
    assert len(tap.recordings) == ABORTS
    assert all(map(is_all_tls, tap.recordings))
    # Most aborts came in time to find a sender at work.
    assert sum(size < len(BODY) for size in sent) > ABORTS // 2
