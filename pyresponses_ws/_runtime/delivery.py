"""One turn on its way: leases a link, sends, receives, and recovers by the table.

Everything here runs on the thread that waits for the turn; only ``cancel`` and ``drop`` come from
others. Every wait is a ``Mailbox.get`` with a deadline, ended early by a letter: from the reader
(events, or the loss of the link, which always comes) or from ``cancel``.
"""

from __future__ import annotations

import math
import os
from collections import deque
from typing import Literal, NoReturn

from pyresponses_ws._protocol.recovery import Action, Budget, Situation, decide
from pyresponses_ws._protocol.timers import TurnTimers
from pyresponses_ws._protocol.turn import Ending, Turn
from pyresponses_ws._runtime.clock import Empty
from pyresponses_ws._runtime.history import HistorySizes
from pyresponses_ws._runtime.hook import call_hook
from pyresponses_ws._runtime.link import Link, SendError
from pyresponses_ws._runtime.mailbox import Batch, Cancelled, Letter, Lost
from pyresponses_ws._runtime.request import TurnRequest
from pyresponses_ws._runtime.source import LinkSource
from pyresponses_ws._runtime.verdict import ending_error, lost_error, timeout_error
from pyresponses_ws._transport.base import Close
from pyresponses_ws.errors import (
    ClosedError,
    ProtocolError,
    ResponsesWSError,
    StreamOverflowError,
    TurnCancelledError,
    TurnFacts,
)
from pyresponses_ws.events import Event
from pyresponses_ws.items import Response
from pyresponses_ws.report import RetryReport, TurnReport


