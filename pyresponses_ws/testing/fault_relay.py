"""One connection through a ``FaultProxy``: two sockets, and what becomes of what they say."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import time
from collections.abc import Callable, Sequence
from functools import partial

from pyresponses_ws.testing.fault_pipe import Pipe
from pyresponses_ws.testing.faults import (
    ConnectionFault,
    Corrupt,
    Cut,
    Delay,
    Duplicate,
    HalfClose,
    Reset,
    Stall,
    Trickle,
    Way,
    Ways,
)

#: Bytes of one read.
_READ_SIZE = 64 * 1024
#: SO_LINGER with a time of 0: the close sends an RST.
_NO_LINGER = struct.pack("ii", 1, 0)


class _End:
    """One of the two sockets."""

    def __init__(self, sock: socket.socket, *, inbound: Pipe, outbound: Pipe) -> None:
        self.sock = sock
        #: What this end says, and what it is told.
        self.inbound = inbound
        self.outbound = outbound
        self.is_connecting = False
        #: The socket is closed: its end came as an error, or we reset it.
        self.is_gone = False
        #: What the selector watches for now.
        self.events = 0

    def wanted_events(self, now: float) -> int:
        if self.is_connecting:
            return selectors.EVENT_WRITE
        pipe = self.inbound
        reads = not pipe.has_ended and (pipe.is_cut or pipe.has_room)
        writes = bool(self.outbound.ready(now))
        return (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if writes else 0)

    @property
    def is_over(self) -> bool:
        """It has said its last, and has been told the other's, as far as it is to know it."""
        is_told = self.outbound.is_finished or self.outbound.is_stalled
        return self.is_gone or (self.inbound.has_ended and is_told)


