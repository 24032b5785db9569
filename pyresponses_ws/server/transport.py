"""What lies under uvicorn's protocols: a transport that takes no writes once it is lost."""

from __future__ import annotations

import asyncio
from typing import Any


class GuardedTransport:
    """asyncio's transport, but knowing at once that its connection is lost; for one event loop.

    A TLS transport of asyncio says that it is open until its protocol has been told of the loss,
    two turns of the loop later. Whoever writes meanwhile gets no error, and from the fifth time on
    asyncio logs "socket.send() raised exception." The TCP transport below it knows at once.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        *,
        stall_timeout: float,
    ) -> None:
        self._transport = transport
        #: Watches whether the peer takes what is written to it; its protocol says when.
        self.stall = StallTimer(self, loop, stall_timeout)
        # There is no public way to it. Should the names change, TLS is as stock asyncio has it.
        below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
        self._tcp: asyncio.Transport = below or transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Say whether the connection is lost or being closed."""
        return self._tcp.is_closing() or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write, or forget it if the connection is lost; the protocol hears of that by itself."""
        if not self.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close once all is written; a peer that takes nothing of it is not waited for."""
        if self._transport.is_closing() and not self._tcp.is_closing():
            # A TLS transport that is closed twice forgets what it still has to write.
            return
        is_waiting = not self.is_closing() and self.get_write_buffer_size() > 0
        self._transport.close()
        if is_waiting:
            self.stall.start()

    def get_write_buffer_size(self) -> int:
        """Return the bytes that wait, before and after encryption."""
        size = self._transport.get_write_buffer_size()
        return size if self._tcp is self._transport else size + self._tcp.get_write_buffer_size()


class StallTimer:
    """Cuts a connection whose peer takes nothing of what is written to it for ``timeout`` seconds.

    Its owner tells when the transport wants no more, and when it does again.
    """

    def __init__(
        self, transport: GuardedTransport, loop: asyncio.AbstractEventLoop, timeout: float
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._timeout = timeout
        # Set while the transport wants no more.
        self._timer: asyncio.TimerHandle | None = None
        # Bytes that waited when the timer was set.
        self._waiting = 0

    @property
    def is_running(self) -> bool:
        """Whether the peer is being watched."""
        return self._timer is not None

    def start(self) -> None:
        """Watch from now on; idempotent."""
        if self._timer is None:
            self._waiting = self._transport.get_write_buffer_size()
            self._timer = self._loop.call_later(self._timeout, self._check)

    def cancel(self) -> None:
        """Stop watching; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._transport.get_write_buffer_size() >= self._waiting:
            self._transport.abort()
        else:
            self.start()