class Delivery:
    """Carries one turn to its ending. One thread at a time, but for ``cancel`` and ``drop``."""

    def __init__(
        self, links: LinkSource, sizes: HistorySizes, request: TurnRequest, *, total: float | None
    ) -> None:
        self.turn = Turn()
        self.report = TurnReport(input_mode=request.input_mode)
        #: The turn is over, one way or another; set on the consumer's thread only.
        self.is_over = False
        self._links = links
        self._sizes = sizes
        self._request = request
        self._clock = links.clock
        self._timeouts = links.config.timeouts
        self._timers = TurnTimers(self._timeouts, now=self._clock.now(), total=total)
        self._budget = Budget()
        # Both are replaced for each attempt, so that nothing late can reach the new one.
        self._mailbox = links.make_mailbox()
        self._link: Link | None = None
        # Events taken from the mailbox and not handed over yet.
        self._events: deque[Event] = deque()
        # Set by ``cancel``, on any thread, before it wakes the waiter.
        self._is_cancelled = False

    # --- what the consumer calls --------------------------------------------------------------

    def start(self) -> None:
        """Hand the request to a link; returns once it is sent. Raises what ended the turn."""
        try:
            self._send_until_out()
        except BaseException as exc:
            self._fail(exc)

    def next_event(self) -> Event:
        """Wait for the next event and count it in. Raises what ended the turn.

        After a terminal event ``is_over`` is True; an ``error`` event raises instead.
        """
        try:
            while True:
                while not self._events:
                    self._events.extend(self._receive())
                event = self._events.popleft()
                self.turn.receive_event(event)
                if self.turn.ending is None or self._settle():
                    return event
        except BaseException as exc:
            self._fail(exc)

    def result(self) -> Response:
        """Wait for the end and return the Response. Raises what ended the turn.

        Nothing is handed over before the end, so a replay stays possible for longest.
        """
        while not self.is_over:
            self.next_event()
        ending = self.turn.ending
        assert ending is not None, "a turn that is over without an ending has raised"
        if ending.kind not in ("completed", "incomplete"):
            raise self._with_facts(ending_error(ending))
        return self.turn.response()

    def retire(self) -> None:
        """Give the turn up without an error; nothing of it reaches anybody any more."""
        if not self.is_over:
            self._take_the_rest()
            self._leave_link()
            self._end()

    # --- what other threads call --------------------------------------------------------------

    def cancel(self) -> None:
        """Wake the waiter with TurnCancelledError and retire the turn. Idempotent; no waiting."""
        self._is_cancelled = True
        mailbox, link = self._mailbox, self._link
        mailbox.cancel()
        if link is not None and not self.is_over:
            link.abandon(mailbox)

    def drop(self, pid: int) -> None:
        """Retire the turn soon. For finalizers: queues a word, takes no lock.

        ``pid`` is the process that began the turn; a forked child must not touch its parent's link.
        """
        if not self.is_over and os.getpid() == pid:
            self._links.drop(self._link, self._mailbox)

    # --- sending ------------------------------------------------------------------------------

    def _send_until_out(self) -> None:
        while not self._send_once():
            pass

    def _send_once(self) -> bool:
        """Try one link. False when the table says to try again."""
        self.turn.restart()
        self._events.clear()
        self._link, self._mailbox = None, self._links.make_mailbox()
        if self._is_cancelled:
            raise TurnCancelledError("the turn was cancelled")
        self._check_total()
        link = self._lease()
        self.turn.mark_sent()
        try:
            left = self._timers.ends_at - self._clock.now()
            link.send(self._request.payload, progress_timeout=min(self._timeouts.send, left))
        except SendError as exc:
            self._check_total()
            self._send_failed(link, exc)
            return False
        self._note_sent(link)
        return True

    def _lease(self) -> Link:
        now = self._clock.now()
        try:
            is_reused = self._links.lease(
                self._mailbox,
                prefer=self._request.previous_response_id,
                timeout=min(self._timeouts.connect, self._timers.ends_at - now),
                on_link=self._set_link,
            )
        except ClosedError:
            # Closed before the turn began: that is the caller's mistake. Later, it is the reason.
            if self.report.attempts:
                self._check_cancelled()
            raise
        except ResponsesWSError:
            self._check_cancelled()
            self._check_total()
            raise
        link, report = self._link, self.report
        assert link is not None, "a lease without an error names its link"
        report.link, report.reused_link = link.number, is_reused
        report.link_age = max(0.0, now - link.opened_at) if is_reused else 0.0
        report.connect_ms = None if is_reused else link.connect_ms
        return link

    def _set_link(self, link: Link) -> None:
        """Know the link before it is open, so that ``cancel`` can abort the opening."""
        self._link = link
        if self._is_cancelled:
            link.abort(Close(reason="cancelled"))

    def _note_sent(self, link: Link) -> None:
        self.report.attempts += 1
        self.report.bytes_sent += len(self._request.payload)
        self._timers.sent(self._clock.now(), unsent=link.transport.unsent_bytes() or 0)

    def _send_failed(self, link: Link, exc: SendError) -> None:
        """The socket would not take it. Returns when another link may."""
        if exc.is_partial:
            self._note_sent(link)
            self._lose(Lost(exc.close, is_provoked=True))
        else:
            self.turn.restart()
            self._recover("not_sent", exc.close, is_provoked=True)

    # --- receiving ----------------------------------------------------------------------------

    def _receive(self) -> list[Event]:
        """Wait for events, sending again where the table says so. Raises what ends the turn."""
        while True:
            try:
                letter = self._mailbox.get(self._timers.deadline(self._clock.now()))
            except Empty:
                self._look_at_timers()
                continue
            if type(letter) is Batch:
                self._note_batch(letter)
                return letter.events
            self._open_letter(letter)
            self._send_until_out()

    def _open_letter(self, letter: Letter) -> None:
        """Raise what the letter says, or return when the turn may be sent again."""
        self._check_cancelled()
        if isinstance(letter, Lost):
            self._lose(letter)
        elif isinstance(letter, Cancelled):
            raise TurnCancelledError("the turn was cancelled")
        else:
            raise StreamOverflowError(
                "events came faster than they were read until 64 MiB waited; read the stream "
                "faster, or use create()"
            )

    def _check_cancelled(self) -> None:
        if self._is_cancelled or self._links.is_closed:
            raise TurnCancelledError("the turn was cancelled")

    def _check_total(self) -> None:
        """Raise TurnTimeoutError once the caller's patience is over."""
        if self._clock.now() >= self._timers.ends_at:
            raise timeout_error("total", self._timers.ends_at - self._timers.started_at)

    def _look_at_timers(self) -> None:
        """A deadline has passed: give up, treat the link as dead, or go on waiting."""
        link = self._link
        assert link is not None, "only a turn that was sent waits"
        phase = self._timers.expired(self._clock.now(), unsent=link.transport.unsent_bytes() or 0)
        if phase == "total":
            raise timeout_error(phase, self._timers.ends_at - self._timers.started_at)
        if phase == "silence":
            raise timeout_error(phase, self._timeouts.silence or 0.0)
        if phase == "first_event":
            close = Close(reason=f"no event within {self._timeouts.first_event:g} s")
            link.abort(close)
            # As late as can be: the caller was promised an end by now, not another attempt.
            self._recover("disconnect", close, is_provoked=True, seconds_since_sent=math.inf)
            self._send_until_out()

    def _note_batch(self, batch: Batch) -> None:
        now, report = self._clock.now(), self.report
        self._timers.received(now)
        report.note_events(
            batch.events, batch.size, elapsed_ms=(now - self._timers.started_at) * 1000
        )

    # --- recovery -----------------------------------------------------------------------------

    def _lose(self, lost: Lost) -> None:
        """The link is gone. Returns when the turn may be sent again."""
        if isinstance(lost.close.cause, ProtocolError):
            raise lost.close.cause
        self._recover("disconnect", lost.close, is_provoked=lost.is_provoked)

    def _recover(
        self,
        kind: Literal["error", "disconnect", "not_sent"],
        close: Close | None,
        *,
        is_provoked: bool = False,
        seconds_since_sent: float | None = None,
    ) -> None:
        """Ask the table. Returns after the wait that it asks for, or raises."""
        now, ending = self._clock.now(), self.turn.ending
        if seconds_since_sent is None:
            seconds_since_sent = now - self._timers.sent_at
        situation = Situation(
            kind=kind,
            state=self.turn.reached,
            effect_free=self._request.is_effect_free,
            details=ending.details if ending is not None else None,
            close_code=close.code if close is not None else None,
            provoked=is_provoked,
            seconds_since_sent=seconds_since_sent,
            total_left=self._timers.left(now),
        )
        self._apply(situation, close)

    def _apply(self, situation: Situation, close: Close | None) -> None:
        config = self._links.config
        decision = decide(situation, self._budget, policy=self._links.replay, rng=self._links.rng)
        self._budget = decision.budget
        if decision.action not in (Action.NEW_LINK, Action.REPLAY, Action.RETRY):
            ending = self.turn.ending
            if ending is not None:
                raise ending_error(ending)
            assert close is not None, "a turn ends by an event or by its link"
            raise lost_error(decision, close) from close.cause
        report = self.report
        report.replayed |= decision.action is Action.REPLAY
        report.possible_duplicate_charge |= decision.possible_duplicate_charge
        retry = RetryReport(row=decision.row, delay=decision.delay, attempts=report.attempts)
        call_hook(config.hooks.on_retry, retry)
        self._leave_link()
        self._pause(decision.delay)

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt, which the table lets end before ``total`` does.

        Only ``cancel`` writes to the fresh mailbox.
        """
        if not seconds:
            return
        self._mailbox = self._links.make_mailbox()
        self._check_cancelled()
        try:
            letter = self._mailbox.get(self._clock.now() + seconds)
        except Empty:
            return
        self._open_letter(letter)

    # --- endings ------------------------------------------------------------------------------

    def _settle(self) -> bool:
        """A terminal event came. True: the turn is over. False: it was sent again."""
        ending = self.turn.ending
        assert ending is not None, "called after a terminal event"
        if ending.kind == "error":
            self._recover("error", None)
            self._send_until_out()
            return False
        self._note_history(ending)
        self._end()
        return True

    def _note_history(self, ending: Ending) -> None:
        """Remember what a later turn would cost without this one's id, and who holds its state."""
        self.report.full_replay_bytes = self._sizes.full_replay_bytes(self._request)
        if ending.kind == "completed":
            response = self.turn.response()
            self._sizes.note(self._request, response)
            if self._link is not None:
                self._link.latest_response_id = response.id

    def _end(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.report.total_ms = (self._clock.now() - self._timers.started_at) * 1000
        self._links.count_turn(attempts=self.report.attempts)
        call_hook(self._links.config.hooks.on_turn_end, self.report)

    def _fail(self, exc: BaseException) -> NoReturn:
        """Clean up after whatever ended the turn early, and raise it unchanged."""
        self._take_the_rest()
        self._leave_link()
        self._end()
        raise self._with_facts(exc)

    def _take_the_rest(self) -> None:
        """Count in what had arrived, for the partial output."""
        letter: Letter | None = None
        while True:
            while self._events:
                event = self._events.popleft()
                if self.turn.ending is None:
                    self.turn.receive_event(event)
            try:
                letter = self._mailbox.get(self._clock.now())
            except Empty:
                return
            if type(letter) is Batch:
                self._note_batch(letter)
                self._events.extend(letter.events)

    def _leave_link(self) -> None:
        self._links.abandon(self._link, self._mailbox)

    def _with_facts(self, exc: BaseException) -> BaseException:
        """Fill the attributes that every error of a turn carries."""
        close = self._link.close if self._link is not None else None
        self.report.close_code = close.code if close is not None else None
        if isinstance(exc, TurnFacts):
            exc.set_facts(
                partial=self.turn.partial(),
                response_id=self.turn.response_id,
                state=self.turn.state.value,
                report=self.report,
                close_code=self.report.close_code,
                close_reason=close.reason if close is not None else "",
                attempts=self.report.attempts,
                elapsed=self._clock.now() - self._timers.started_at,
            )
        return exc