class Relay:
    """Carries one connection. Everything runs on the proxy's thread."""

    def __init__(
        self,
        client: socket.socket,
        selector: selectors.BaseSelector,
        *,
        on_fault: Callable[[], None],
        on_end: Callable[[Relay], None],
    ) -> None:
        self._selector = selector
        self._on_fault = on_fault
        self._on_end = on_end
        self._pipes = {"up": Pipe(self._strike), "down": Pipe(self._strike)}
        up, down = self._pipes["up"], self._pipes["down"]
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._client = _End(client, inbound=up, outbound=down)
        self._server = _End(server, inbound=down, outbound=up)
        self._ends = (self._client, self._server)
        # A fault asks for an RST once what has passed is written.
        self._is_reset_due = False
        self._is_over = False
        #: When ``settle`` must be called though nothing has happened; None for never.
        self.due: float | None = None

    def start(self, target: tuple[str, int], faults: Sequence[ConnectionFault]) -> None:
        """Begin: harm what is to be harmed at once, then connect to the server."""
        for end in self._ends:
            end.sock.setblocking(False)
            with contextlib.suppress(OSError):  # some systems refuse it for a client that has left
                end.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._take_on(faults)
        if self._is_reset_due or (self._pipes["up"].is_cut and self._pipes["down"].is_cut):
            self._close(self._server)
        else:
            self._server.is_connecting = True
            self._server.sock.connect_ex(target)
        self.settle()

    def add(self, faults: Sequence[ConnectionFault]) -> None:
        """Harm the connection from now on."""
        self._take_on(faults)
        self.settle()

    def heal(self) -> None:
        """Forget every fault; what is cut stays cut."""
        for pipe in self._pipes.values():
            pipe.heal(time.monotonic())
        self.settle()

    def end(self) -> None:
        """Close both sockets. Idempotent."""
        if self._is_over:
            return
        self._is_over = True
        for end in self._ends:
            self._close(end)
        self._on_end(self)

    def describe(self) -> str:
        """Say what has passed, for whoever waits in vain."""
        said = [
            f"{way} {pipe.meter.bytes} bytes"
            + (" of TLS" if pipe.meter.is_tls else f" and {pipe.meter.frames} frames")
            for way, pipe in self._pipes.items()
        ]
        return ", ".join(said)

    # --- faults -------------------------------------------------------------------------------

    def _take_on(self, faults: Sequence[ConnectionFault]) -> None:
        for fault in faults:
            if fault.is_at_once:
                self._strike(fault)
            else:
                self._pipes[fault.watched].arm(fault)

    def _strike(self, fault: ConnectionFault) -> None:
        now = time.monotonic()
        match fault:
            case Reset():
                self._is_reset_due = True
                self._cut("both")
            case Cut():
                self._cut("both")
            case HalfClose():
                self._cut(fault.way)
            case Duplicate() if fault.length is None and not self._is_behind_message(fault.way):
                self._pipes[fault.way].arm_behind_message(fault)
                return
            case Duplicate():
                self._pipes[fault.way].repeat(fault.length, now)
            case Corrupt():
                self._pipes[fault.way].spoil(skip=fault.skip, length=fault.length)
            case Stall() | Delay() | Trickle():
                self._slow(fault)
        self._on_fault()

    def _is_behind_message(self, way: Way) -> bool:
        return self._pipes[way].meter.is_behind_message

    def _slow(self, fault: Stall | Delay | Trickle) -> None:
        for pipe in self._select(fault.way):
            if isinstance(fault, Stall):
                pipe.is_stalled = True
            elif isinstance(fault, Delay):
                pipe.delay = fault.seconds
            else:
                pipe.pace = (fault.size, fault.pause)

    def _cut(self, way: Ways) -> None:
        for pipe in self._select(way):
            pipe.cut()

    def _select(self, way: Ways) -> list[Pipe]:
        return list(self._pipes.values()) if way == "both" else [self._pipes[way]]

    # --- sockets ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Write what may be written, tell of ends that are due, and see what to wait for."""
        now = time.monotonic()
        if self._pipes["down"].meter.is_upgraded:
            # What the client says from here on is frames too.
            self._pipes["up"].meter.upgrade()
        for end in self._ends:
            if not end.is_gone and not end.is_connecting:
                self._flush(end, now)
        if self._is_reset_ready() or any(self._is_told_by_error(end) for end in self._ends):
            self._reset()
        if all(end.is_over for end in self._ends):
            self.end()
        for end in self._ends:
            if not end.is_gone:
                self._wait_for(end, end.wanted_events(now))
        times = [due for end in self._ends if (due := end.outbound.due(now)) is not None]
        self.due = min(times, default=None)

    def _is_reset_ready(self) -> bool:
        """What has passed before the RST is written, as far as it can be."""
        waits = any(end.is_connecting and not end.outbound.is_drained for end in self._ends)
        return self._is_reset_due and not waits

    def _is_told_by_error(self, end: _End) -> bool:
        """The end is gone, and the other one is to learn of it now."""
        pipe = end.inbound
        return end.is_gone and pipe.is_drained and not pipe.is_stalled and not pipe.is_cut

    def _flush(self, end: _End, now: float) -> None:
        pipe = end.outbound
        while data := pipe.ready(now):
            try:
                count = end.sock.send(data)
            except BlockingIOError:
                return
            except OSError:
                self._lose(end)
                return
            pipe.wrote(count, now)
        # After a FIN an RST would come too late.
        if pipe.is_end_due and not self._is_reset_due:
            pipe.is_finished = True
            with contextlib.suppress(OSError):
                end.sock.shutdown(socket.SHUT_WR)

    def _serve(self, end: _End, mask: int) -> None:
        """React to what the selector saw."""
        if end.is_gone:
            return
        if end.is_connecting:
            self._finish_connect(end)
        elif mask & selectors.EVENT_READ:
            self._read(end)
        self.settle()

    def _finish_connect(self, end: _End) -> None:
        end.is_connecting = False
        if end.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._lose(end)

    def _read(self, end: _End) -> None:
        try:
            data = end.sock.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self._lose(end)
            return
        if not data:
            end.inbound.has_ended = True
            return
        end.inbound.receive(data, time.monotonic())

    def _lose(self, end: _End) -> None:
        """Take note that a socket is broken."""
        end.outbound.cut()
        self._close(end)

    def _reset(self) -> None:
        for end in self._ends:
            if not end.is_gone:
                with contextlib.suppress(OSError):
                    end.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.end()

    def _close(self, end: _End) -> None:
        self._wait_for(end, 0)
        end.is_gone = True
        end.sock.close()

    def _wait_for(self, end: _End, events: int) -> None:
        """Have the selector watch for these events, 0 for none."""
        if events == end.events:
            return
        if not end.events:
            self._selector.register(end.sock, events, partial(self._serve, end))
        elif events:
            self._selector.modify(end.sock, events, partial(self._serve, end))
        else:
            self._selector.unregister(end.sock)
        end.events = events
