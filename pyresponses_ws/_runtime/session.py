"""One logical connection that outlives its links.

The reader of the current link tells the session what comes and how the link ends; the reconnector
opens the next one. Whoever holds the session keeps it alive; readers and reconnector do not.
"""

from __future__ import annotations

import os
import random
import weakref
from collections.abc import Sequence
from typing import Any

from pyresponses_ws._protocol.backoff import Backoff
from pyresponses_ws._protocol.latest import LatestResponses
from pyresponses_ws._protocol.link import (
    CONNECTION_LIFE,
    ConnectionSignal,
    ConnectionState,
    is_retryable_close,
)
from pyresponses_ws._protocol.machine import advance
from pyresponses_ws._runtime.dialer import Dialer
from pyresponses_ws._runtime.dispatcher import EVERY, Listeners
from pyresponses_ws._runtime.farewell import GOODBYE_WAIT, cut_all
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Discard, Mailbox, count_bytes
from pyresponses_ws._runtime.reconnector import Reconnector
from pyresponses_ws._runtime.request import encode_command
from pyresponses_ws._runtime.rotation import ROTATED, Rotation
from pyresponses_ws._runtime.writer import SendError
from pyresponses_ws._transport.base import Close
from pyresponses_ws.errors import (
    APIError,
    ClosedError,
    ConfigError,
    ConnectionLostError,
    ReconnectError,
)
from pyresponses_ws.events import Event
from pyresponses_ws.report import CloseInfo


