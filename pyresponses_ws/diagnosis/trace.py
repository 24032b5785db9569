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
    #: Tells sockets apart, that of TLS from that of TCP below it too.
    number: int


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
        #: The latest TLS session.
        self.session: Session | None = None
        # In the order of their first mark.
        self._socks: list[socket.socket] = []

    def note(self, sock: socket.socket) -> None:
        """Take a look at a socket; see ``on_socket`` of a transport."""
        if not any(sock is known for known in self._socks):
            self._socks.append(sock)
        number = next(n for n, known in enumerate(self._socks) if sock is known)
        self.sock = sock
        self.marks.append(Mark(self._now(), self._state_of(sock), number))

    def _state_of(self, sock: Any) -> State:
        # A look-up is woken by a pair of sockets, whose family reaches no server.
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return "waker"
        try:
            self.address = sock.getpeername()[0]
        except OSError:
            return "connecting"
        if not hasattr(sock, "getpeercert"):
            return "connected"
        with contextlib.suppress(ValueError, OSError):  # the handshake is still to come
            self.session = Session(sock.version(), sock.getpeercert(binary_form=True) or b"")
        return "tls"


def time_stages(
    marks: list[Mark], stage: Stage, *, end: float, proxy_scheme: str | None
) -> dict[str, float]:
    """Return the milliseconds of each stage from the first socket to ``end``.

    ``stage`` is the last one that the connect reached.
    """
    starts = _starts([mark for mark in marks if mark.state != "waker"], proxy_scheme)
    reached = STAGES.index(stage)
    entered = [name for name in STAGES[: reached + 1] if name in starts]
    moments = [starts[name] for name in entered] + [end]
    return {
        name: (after - before) * 1000
        for name, before, after in zip(entered, moments, moments[1:], strict=False)
    }


def _starts(marks: list[Mark], proxy_scheme: str | None) -> dict[Stage, float]:
    """Return when each stage began, as far as the marks tell."""
    starts: dict[Stage, float] = {}
    if not marks:
        return starts
    starts["tcp"] = marks[0].at
    connected = [mark for mark in marks if mark.state != "connecting"]
    if proxy_scheme and connected:
        starts["proxy"] = connected[0].at
    # Before an https:// proxy, the first TLS is that of the proxy.
    sessions = list(dict.fromkeys(mark.number for mark in marks if mark.state == "tls"))
    own = sessions[1:] if proxy_scheme == "https" else sessions
    if own:
        starts["tls"] = next(mark.at for mark in marks if mark.number == own[0])
    if connected:
        starts["upgrade"] = marks[-1].at
    return starts
