"""The HTTP side without sockets, by the scheduler's rules: POSTs that break wherever they can."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from pyresponses_ws._transport.base import SEND_TIMED_OUT, Check, HTTPRequest
from pyresponses_ws.errors import ConnectError, ConnectionLostError
from tests.simulation.peer import Peer, Wire
from tests.simulation.scheduler import Scheduler

#: Seconds between two calls of a call's check.
SLICE = 0.5
#: Reason by which a wire says that the body is over, and not broken off.
WHOLE = "whole"
#: Statuses of answers that come instead of a stream.
STATUSES = (401, 404, 408, 429, 500, 503)


class SimHTTPPool:
    """The connections of one client; see ``_transport.base.HTTPPool``."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        #: Connections that no call uses.
        self.idle = 0
        #: Calls whose socket is neither shut down nor let go of; and bytes of all calls.
        self.busy = 0
        self.bytes_sent = self.bytes_received = 0

    def start(
        self, request: HTTPRequest, *, check: Check, connect_timeout: float, send_timeout: float
    ) -> SimHTTPCall:
        self.peer.scheduler.point("start a call")
        return SimHTTPCall(self, request, check, connect_timeout, send_timeout)

    def close(self) -> None:
        self.peer.scheduler.point("close the pool")
        self.idle = 0