class Session:
    """State, current link and readers of one logical connection. Safe for any thread."""

    def __init__(self, dialer: Dialer, reconnector: Reconnector) -> None:
        threads = dialer.threads
        self.dialer = dialer
        self.listeners = Listeners(threads)
        self.rng = random.Random()
        self._reconnector = reconnector
        # Guards what follows; never held across I/O, a put, a callback or a wait.
        self._lock = threads.lock()
        self._state = ConnectionState.IDLE
        # At most one: the link that is open or opening. A list, for the finalizer to see.
        self._links: list[Link] = []
        self._latest = LatestResponses()
        self._backoff = Backoff(tuple(dialer.config.retry_delays))
        self._last_close: CloseInfo | None = None
        # The link of the newest attempt went through the open state.
        self._was_opened = False
        # A link was there when ``close`` came; its end ends the dispatcher too.
        self._has_link_to_tell = False
        # Of the current link, from some age on; and the link that it opens, in a list as above.
        self._rotation: Rotation | None = None
        self._spares: list[Link] = []
        # Set by ``close``; a connection that gave up still has letters to read.
        self._is_finished = False
        # Who reads which lane; None is the iteration over everything.
        self._inboxes: dict[str | None, Mailbox] = {}
        for links in (self._links, self._spares):
            weakref.finalize(self, cut_all, os.getpid(), links)
        weakref.finalize(self, reconnector.wake)

    # --- state --------------------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        return self._state

    @property
    def is_closed(self) -> bool:
        return self._state is ConnectionState.CLOSED

    @property
    def is_waiting(self) -> bool:
        """It lost its link and wants another."""
        return self._state is ConnectionState.RECONNECTING

    @property
    def is_finished(self) -> bool:
        """Closed by its user: whoever reads stops at once."""
        return self._is_finished

    def links(self) -> list[Link]:
        """The current link, if there is one."""
        return list(self._links)

    @property
    def last_close(self) -> CloseInfo | None:
        return self._last_close

    def latest_response_id(self, lane: str | None, *, of_any: bool = False) -> str | None:
        """Id to continue, if the server still knows it."""
        with self._lock:
            return self._latest.of_any() if of_any else self._latest.of_lane(lane)

    def _signal(self, signal: ConnectionSignal) -> None:
        """Requires holding _lock."""
        self._state = advance(CONNECTION_LIFE, self._state, signal)

    # --- opening ------------------------------------------------------------------------------

    def connect(self) -> None:
        """Open the first link. Raises what ``Dialer.open`` raises; the session is closed then."""
        with self._lock:
            self._signal(ConnectionSignal.CONNECT)
        try:
            self._open_link(is_reconnect=False)
        except BaseException:
            with self._lock:
                if self._state is ConnectionState.CONNECTING:
                    self._signal(ConnectionSignal.CONNECT_FAILED)
            raise

    def _open_link(self, *, is_reconnect: bool) -> None:
        link = self.dialer.make_link(self, closes_when_idle=False)
        with self._lock:
            if self._state is ConnectionState.CLOSED:
                raise ClosedError("the connection was closed")
            self._links[:] = [link]
        timeout = self.dialer.config.timeouts.connect
        self.dialer.open(link, timeout=timeout, is_reconnect=is_reconnect)

    def reconnect(self) -> float | None:
        """Make one attempt; see ``Reconnectable``."""
        self._was_opened = False
        try:
            self._open_link(is_reconnect=True)
        except (APIError, ClosedError, ConfigError) as exc:
            # Another attempt would get the same answer.
            self._give_up(exc)
        except Exception as exc:
            # The network's failure, or one of the user's callables, which may pass as well.
            with self._lock:
                if self._was_opened or not self.is_waiting:
                    # The end of the link has had its consequences already.
                    return None
                self._signal(ConnectionSignal.RETRY_FAILED)
                delay = self._backoff.next_delay(self.rng)
            if delay is not None:
                return delay
            self._give_up(exc)
        return None

    def _give_up(self, cause: Exception) -> None:
        with self._lock:
            if self._state is ConnectionState.CLOSED:
                return
            self._signal(ConnectionSignal.GAVE_UP)
            inboxes, attempts = list(self._inboxes.values()), self._backoff.attempts
        error = ReconnectError(f"gave up after {attempts} attempts: {cause}", attempts=attempts)
        error.__cause__ = cause
        for inbox in inboxes:
            inbox.fail(error)
        self.listeners.tell("error", error)

    # --- sending ------------------------------------------------------------------------------

    def current_link(self) -> Link:
        """The open link. Raises ClosedError, naming the state."""
        if (rotation := self._rotation) is not None:
            rotation.swap_if_due()
        with self._lock:
            links = list(self._links) if self._state is ConnectionState.OPEN else []
        if not links:
            raise ClosedError(f"the connection is {self._state.value}, not open; nothing was sent")
        return links[0]

    def send(self, command: dict[str, Any]) -> None:
        """Send one command. Raises ClosedError, RequestTooLargeError, ConnectionLostError."""
        payload = encode_command(command, max_bytes=self.dialer.config.max_request_bytes)
        link = self.current_link()
        try:
            self._send_on(link, command, payload)
        except ClosedError:
            # It was swapped for another between the two lines.
            if (current := self.current_link()) is link:
                raise
            self._send_on(current, command, payload)

    def _send_on(self, link: Link, command: dict[str, Any], payload: bytes) -> None:
        patience = self.dialer.config.timeouts.send
        try:
            if command.get("type") == "response.create":
                lane = command.get("stream_id")
                link.send_turn(Discard(), lane, payload, progress_timeout=patience)
            else:
                link.send(payload, progress_timeout=patience)
        except SendError as exc:
            close = exc.close
            raise ConnectionLostError(
                f"the link was lost while sending (close code {close.code})",
                code=close.code,
                reason=close.reason,
            ) from exc.__cause__

    # --- reading ------------------------------------------------------------------------------

    def inbox(self, lane: str | None) -> Mailbox:
        """The mailbox of a lane, buffering from its first use; None reads every lane."""
        with self._lock:
            if lane not in self._inboxes:
                self._inboxes[lane] = Mailbox(self.dialer.threads)
            return self._inboxes[lane]

    # --- Owner of the links -------------------------------------------------------------------

    def link_opened(self, link: Link) -> None:
        """Go to the open state, before the reader can tell that it is lost again."""
        with self._lock:
            if self._state is ConnectionState.CLOSED:
                raise ClosedError("the connection was closed while it opened")
            if link in self._spares:
                return
            self._signal(ConnectionSignal.CONNECTED)
            self._was_opened = True
        self.listeners.tell("open", link.report())

    def link_received(self, link: Link, events: list[Event], texts: Sequence[str]) -> None:
        """Note what came, and pass it on."""
        with self._lock:
            if self._state is ConnectionState.CLOSED:
                return
            # Good only now: a server that accepts and drops must not be hammered.
            self._backoff.reset()
            for event in events:
                self._latest.receive_event(event)
            inboxes = list(self._inboxes.items())
        size = count_bytes(texts) if inboxes else 0
        for lane, inbox in inboxes:
            own = events if lane is None else [x for x in events if x.stream_id == lane]
            if own:
                # Its share: what the others have read must not fill this one.
                inbox.put(own, size * len(own) // len(events))
        for event in events:
            self.listeners.tell(event.type, event)
            self.listeners.tell(EVERY, event)

    def link_ended(self, link: Link) -> None:
        """Say so once to each reader, and have the next link opened where that makes sense."""
        close = link.close or Close()
        is_retryable = is_retryable_close(close.code)
        with self._lock:
            if link in self._spares:
                self._spares.remove(link)
            if link not in self._links:
                return
            self._links.clear()
            self._rotation = None
            was_closed = self._state is ConnectionState.CLOSED
            if not was_closed and self._state is not ConnectionState.OPEN:
                # It never opened: whoever tried hears why.
                return
            info = CloseInfo(code=close.code, reason=close.reason, retryable=is_retryable)
            self._last_close = info
            self._latest.lose_link()
            if not was_closed:
                self._signal(ConnectionSignal.LOST if is_retryable else ConnectionSignal.CLOSE)
            inboxes = list(self._inboxes.values())
            delay = self._backoff.next_delay(self.rng) if is_retryable else None
        self._cut_spares()
        self.listeners.tell("close", info)
        if was_closed:
            # The last that there is to tell; ``end_close`` left this to us.
            self.listeners.close()
            return
        for inbox in inboxes:
            inbox.lose(close, is_provoked=False)
        if is_retryable:
            self._schedule(delay, close)

    def _schedule(self, delay: float | None, close: Close) -> None:
        """Have the next link opened, unless the last delay is used up."""
        if delay is None:
            self._give_up(ConnectionLostError("lost again before any event", code=close.code))
            return
        try:
            self._reconnector.schedule(self, delay)
        except RuntimeError as exc:
            # The system has no thread to give: better a connection that says so.
            self._give_up(exc)

    # --- rotation: the first two on the keeper's thread, the others on the reconnector's ------

    def link_ageing(self, link: Link) -> None:
        """Have a replacement opened."""
        with self._lock:
            if link not in self._links or self._rotation is not None:
                return
            rotation = self._rotation = Rotation(self, link, self._reconnector)
        rotation.begin()

    def link_expired(self, link: Link) -> None:
        """Have the links swapped at the end of a turn."""
        with self._lock:
            if link not in self._links:
                return
            # None where nobody was told of its age in time: the machine slept, for one.
            rotation = self._rotation or Rotation(self, link, self._reconnector)
            self._rotation = rotation
        rotation.finish()

    def open_replacement(self) -> Link:
        """Open a link beside the current one. Raises what opening raises."""
        link = self.dialer.make_link(self, closes_when_idle=False)
        with self._lock:
            if self._state is not ConnectionState.OPEN:
                raise ClosedError("the connection needs no replacement any more")
            self._spares[:] = [link]
        self.dialer.open(link, timeout=self.dialer.config.timeouts.connect)
        return link

    def swap(self, old: Link, new: Link) -> bool:
        """Go on with ``new``, unless a turn runs on ``old``; whoever reads notices nothing."""
        if not old.retire_if_quiet():
            return False
        with self._lock:
            is_ours = self._links == [old]
            is_swapped = is_ours and self._spares == [new]
            if is_swapped:
                self._links[:], self._rotation = [new], None
                self._spares.clear()
                # What the server remembered for the old link alone is gone.
                self._latest.lose_link()
                self._last_close = CloseInfo(code=ROTATED.code, reason="Rotated", retryable=True)
        if is_ours:
            # First, as nobody else knows the link any more; without another it counts as lost.
            self.dialer.keeper.say_goodbye(old, ROTATED)
        if is_swapped:
            self.dialer.note_rotation(old, new)
            self.listeners.tell("close", self._last_close)
            self.listeners.tell("open", new.report())
        return True

    def _cut_spares(self) -> None:
        for link in list(self._spares):
            link.abort(ROTATED)

    # --- closing ------------------------------------------------------------------------------

    def begin_close(self, close: Close) -> None:
        """Close for good, without waiting: no event comes after. Idempotent."""
        with self._lock:
            if self._state is not ConnectionState.CLOSED:
                self._signal(ConnectionSignal.CLOSE)
            self._is_finished = True
            links, inboxes = list(self._links), list(self._inboxes.values())
            self._has_link_to_tell |= bool(links)
        self._cut_spares()
        self.listeners.mute()
        for inbox in inboxes:
            inbox.cancel()
        for link in links:
            self.dialer.keeper.say_goodbye(link, close)

    def end_close(self, close: Close) -> None:
        """Give the peer about a second for its answer, then cut the link."""
        for link in list(self._links):
            link.ended.wait(GOODBYE_WAIT)
            link.abort(close)
            link.ended.wait(GOODBYE_WAIT)
        self._reconnector.wake()
        if not self._has_link_to_tell:
            self.listeners.close()
