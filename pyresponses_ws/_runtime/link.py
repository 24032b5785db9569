"""One live socket: who may send on it, whose the events are, and how it ends.

The reader thread holds the link, the link holds the transport, and neither holds the pool, session
or client above it, so that these can be collected while the reader waits.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

from pyresponses_ws import codec
from pyresponses_ws._protocol.lanes import Abandonment, Lanes
from pyresponses_ws._protocol.link import LINK_LIFE, LinkSignal, LinkState
from pyresponses_ws._protocol.machine import advance
from pyresponses_ws._runtime.mailbox import Sink
from pyresponses_ws._runtime.threads import Threads, try_lock
from pyresponses_ws._transport.base import (
    ABNORMAL_CLOSURE,
    SEND_TIMED_OUT,
    Close,
    Endpoint,
    Transport,
)
from pyresponses_ws.errors import ConnectError, ConnectionLostError, ProtocolError
from pyresponses_ws.events import Event
from pyresponses_ws.report import LinkReport

logger = logging.getLogger("pyresponses_ws.link")


#: Who the events from an index on go to.
_Run = tuple[tuple[Sink, ...], int]

_TAKES_TURNS = (LinkState.CONNECTING, LinkState.OPEN)

#: Seconds that a failed send waits for the reader to learn the close code.
_VERDICT_WAIT = 1.0

#: Seconds that the reader waits for a sender to let go, to answer a close. A peer that answers at
#: once does so while its request's sender still holds the lock; one that is stuck must not be
#: waited for, as its turn is promised an end within 0.1 s.
_ANSWER_WAIT = 0.02

#: Seconds that the reader waits for a sender to notice that the socket is gone; reached only when
#: an interrupt took the lock away with it.
_DISPOSE_WAIT = 5.0


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

    def link_received(self, link: Link, events: list[Event], size: int) -> None:
        """Every event in order, whosever it is. On the reader thread."""

    def link_ended(self, link: Link) -> None:
        """The link is closed; its turns know already. On the reader thread."""


class Link:
    """One socket and the turns on it. Safe for any thread.

    Locks, in the order in which they may be taken: ``_send_lock``, then ``_lock``.
    """

    def __init__(
        self,
        *,
        number: int,
        host: str,
        transport: Transport,
        threads: Threads,
        owner: Owner,
        on_ended: Callable[[], None],
    ) -> None:
        self.number = number
        self.host = host
        self.transport = transport
        self.threads = threads
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
        #: Written by the thread whose turn it was, while the link is its own.
        self.latest_response_id: str | None = None
        # Weak: the reader must not keep the owner alive.
        self._owner = weakref.ref(owner)
        # Wakes the keeper, whose thread ends with its last link, owner or not.
        self._on_ended = on_ended
        # Order of the frames; held across a send.
        self._send_lock = threads.lock()
        # Guards what follows; never held across I/O, a put, a callback or a wait.
        self._lock = threads.lock()
        self._state = LinkState.CONNECTING
        self._lanes: Lanes[Sink] = Lanes()
        # Who sent last: a close that comes now answers that turn.
        self._last_sender: Sink | None = None
        # Why we cut the link ourselves; the reader prefers it to what the socket says.
        self._verdict: Close | None = None
        # Our close frame is out; set under _send_lock, and one is enough.
        self._has_said_goodbye = False

    # --- life ---------------------------------------------------------------------------------

    def open(
        self, endpoint: Endpoint, *, timeout: float, start_reader: Callable[[Link], None]
    ) -> None:
        """Connect and start the reader. Raises ConnectError or ConfigError."""
        clock = self.threads.clock
        started = clock.now()
        has_reader = False
        try:
            self.transport.connect(endpoint, timeout=timeout)
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
        except BaseException:
            self.abort(Close(reason="opening failed"))
            if not has_reader:
                self.finish(Close(reason="opening failed"))
            raise

    def abort(self, verdict: Close) -> None:
        """Cut the socket; the reader then ends every turn with ``verdict``. Never blocks."""
        with self._lock:
            self._signal(LinkSignal.CLOSE)
            self._verdict = self._verdict or verdict
        self.transport.abort()

    def say_goodbye(self, code: int, reason: str) -> None:
        """Send a close frame as best effort, for up to a second; the peer's answer ends the link.

        Turns that still run are cut, so no event comes after.
        """
        with self._lock:
            self._signal(LinkSignal.CLOSE)
            self._verdict = self._verdict or Close(code=code, reason=reason)
        with try_lock(self._send_lock) as is_free:
            if is_free and not self.ended.is_open:
                self._has_said_goodbye = True
                self.transport.close(code, reason)

    def finish(self, wire: Close) -> None:
        """End every turn, then the socket. The reader's last act; called once."""
        with self._lock:
            is_connected = self._state is not LinkState.CONNECTING
            self._signal(LinkSignal.LOST if is_connected else LinkSignal.CONNECT_FAILED)
            self.close = close = self._verdict or wire
            unfinished = self._lanes.lose()
            sender = self._last_sender
        for sink in unfinished:
            sink.lose(close, is_provoked=sink is sender)
        self.ended.open()
        self._on_ended()
        owner = self._owner()
        if owner is not None:
            owner.link_ended(self)
        self._answer_close(wire)
        # Senders fail at once after the shutdown, so the lock is free soon; under it nobody can
        # still be inside a system call with the descriptor's number.
        self.transport.abort()
        with try_lock(self._send_lock, timeout=_DISPOSE_WAIT):
            self.transport.dispose()

    def _answer_close(self, wire: Close) -> None:
        """Say our half of the close, as best effort, now that the code is recorded."""
        is_due = wire.reply_due or wire.code != ABNORMAL_CLOSURE
        if is_due and not self._has_said_goodbye:
            with try_lock(self._send_lock, timeout=_ANSWER_WAIT) as is_free:
                if is_free:
                    self.transport.close(wire.code, "" if wire.reply_due else wire.reason)

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
            if self._state not in _TAKES_TURNS or (alone and not self._lanes.is_quiet):
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

    def send(self, payload: bytes, *, progress_timeout: float) -> None:
        """Send one message. Raises SendError once the reader knows why, or after a second."""
        before = self.transport.bytes_sent
        try:
            with self._send_lock:
                before = self.transport.bytes_sent
                self._send_whole(payload, progress_timeout)
        except ConnectionLostError as exc:
            self.transport.abort()
            self.ended.wait(_VERDICT_WAIT)
            raise SendError(
                is_partial=self.transport.bytes_sent != before,
                close=self.close or Close(reason=exc.reason, cause=exc),
            ) from exc
        self._answer_late_ping()

    def _send_whole(self, payload: bytes, progress_timeout: float) -> None:
        """Send, or cut the link when a frame is half out. Requires holding _send_lock."""
        before = self.transport.bytes_sent
        try:
            self.transport.send(payload, progress_timeout=progress_timeout)
        except ConnectionLostError as exc:
            # A dead socket has its own verdict coming, with the peer's close code; a peer that
            # takes nothing has none.
            if exc.reason == SEND_TIMED_OUT:
                self.abort(Close(reason=exc.reason))
            raise
        except BaseException:
            if self.transport.bytes_sent != before:
                self.abort(Close(reason="a send was interrupted"))
            raise

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
            owner.link_received(self, events, _count_bytes(texts[: len(events)]))
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
                    sink.put(events[start:end], _count_bytes(texts[start:end]))

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
        if lanes.limit_reached or lanes.is_retiring or self._state is LinkState.RETIRING:
            self._retire()

    def _retire(self) -> None:
        """Take no new turn, and go when the last one has ended. Requires holding _lock."""
        self._signal(LinkSignal.RETIRE)
        if self._lanes.is_quiet:
            self._signal(LinkSignal.CLOSE)
            self._verdict = self._verdict or Close(reason="retired")
            self.transport.abort()

    def answer_ping(self) -> None:
        """Send the pong that is due, unless a sender holds the socket: then it does, afterwards."""
        if self.transport.pending_pong is not None:
            with try_lock(self._send_lock) as is_free:
                if is_free:
                    self._send_pong()

    def _answer_late_ping(self) -> None:
        """Send the pong for a ping that came during our own send.

        Looked at after the release: a reader that failed to get the lock had stored it by then.
        """
        while self.transport.pending_pong is not None and not self.ended.is_open:
            with self._send_lock:
                self._send_pong()

    def _send_pong(self) -> None:
        """Requires holding _send_lock. A dead socket is the reader's to notice."""
        payload = self.transport.pending_pong
        self.transport.pending_pong = None
        if payload is not None:
            try:
                self.transport.pong(payload)
            except ConnectionLostError:
                logger.debug("link %d: no pong could be sent", self.number)

    # --- called by the keeper -----------------------------------------------------------------

    def ping(self) -> bool:
        """Send a ping if no sender holds the socket; returns whether one left."""
        with try_lock(self._send_lock) as is_free:
            if not is_free or self.ended.is_open:
                return False
            try:
                self.transport.ping()
            except ConnectionLostError:
                logger.debug("link %d: no ping could be sent", self.number)
            return True


def _count_bytes(texts: Sequence[str]) -> int:
    return len("".join(texts).encode())
