"""One live socket: who may send on it, whose the events are, and how it ends.

The reader thread holds the link, the link holds the transport, and neither holds the pool, session
or client above it, so that these can be collected while the reader waits.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence

from pyresponses_ws import codec
from pyresponses_ws._protocol.lanes import Abandonment, Lanes
from pyresponses_ws._protocol.link import (
    ACCEPTS_TURNS,
    CARRIES_EVENTS,
    LINK_LIFE,
    LinkSignal,
    LinkState,
)
from pyresponses_ws._protocol.machine import advance
from pyresponses_ws._runtime.mailbox import Sink
from pyresponses_ws._runtime.owner import Owner
from pyresponses_ws._runtime.routing import Run, put_all, route_all
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws._runtime.vitals import Vitals
from pyresponses_ws._runtime.writer import SendError, Writer
from pyresponses_ws._transport.base import SEND_TIMED_OUT, Close, Endpoint, Transport
from pyresponses_ws.errors import ClosedError, ConnectError, ConnectionLostError, ProtocolError
from pyresponses_ws.events import Event
from pyresponses_ws.report import LinkReport

#: Seconds that a failed send waits for the reader to learn the close code.
_VERDICT_WAIT = 1.0


class Link:
    """One socket and the turns on it. Safe for any thread.

    Locks, in the order in which they may be taken: the writer's, then ``_lock``.
    """

    def __init__(
        self,
        *,
        number: int,
        host: str,
        transport: Transport,
        threads: Threads,
        owner: Owner,
        closes_when_idle: bool,
        on_ended: Callable[[Link], None],
        wake_keeper: Callable[[], None],
    ) -> None:
        self.number = number
        self.host = host
        self.transport = transport
        self.threads = threads
        self.closes_when_idle = closes_when_idle
        self.writer = Writer(transport, threads)
        #: Opens when the reader has ended and ``close`` is set.
        self.ended = threads.latch()
        #: How it ended; written once, by the reader, before ``ended`` opens.
        self.close: Close | None = None
        #: When things happened here.
        self.vitals = Vitals(transport, threads.clock)
        #: Id of the last response that completed here; the server still holds its state.
        #: Written by the reader only.
        self.latest_response_id: str | None = None
        # Weak: the reader must not keep the owner alive.
        self._owner = weakref.ref(owner)
        # Tells the client's tally and hook, whether or not the owner still lives.
        self._on_ended = on_ended
        # The keeper's thread ends with its last link.
        self._wake_keeper = wake_keeper
        # Guards what follows; never held across I/O, a put, a callback or a wait.
        self._lock = threads.lock()
        self._state = LinkState.CONNECTING
        self._lanes: Lanes[Sink] = Lanes()
        # Who sent last, while anything runs: a close that comes now answers that turn.
        self._last_sender: Sink | None = None
        # Why we cut the link ourselves; the reader prefers it to what the socket says.
        self._verdict: Close | None = None

    # --- life ---------------------------------------------------------------------------------

    def open(
        self,
        make_endpoint: Callable[[], Endpoint],
        *,
        timeout: float,
        start_reader: Callable[[Link], None],
    ) -> None:
        """Connect and start the reader; whatever is raised, the link has ended then."""
        started = self.threads.clock.now()
        has_reader = False
        try:
            self.transport.connect(make_endpoint(), timeout=timeout)
            self.vitals.note_open(started)
            with self._lock:
                self._signal(LinkSignal.CONNECTED)
                if self._lanes.is_quiet:
                    self.vitals.note_quiet()
                if self._state is not LinkState.OPEN:
                    raise ConnectError(f"the connection to {self.host} was closed while opening")
            if (owner := self._owner()) is not None:
                owner.link_opened(self)
                del owner
            start_reader(self)
            has_reader = True
        finally:
            if not has_reader:
                self.abort(Close(reason="opening failed"))
                self.finish(Close(reason="opening failed"))

    def abort(self, verdict: Close) -> None:
        """Cut the socket; the reader then ends every turn with ``verdict``. Never blocks."""
        with self._lock:
            self._signal(LinkSignal.CLOSE)
            self._verdict = self._verdict or verdict
        self.transport.abort()

    def begin_goodbye(self, close: Close, *, if_idle: bool = False) -> bool:
        """Take no more events, the link being closed by us; False when it was not open.

        ``if_idle``: not if a turn runs either.
        """
        with self._lock:
            was_open = self._state in CARRIES_EVENTS
            if if_idle and not (was_open and self._lanes.is_quiet):
                return False
            self._signal(LinkSignal.CLOSE)
            self._verdict = self._verdict or close
            return was_open

    def finish(self, wire: Close) -> None:
        """End every turn, then the socket. The reader's last act; a second call does nothing."""
        with self._lock:
            if self._state is LinkState.CLOSED:
                return
            is_connected = self._state is not LinkState.CONNECTING
            self._signal(LinkSignal.LOST if is_connected else LinkSignal.CONNECT_FAILED)
            self.close = close = self._verdict or wire
            unfinished = self._lanes.lose()
            sender, self._last_sender = self._last_sender, None
        for sink in unfinished:
            sink.lose(close, is_provoked=sink is sender)
        self.ended.open()
        self._wake_keeper()
        try:
            self._on_ended(self)
            owner = self._owner()
            if owner is not None:
                owner.link_ended(self)
        finally:
            self.writer.answer_close(wire)
            self.writer.dispose()

    def _signal(self, signal: LinkSignal) -> None:
        """Move the state. Requires holding _lock."""
        self._state = advance(LINK_LIFE, self._state, signal)

    @property
    def is_open(self) -> bool:
        """A new turn may begin here."""
        return self._state is LinkState.OPEN

    @property
    def is_ended(self) -> bool:
        return self.ended.is_open

    @property
    def is_quiet(self) -> bool:
        """No turn is running."""
        with self._lock:
            return self._lanes.is_quiet

    def report(self) -> LinkReport:
        """Facts for hooks and logs."""
        close = self.close or Close(code=0)
        return LinkReport(
            link=self.number,
            host=self.host,
            connect_ms=self.vitals.connect_ms,
            age=self.vitals.age,
            close_code=close.code or None,
            close_reason=close.reason,
        )

    @property
    def owner(self) -> Owner | None:
        """Whoever opened it, unless that is gone."""
        return self._owner()

    def retire(self) -> None:
        """Take no new turn; go at once if none runs, else when the last one has ended."""
        with self._lock:
            if self._state is not LinkState.CONNECTING:
                self._retire()

    def retire_if_quiet(self) -> bool:
        """Take no new turn from now on, unless one runs; tells whether it is so.

        The socket stays until ``retire`` or ``abort``.
        """
        with self._lock:
            if self._lanes.is_quiet:
                self._signal(LinkSignal.RETIRE)
            return self._lanes.is_quiet

    # --- turns --------------------------------------------------------------------------------

    def begin(self, sink: Sink, lane: str | None = None, *, alone: bool = True) -> bool:
        """Give the lane's next turn to ``sink``; False when the link takes none (now).

        ``alone`` asks for a link on which nothing else runs. Whoever opens a link for a turn calls
        this before ``open``, so that no other thread can take it.
        """
        with self._lock:
            if self._state not in ACCEPTS_TURNS or (alone and not self._lanes.is_quiet):
                return False
            self._lanes.begin(lane, sink)
            self._last_sender, self.vitals.idle_since = sink, None
            return True

    def abandon(self, sink: Sink) -> None:
        """Give the turn up: nothing more of it reaches anybody. Idempotent."""
        with self._lock:
            outcome = self._lanes.abandon(sink)
            if outcome is Abandonment.FENCED:
                self._signal(LinkSignal.RETIRE)
        if outcome is Abandonment.ALONE:
            self.abort(Close(reason="its only turn was abandoned"))

    def is_running(self, sink: Sink) -> bool:
        """The turn waits for its ending here."""
        with self._lock:
            return self._lanes.is_running(sink)

    def is_head(self, sink: Sink) -> bool:
        """Nothing runs before it on its lane, so the server may be working on it."""
        with self._lock:
            return self._lanes.is_head(sink)

    def send(
        self, payload: bytes, *, progress_timeout: float, timeout: float | None = None
    ) -> None:
        """Send one message. Raises SendError once the reader knows why, or after a second."""
        self._send(payload, progress_timeout, timeout, before=lambda: None, withdraw=lambda: None)

    def send_turn(
        self,
        sink: Sink,
        lane: str | None,
        payload: bytes,
        *,
        progress_timeout: float,
        timeout: float | None = None,
    ) -> None:
        """Begin a turn beside others and send it, in one step, so that both have one order.

        A turn of which no byte left is as if it had never begun. Raises ClosedError when the link
        takes no turn, and SendError.
        """

        def begin() -> None:
            if not self.begin(sink, lane, alone=False):
                raise ClosedError("the link is about to close; try again once the next is open")

        def withdraw() -> None:
            with self._lock:
                self._lanes.withdraw(sink)
                if self._lanes.is_quiet:
                    self.vitals.note_quiet()

        self._send(payload, progress_timeout, timeout, before=begin, withdraw=withdraw)

    def _send(
        self,
        payload: bytes,
        progress_timeout: float,
        timeout: float | None,
        *,
        before: Callable[[], None],
        withdraw: Callable[[], None],
    ) -> None:
        is_partial = False

        def on_failure(exc: BaseException, has_begun: bool) -> None:
            nonlocal is_partial
            is_partial = has_begun
            if has_begun:
                self._cut_after(exc)
            else:
                withdraw()

        try:
            self.writer.send(
                payload,
                progress_timeout=progress_timeout,
                timeout=timeout,
                before=before,
                on_failure=on_failure,
            )
        except ConnectionLostError as exc:
            self.transport.abort()
            self.ended.wait(_VERDICT_WAIT)
            close = self.close or Close(reason=exc.reason, cause=exc)
            raise SendError(is_partial=is_partial, close=close) from exc

    def _cut_after(self, exc: BaseException) -> None:
        """Cut the link because a frame is half out.

        A dead socket has its own verdict coming, with the peer's close code; a peer that takes
        nothing, and an interrupt, have none.
        """
        if not isinstance(exc, ConnectionLostError):
            self.abort(Close(reason="a send was interrupted"))
        elif exc.reason == SEND_TIMED_OUT:
            self.abort(Close(reason=exc.reason))

    # --- called by the reader -----------------------------------------------------------------

    def deliver(self, texts: Sequence[str]) -> None:
        """Decode, route and hand over what one read brought. Raises ProtocolError.

        Whatever stood before the fault has been handed over by then.
        """
        events: list[Event] = []
        fault: ProtocolError | None = None
        try:
            codec.parse_events(texts, events)
        except ProtocolError as exc:
            fault = exc
        try:
            self._hand_over(events, texts)
        except ProtocolError as exc:
            fault = exc
        owner = self._owner()
        if owner is not None and events:
            owner.link_received(self, events, texts[: len(events)])
        if fault is not None:
            raise fault

    def _hand_over(self, events: list[Event], texts: Sequence[str]) -> None:
        """Put each event into its sinks, in few puts. Raises ProtocolError."""
        runs: list[Run[Sink]] = []
        try:
            with self._lock:
                route_all(self._lanes, events, runs)
                if self._lanes.is_quiet:
                    self._settle(events)
                self._retire_if_due()
        finally:
            put_all(runs, events, texts)

    def _retire_if_due(self) -> None:
        """Requires holding _lock."""
        lanes = self._lanes
        if lanes.limit_reached or lanes.is_retiring or self._state is LinkState.RETIRING:
            self._retire()

    def _settle(self, events: list[Event]) -> None:
        """Note what the last turn left. Requires holding _lock."""
        self._last_sender = None
        self.vitals.note_quiet()
        if events and events[-1].type == "response.completed":
            response = getattr(events[-1], "response", None)
            self.latest_response_id = getattr(response, "id", None)
            self.vitals.holds_chain = getattr(response, "store", None) is False

    def _retire(self) -> None:
        """Take no new turn, and go when the last one has ended. Requires holding _lock."""
        self._signal(LinkSignal.RETIRE)
        if self._lanes.is_quiet:
            self._signal(LinkSignal.CLOSE)
            self._verdict = self._verdict or Close(reason="retired")
            self.transport.abort()
