"""HTTP without a socket: a test says what is answered, and sees what was posted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Literal

from pyresponses_ws._runtime.clock import Clock
from pyresponses_ws._transport.base import Check, HTTPRequest
from pyresponses_ws.errors import ConnectionLostError

#: Real seconds after which a rendezvous gives up: the code under test never came.
_PATIENCE = 10.0
#: Seconds on the test's clock between two checks of a call that waits.
_SLICE = 0.25


def sse(*events: Mapping[str, Any]) -> bytes:
    """Write events as a stream does."""
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What one call gets."""

    status: int = 200
    headers: Mapping[str, str] = field(
        default_factory=lambda: {"content-type": "text/event-stream"}
    )
    #: Each is what one read brings; a regular end follows, unless the body ``is_open``.
    body: Sequence[bytes] = ()
    is_open: bool = False
    #: Raised with nothing sent, or with the request out.
    connect_error: Exception | None = None
    send_error: Exception | None = None
    #: Stand still there, until the call is aborted or its check raises.
    holds: Literal["connect", "head"] | None = None

    @classmethod
    def of(cls, *events: Mapping[str, Any], **facts: Any) -> Reply:
        """A stream that brings these events in one read."""
        return cls(body=[sse(*events)] if events else [], **facts)

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> Reply:
        """An answer in one piece."""
        known = {name.replace("_", "-"): text for name, text in headers.items()}
        kind = {"content-type": "application/json"}
        return cls(status=status, headers=kind | known, body=[json.dumps(value).encode()])

    @classmethod
    def page(cls, text: str, status: int) -> Reply:
        """A gateway's page."""
        return cls(status=status, headers={"content-type": "text/html"}, body=[text.encode()])


#: A reply, or what makes one of the body that was posted.
Plan = Reply | Callable[[dict[str, Any]], Reply]


class ScriptedCall:
    """Stands in for one HTTP call. Its waits are on the test's clock."""

    def __init__(
        self, plan: Plan, request: HTTPRequest, clock: Clock, check: Check, sent: SimpleQueue[Any]
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._check = check
        self._sent = sent
        # What reads bring: bytes, an exception, or None for "look up".
        self._inbound: SimpleQueue[bytes | Exception | None] = SimpleQueue()
        self.request = request
        #: The body that was posted, once it was.
        self.body: dict[str, Any] = {}
        self.is_aborted = False
        self.is_disposed = False
        self.bytes_sent = self.bytes_received = 0
        self.is_reused = False
        self.connect_ms: float | None = 1.0
        self.status = 0
        self.headers: Mapping[str, str] = {}
        #: What ``unsent_bytes`` reports.
        self.unsent = 0

    # --- the test's side ----------------------------------------------------------------------

    def feed(self, *events: Mapping[str, Any]) -> None:
        """Make events arrive in one read."""
        self._inbound.put(sse(*events))

    def finish(self) -> None:
        """End the body as HTTP ends one."""
        self._inbound.put(b"")

    def cut(self, reason: str = "reset") -> None:
        """End the connection before the body's end."""
        self._inbound.put(ConnectionLostError("the connection was lost", reason=reason))

    # --- the runtime's side -------------------------------------------------------------------

    def send(self, *, on_sent: Callable[[], None]) -> None:
        given = json.loads(self.request.body or b"{}")
        reply = self._plan if isinstance(self._plan, Reply) else self._plan(given)
        if reply.connect_error is not None:
            raise reply.connect_error
        if reply.holds == "connect":
            self._sent.put(self)
            self._take()
        self.bytes_sent += len(self.request.body or b"")
        self.body = given
        on_sent()
        self._sent.put(self)
        if reply.send_error is not None:
            raise reply.send_error
        if reply.holds == "head":
            self._take()
        self.status, self.headers = reply.status, reply.headers
        for piece in reply.body:
            self._inbound.put(piece)
        if not reply.is_open:
            self.finish()

    def read(self) -> bytes:
        piece = self._take()
        self.bytes_received += len(piece)
        return piece

    def _take(self) -> bytes:
        while not self.is_aborted:
            try:
                piece = self._clock.get(self._inbound, self._clock.now() + _SLICE)
            except Empty:
                self._check()
                continue
            if isinstance(piece, Exception):
                raise piece
            if piece is not None:
                return bytes(piece)
        raise ConnectionLostError("the connection was lost: aborted", reason="aborted")

    def unsent_bytes(self) -> int | None:
        return self.unsent

    def abort(self) -> None:
        self.is_aborted = True
        self._inbound.put(None)

    def dispose(self) -> None:
        self.is_disposed = True


class ScriptedHTTP:
    """Stands in for a client's HTTP connections; the n-th call gets the n-th plan.

    ``next_call`` waits for a call whose request is out (or that holds in its connect).
    """

    def __init__(self, clock: Clock, *plans: Plan) -> None:
        self._clock = clock
        self._plans: Iterator[Plan] = iter(plans)
        self._sent: SimpleQueue[ScriptedCall] = SimpleQueue()
        #: Every call so far.
        self.calls: list[ScriptedCall] = []
        self.is_closed = False

    def next_call(self) -> ScriptedCall:
        """Wait for the next call that was not taken yet. Raises TimeoutError."""
        try:
            return self._sent.get(timeout=_PATIENCE)
        except Empty:
            raise TimeoutError("nothing was posted") from None

    def start(
        self, request: HTTPRequest, *, check: Check, connect_timeout: float, send_timeout: float
    ) -> ScriptedCall:
        call = ScriptedCall(next(self._plans), request, self._clock, check, self._sent)
        self.calls.append(call)
        return call

    def close(self) -> None:
        self.is_closed = True
