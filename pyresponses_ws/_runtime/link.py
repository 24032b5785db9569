"""One live socket: who may send on it, whose the events are, and how it ends.

The reader thread holds the link, the link holds the transport, and neither holds the pool, session
or client above it, so that these can be collected while the reader waits.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

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
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws._runtime.writer import Writer
from pyresponses_ws._transport.base import SEND_TIMED_OUT, Close, Endpoint, Transport
from pyresponses_ws.errors import ClosedError, ConnectError, ConnectionLostError, ProtocolError
from pyresponses_ws.events import Event
from pyresponses_ws.report import LinkReport

#: Who the events from an index on go to.
_Run = tuple[tuple[Sink, ...], int]

#: Seconds that a failed send waits for the reader to learn the close code.
_VERDICT_WAIT = 1.0


class SendError(Exception):
    """The socket is dead. ``is_partial`` says whether a byte of the message may have left."""

    def __init__(self, *, is_partial: bool, close: Close) -> None:
        super().__init__()
        self.is_partial = is_partial
        self.close = close


class Owner(Protocol):
    """What a link tells whoever opened it; called outside locks."""

    def link_opened(self, link: Link) -> None:
        """It is connected, and its reader starts next. What this raises ends the opening."""

    def link_received(self, link: Link, events: list[Event], texts: Sequence[str]) -> None:
        """Every event in order, whosever it is, and its text. On the reader thread."""

    def link_ended(self, link: Link) -> None:
        """The link is closed; its turns know already. On the reader thread."""


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
        on_ended: Callable[[Link], None],
        wake_keeper: Callable[[], None],
    ) -> None:
        self.number = number
        self.host = host
        self.transport = transport
        self.threads = threads
        self.writer = Writer(transport, threads)
        #: Opens when the reader has ended and ``close`` is set.
        self.ended = threads.latch()
        #: How it ended; written once, by the reader, before ``ended`` opens.
        self.close: Close | None = None
        #: Set by ``open``, on the opening thread, before anybody else sees the link.
        self.opened_at = 0.0
        self.connect_ms = 0.0
        #: When anything last came; written by the reader only.
        self.last_received = 0.0
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
        clock = self.threads.clock
        started = clock.now()
        has_reader = False
        try:
            self.transport.connect(make_endpoint(), timeout=timeout)
            self.opened_at = self.last_received = clock.now()
            self.connect_ms = (self.opened_at - started) * 1000
            with self._lock:
                self._signal(LinkSignal.CONNECTED)
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

    def begin_goodbye(self, close: Close) -> bool:
        """Take no more events, the link being closed by us; False when it was not open."""
        with self._lock:
            was_open = self._state in CARRIES_EVENTS
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
            connect_ms=self.connect_ms,
            age=max(0.0, self.threads.clock.now() - self.opened_at),
            close_code=close.code or None,
            close_reason=close.reason,
        )

    def retire(self) -> None:
        """Take no new turn; go at once if none runs, else when the last one has ended."""
        with self._lock:
            if self._state is not LinkState.CONNECTING:
                self._retire()

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
            self._last_sender = sink
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
        """Put each event into its sink, in as few puts as the order allows."""
        runs: list[_Run] = []
        try:
            with self._lock:
                self._route(events, runs)
        finally:
            for (sinks, start), (_, end) in pairwise(runs):
                for sink in sinks:
                    sink.put(events[start:end], count_bytes(texts[start:end]))

    def _route(self, events: list[Event], runs: list[_Run]) -> None:
        """Group neighbours that go to the same sinks. Requires holding _lock.

        The last run, nobody's, stands where the routing ended.
        """
        lanes, before, end = self._lanes, None, 0
        try:
            for event in events:
                sinks = lanes.route(event)
                if sinks is not before:
                    runs.append((sinks, end))
                    before = sinks
                end += 1
        finally:
            runs.append(((), end))
        if lanes.is_quiet:
            self._settle(events)
        if lanes.limit_reached or lanes.is_retiring or self._state is LinkState.RETIRING:
            self._retire()

    def _settle(self, events: list[Event]) -> None:
        """Note what the last turn left. Requires holding _lock."""
        self._last_sender = None
        if events and events[-1].type == "response.completed":
            response = getattr(events[-1], "response", None)
            self.latest_response_id = getattr(response, "id", None)

    def _retire(self) -> None:
        """Take no new turn, and go when the last one has ended. Requires holding _lock."""
        self._signal(LinkSignal.RETIRE)
        if self._lanes.is_quiet:
            self._signal(LinkSignal.CLOSE)
            self._verdict = self._verdict or Close(reason="retired")
            self.transport.abort()


def count_bytes(texts: Sequence[str]) -> int:
    """Bytes of UTF-8 that the texts came in."""
    return len("".join(texts).encode())
