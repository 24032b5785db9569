"""When a connect reached which stage, told by the sockets that it showed."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from pyresponses_ws.diagnosis.facts import STAGES, Stage

#: What a socket was when it was shown: one that only wakes a look-up, one on its way, one that is
#: connected, one that speaks TLS.
State = Literal["waker", "connecting", "connected", "tls"]


class Mark(NamedTuple):
    """One look at one socket."""

    #: Seconds on the clock of the trace.
    at: float
    state: State


class Session(NamedTuple):
    """A TLS session, as its socket told."""

    version: str
    #: The peer's certificate.
    der: bytes


class Trace:
    """Keeps what a transport shows while it connects. Belongs to one thread."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.marks: list[Mark] = []
        #: The one shown last: in the end, the one that carries the WebSocket.
        self.sock: socket.socket | None = None
        #: Address of the peer that answered.
        self.address: str | None = None
        # The latest socket that was connected.
        self._connected: socket.socket | None = None
        #: The latest TLS session.
        self.session: Session | None = None

    def note(self, sock: socket.socket) -> None:
        """Take a look at a socket; see ``on_socket`` of a transport."""
        self.sock = sock
        self.marks.append(Mark(self._now(), self._state_of(sock)))

    def _state_of(self, sock: Any) -> State:
        # A look-up is woken by a pair of sockets, whose family reaches no server.
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return "waker"
        with contextlib.suppress(OSError):
            self.address = sock.getpeername()[0]
            self._connected = sock
        if not hasattr(sock, "getpeercert"):
            # One that was connected stays so, whatever its peer has done since.
            return "connected" if sock is self._connected else "connecting"
        # The handshake may be still to come, or the first layer of TLS.
        with contextlib.suppress(ValueError, OSError, IndexError):
            self.session = Session(sock.version(), sock.getpeercert(binary_form=True) or b"")
        return "tls"


def time_stages(
    marks: list[Mark], stage: Stage, *, end: float, proxy_scheme: str | None, is_secure: bool
) -> dict[str, float]:
    """Return the milliseconds of each stage from the first socket to ``end``.

    ``stage`` is the last one that the connect reached; ``is_secure`` says that TLS is one of them.
    """
    starts = _starts([mark for mark in marks if mark.state != "waker"], proxy_scheme)
    left_out = set() if is_secure else {"tls"}
    reached = STAGES[: STAGES.index(stage) + 1]
    entered = [name for name in reached if name in starts and name not in left_out]
    moments = [*(starts[name] for name in entered), end]
    spans = zip(entered, moments, moments[1:], strict=False)
    return {name: (after - before) * 1000 for name, before, after in spans}


def _starts(marks: list[Mark], proxy_scheme: str | None) -> dict[Stage, float]:
    """Return when each stage began, as far as the marks tell."""
    starts: dict[Stage, float] = {}
    if not marks:
        return starts
    starts["tcp"] = marks[0].at
    connected = [mark.at for mark in marks if mark.state != "connecting"]
    if not connected:
        return starts
    if proxy_scheme is not None:
        starts["proxy"] = connected[0]
    tls = [mark.at for mark in marks if mark.state == "tls"]
    # The first TLS with an https:// proxy is its own; the next look is at the open tunnel.
    own = tls[1:] if proxy_scheme == "https" else tls
    if own:
        starts["tls"] = own[0]
    starts["upgrade"] = connected[-1]
    return starts
