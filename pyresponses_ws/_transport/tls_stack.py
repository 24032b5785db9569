"""TLS inside TLS on one socket, for what goes to a wss or https server through an https proxy.

``ssl.SSLSocket`` cannot stand on another one. Here each layer is an ``ssl.SSLObject`` between two
buffers in memory, and what leaves the outermost goes over the socket itself, which stays an
ordinary one underneath: its descriptor, ``shutdown`` and count of unsent bytes are those of TCP.

One thread may send while another receives. OpenSSL allows no two calls on one layer at a time, so
a lock guards the layers; it is held for work in memory only, never across a wait. Only the sender
writes to the socket, so records leave in the order in which they were made: what a layer wants to
say because of what was received (the answer to a KeyUpdate, RFC 8446, 4.6.3, which is due before
the next data) waits in its buffer and leaves in front of what is sent next. So a renegotiation,
which TLS 1.2 has and hardly a server asks for, cannot be answered: the next send fails.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any, NoReturn

from pyresponses_ws._transport.deadline import Deadline
from pyresponses_ws._transport.patience import count_unsent

#: Makes a lock; the runtime hands it in, as it does with threads.
MakeLock = Callable[[], AbstractContextManager[object]]

#: Bytes of one read from the socket, and of plain text that is encrypted at once.
READ_SIZE = 64 * 1024
SLICE_SIZE = 64 * 1024

# No limit on the number of a descriptor, where the system has poll.
_Selector: type[Any] = getattr(selectors, "PollSelector", selectors.SelectSelector)


class _Layer:
    """One TLS session between two buffers."""

    def __init__(self, context: ssl.SSLContext, server_hostname: str) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=server_hostname)
        self._is_ended = False

    def feed(self, data: bytes) -> None:
        """Take what came from below; b"" is its end."""
        if data:
            self.incoming.write(data)
        elif not self._is_ended:
            self._is_ended = True
            self.incoming.write_eof()

    def read(self, size: int) -> bytes | None:
        """Return plain text, b"" at the end, None when more must come first.

        An end without TLS's own goodbye counts as an end, as ``SSLSocket`` has it by default:
        what stands above knows where its messages end.
        """
        try:
            return self.tls.read(size)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""


class TLSStack(socket.socket):
    """A connected socket that ``start_tls`` wraps once, or twice.

    A timeout counts for a whole call. As with ``SSLSocket``, a ``send`` that timed out must be
    repeated with the same data, or be the last.
    """

    def __init__(self, sock: socket.socket, make_lock: MakeLock) -> None:
        """Take the descriptor of ``sock``, which is of no use afterwards."""
        timeout = sock.gettimeout()
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.settimeout(timeout)
        # Guards the layers; see the module's docstring.
        self._lock = make_lock()
        # The outermost first. Appended to while one thread alone knows this socket.
        self._layers: list[_Layer] = []
        # Records that the kernel has not taken yet. Sender only; its length, anybody.
        self._outbox = bytearray()
        # Bytes of plain text that are encrypted, but not reported as sent. Sender only.
        self._unreported = 0

    def start_tls(self, context: ssl.SSLContext, server_hostname: str, deadline: Deadline) -> None:
        """Add a layer inside those that are there, and shake hands.

        Raises TimeoutError at the deadline, and OSError, of which ``ssl.SSLError`` is one.
        """
        layer = _Layer(context, server_hostname)
        self._layers.append(layer)
        is_done = False
        while not is_done:
            try:
                with self._lock, contextlib.suppress(ssl.SSLWantReadError):
                    self._move_inward()
                    layer.tls.do_handshake()
                    is_done = True
            except ssl.SSLError:
                # The alert that tells the peer why we refuse it; it may have left.
                with contextlib.suppress(OSError):
                    self._send_pending(deadline)
                raise
            self._send_pending(deadline)
            if not is_done:
                self._receive_more(deadline.at)
        self.settimeout(deadline.left())

    @property
    def pending_bytes(self) -> int:
        """Bytes, TLS's own included, that wait here for room in the kernel."""
        return len(self._outbox)

    # --- sending ------------------------------------------------------------------------------

    def send(self, data: Any, flags: int = 0) -> int:
        """Send up to 64 KiB. Raises OSError, and TimeoutError while not all of them are out."""
        _refuse_flags(flags)
        return self._send(memoryview(data).cast("B"), self._until())

    def sendall(self, data: Any, flags: int = 0) -> None:
        _refuse_flags(flags)
        rest, until = memoryview(data).cast("B"), self._until()
        while rest:
            rest = rest[self._send(rest, until) :]

    def _send(self, data: memoryview, until: float | None) -> int:
        if not self._unreported and data:
            with self._lock:
                self._unreported = self._layers[-1].tls.write(data[:SLICE_SIZE])
                self._move_outward()
        self._flush(until)
        count, self._unreported = self._unreported, 0
        return count

    def _move_outward(self) -> None:
        """Pass what each layer wants sent through those around it. Requires holding _lock."""
        for outer, inner in reversed(list(pairwise(self._layers))):
            if records := inner.outgoing.read():
                outer.tls.write(records)
        self._outbox += self._layers[0].outgoing.read()

    def _flush(self, until: float | None) -> None:
        while self._outbox:
            self._wait(selectors.EVENT_WRITE, until)
            del self._outbox[: super().send(self._outbox)]

    def _send_pending(self, deadline: Deadline) -> None:
        with self._lock:
            self._move_outward()
        self._flush(deadline.at)

    # --- receiving ----------------------------------------------------------------------------

    def recv(self, bufsize: int = 1024, flags: int = 0) -> bytes:
        """Return what came, b"" at the end. Raises OSError, TimeoutError when nothing came."""
        _refuse_flags(flags)
        until = self._until()
        while True:
            with self._lock:
                self._move_inward()
                data = self._layers[-1].read(bufsize)
            if data is not None:
                return data
            self._receive_more(until)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def _move_inward(self) -> None:
        """Pass what each layer received on to the next. Requires holding _lock."""
        for outer, inner in pairwise(self._layers):
            while (data := outer.read(READ_SIZE)) is not None:
                inner.feed(data)
                if not data:
                    break

    def _receive_more(self, until: float | None) -> None:
        self._wait(selectors.EVENT_READ, until)
        data = super().recv(READ_SIZE)
        with self._lock:
            self._layers[0].feed(data)

    # --- waiting ------------------------------------------------------------------------------

    def _until(self) -> float | None:
        """Return when a call that starts now must end."""
        timeout = self.gettimeout()
        return None if timeout is None else time.monotonic() + timeout

    def _wait(self, event: int, until: float | None) -> None:
        """Wait for the socket, which a shutdown wakes. Raises TimeoutError and OSError."""
        timeout = None if until is None else max(until - time.monotonic(), 0)
        if self.fileno() < 0:
            raise OSError(errno.EBADF, "the socket is closed")
        with _Selector() as selector:
            selector.register(self, event)
            if not selector.select(timeout):
                raise TimeoutError("timed out")

    # --- what TLS knows -----------------------------------------------------------------------

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Return the certificate of the innermost layer's peer, as ``SSLSocket`` does."""
        return self._layers[-1].tls.getpeercert(binary_form)

    def version(self) -> str | None:
        return self._layers[-1].tls.version()

    # --- what would go around TLS -------------------------------------------------------------

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError("only send, sendall, recv and recv_into go through TLS")

    sendto = sendmsg = sendfile = _refuse
    recvfrom = recvfrom_into = recvmsg = recvmsg_into = dup = _refuse


def _refuse_flags(flags: int) -> None:
    if flags:
        raise ValueError("TLS knows no flags")


def count_held(sock: socket.socket) -> int | None:
    """Return the bytes that have not left yet, or None where the kernel cannot tell."""
    held = count_unsent(sock)
    if held is not None and isinstance(sock, TLSStack):
        held += sock.pending_bytes
    return held