class SimHTTPCall:
    """One POST and its answer; see ``_transport.base.HTTPCall``."""

    def __init__(
        self,
        pool: SimHTTPPool,
        request: HTTPRequest,
        check: Check,
        connect_timeout: float,
        send_timeout: float,
    ) -> None:
        self._pool = pool
        self._peer = pool.peer
        self._scheduler: Scheduler = pool.peer.scheduler
        self._body = request.body or b""
        self._check = check
        self._connect_timeout = connect_timeout
        self._send_timeout = send_timeout
        self._wire: Wire | None = None
        self._pieces: deque[bytes] = deque()
        self._is_inside = self._is_whole = self._is_open = False
        self._is_aborted = self.is_disposed = False
        self.bytes_sent = self.bytes_received = 0
        self.is_reused = False
        self.connect_ms: float | None = None
        self.status = 0
        self.headers: Mapping[str, str] = {}

    # --- the call -------------------------------------------------------------------------------

    def send(self, *, on_sent: Callable[[], None]) -> None:
        self._is_inside = True
        try:
            self._connect()
            self._write()
            on_sent()
            self._wait_for_head()
        except BaseException:
            self._is_aborted = True
            self._let_go()
            raise
        finally:
            self._is_inside = False

    def _connect(self) -> None:
        peer = self._peer
        if self._pool.idle and not peer.happens():
            self._pool.idle -= 1
            self.is_reused = True
        else:
            if peer.happens():
                self._wait(self._connect_timeout, "connect in vain")
                raise ConnectError("timed out", stage="tcp")
            self._wait(peer.rng.choice((0.0, 0.05)), "connect")
            self.connect_ms = 50.0
        if self._is_aborted:
            raise ConnectError("aborted", stage="tcp")
        self._wire = Wire(peer)
        self._pool.busy += 1
        self._is_open = True

    def _write(self) -> None:
        peer, wire = self._peer, self._live_wire()
        if peer.happens(0.5):
            self.bytes_sent += 1
            stuck = peer.rng.random() < 0.5
            self._wait(self._send_timeout if stuck else 0.0, "send in vain")
            raise ConnectionLostError("lost", reason=SEND_TIMED_OUT if stuck else "reset")
        self._scheduler.point("post")
        if self._is_aborted:
            raise ConnectionLostError("aborted", reason="aborted")
        self.bytes_sent += len(self._body)
        self._answer(wire, json.loads(self._body))

    def _answer(self, wire: Wire, command: dict[str, Any]) -> None:
        """Have the server answer: by a stream, by a whole response, or by a refusal."""
        foreign = {"type", "stream_id", "generate", "client_metadata"} & set(command)
        assert not foreign, f"fields of the WebSocket went over HTTP: {foreign}"
        answer = self._peer.answer(command)
        frames, rng = answer.frames, self._peer.rng
        self.status, self.headers = 200, {"content-type": "text/event-stream"}
        if not answer.runs:
            self.status = rng.choice(STATUSES)
            self.headers = {"content-type": "application/json"}
            wire.say([json.dumps(frames[0])], ends_as=WHOLE)
        elif answer.output and rng.random() < 0.1:
            response = {**frames[-1]["response"], "output": answer.output}
            self.headers = {"content-type": "application/json"}
            wire.say([json.dumps(response)], ends_as=WHOLE)
        else:
            texts = [f"data: {json.dumps(frame)}\n\n" for frame in [*frames, *answer.late]]
            wire.say(texts, ends_as=WHOLE if answer.ends else None)

    def _wait_for_head(self) -> None:
        wire = self._live_wire()
        while not wire.is_due():
            self._wait_once(wire, "await the head")

    def read(self) -> bytes:
        self._is_inside = True
        try:
            return self._read()
        except BaseException:
            self._is_aborted = True
            self._let_go()
            raise
        finally:
            self._is_inside = False

    def _read(self) -> bytes:
        wire = self._live_wire()
        while not self._pieces and not self._is_whole:
            if not wire.is_due():
                self._wait_once(wire, "read")
                continue
            arrival = wire.take()
            if arrival.close is not None and arrival.close.reason != WHOLE:
                raise ConnectionLostError("lost", reason="lost")
            self._is_whole = arrival.close is not None
            self._pieces.extend(self._split((arrival.text or "").encode()))
        return self._pieces.popleft() if self._pieces else b""

    def _split(self, data: bytes) -> list[bytes]:
        """Cut at random: a stream has no frames."""
        self.bytes_received += len(data)
        if len(data) > 1 and self._peer.rng.random() < 0.3:
            cut = self._peer.rng.randrange(1, len(data))
            return [data[:cut], data[cut:]]
        return [data] if data else []

    def _live_wire(self) -> Wire:
        if self._wire is None or self.is_disposed:
            self._scheduler.fail("a call is used that is not open")
        assert self._wire is not None
        return self._wire

    def _wait_once(self, wire: Wire, where: str) -> None:
        """Wait for something to come, for a slice at most. Raises what the check raises."""
        self._check()
        now = self._scheduler.now()
        until = min(now + SLICE, wire.next_at() or now + SLICE)
        self._scheduler.wait(lambda: self._is_aborted or wire.is_due(), until, where)
        if self._is_aborted:
            raise ConnectionLostError("aborted", reason="aborted")

    def _wait(self, seconds: float, where: str) -> None:
        """Let time pass in slices, unless ``abort`` ends it. Raises what the check raises."""
        ends_at = self._scheduler.now() + seconds
        while self._scheduler.now() < ends_at and not self._is_aborted:
            self._check()
            until = min(self._scheduler.now() + SLICE, ends_at)
            self._scheduler.wait(lambda: self._is_aborted, until, where)
        self._check()

    # --- the end --------------------------------------------------------------------------------

    def unsent_bytes(self) -> int | None:
        return 0

    def abort(self) -> None:
        self._is_aborted = True
        # The socket is shut down; its descriptor goes with the call at the latest.
        self._let_go()
        self._scheduler.point("abort a call")

    def _let_go(self) -> None:
        self._pool.busy -= self._is_open
        self._is_open = False

    def dispose(self) -> None:
        if self._is_inside:
            self._scheduler.fail("a call was disposed of while somebody waits in it")
        if self._wire is not None and not self.is_disposed:
            self._pool.idle += self._is_whole and not self._is_aborted
        self._let_go()
        self.is_disposed = True
        self._scheduler.point("dispose of a call")
