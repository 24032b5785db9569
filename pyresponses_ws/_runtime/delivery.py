"""One turn on its way: leases a link, sends, receives, and recovers by the table.

Everything here runs on the thread that waits for the turn; what others may touch is in its claim.
Every wait is a ``Mailbox.get`` with a deadline, ended early by a letter: from the reader (events,
or the loss of the link, which always comes) or from ``Claim.cancel``.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from typing import Literal

from pyresponses_ws._protocol.recovery import Action, Budget, Decision, Situation, decide
from pyresponses_ws._protocol.timers import TurnTimers
from pyresponses_ws._protocol.turn import Turn
from pyresponses_ws._runtime.claim import Claim
from pyresponses_ws._runtime.clock import Empty
from pyresponses_ws._runtime.history import HistorySizes
from pyresponses_ws._runtime.hook import call_hook
from pyresponses_ws._runtime.link import Link, SendError
from pyresponses_ws._runtime.mailbox import Batch, Letter, Lost, Overflow
from pyresponses_ws._runtime.request import TurnRequest
from pyresponses_ws._runtime.source import LinkSource
from pyresponses_ws._runtime.verdict import (
    add_facts,
    cancelled_error,
    ending_error,
    lost_error,
    overflow_error,
    stranded_error,
    timeout_error,
)
from pyresponses_ws._transport.base import SEND_TIMED_OUT, Close
from pyresponses_ws.errors import ClosedError, ProtocolError, TurnFacts
from pyresponses_ws.events import Event
from pyresponses_ws.items import Response
from pyresponses_ws.report import RetryReport, TurnReport


class Delivery:
    """Carries one turn to its ending. One thread at a time."""

    def __init__(
        self, links: LinkSource, sizes: HistorySizes, request: TurnRequest, *, total: float | None
    ) -> None:
        self.turn = Turn()
        self.report = TurnReport(input_mode=request.input_mode)
        #: What other threads and the finalizer may touch.
        self.claim = Claim(links)
        self._links = links
        self._sizes = sizes
        self._request = request
        self._clock = links.clock
        self._timeouts = links.config.timeouts
        self._timers = TurnTimers(self._timeouts, now=self._clock.now(), total=total)
        self._budget = Budget()
        # The decision that another attempt carries out, until its request is out.
        self._decision: Decision | None = None
        # The request was out once and may have run, and may be charged twice: set by a replay, and
        # never taken back.
        self._is_replay = self._may_charge_twice = False
        # How the link of the newest attempt ended, as far as this turn knows.
        self._close: Close | None = None
        # Events taken from the mailbox and not handed over yet.
        self._events: deque[Event] = deque()
        self._finalizer = weakref.finalize(self, self.claim.drop)
        # At exit the pool cuts every link anyway.
        self._finalizer.atexit = False

    # --- what the consumer calls --------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """The turn has ended, one way or another."""
        return self.claim.is_over

    def start(self) -> None:
        """Hand the request to a link; returns once it is sent. Raises what ended the turn."""
        try:
            self._send_until_out()
        except BaseException as exc:
            self._clean_up(exc)
            raise

    def next_event(self) -> Event:
        """Wait for the next event and count it in. Raises what ended the turn.

        After a terminal event ``is_over`` is True; an ``error`` event raises instead.
        """
        try:
            while not self.claim.is_over:
                if self.claim.is_cancelled:
                    raise cancelled_error()
                if not self._events:
                    self._events.extend(self._receive())
                    continue
                event = self._events.popleft()
                self.turn.receive_event(event)
                if self.turn.ending is None or self._settle():
                    return event
            # Answered in the middle of a replay whose send failed.
            assert self.turn.ending is not None
            return self.turn.ending.event
        except BaseException as exc:
            self._clean_up(exc)
            raise

    def result(self) -> Response:
        """Wait for the end and return the Response. Raises what ended the turn.

        Nothing is handed over before the end, so a replay stays possible for longest.
        """
        while not self.is_over:
            self.next_event()
        ending = self.turn.ending
        assert ending is not None, "a turn that is over without an ending has raised"
        if ending.kind not in ("completed", "incomplete"):
            error = ending_error(ending)
            self._set_facts(error)
            raise error
        response = self.turn.response()
        response.report = self.report
        return response

    def retire(self) -> None:
        """Give the turn up without an error; nothing of it reaches anybody any more."""
        if not self.is_over:
            self._clean_up(None)

    # --- sending ------------------------------------------------------------------------------

    def _send_until_out(self) -> None:
        while not self._send_once():
            pass

    def _send_once(self) -> bool:
        """Try one link. False when the table says to try again."""
        self.claim.renew()
        self._check_given_up()
        link = self._lease()
        # Only now: if no link was found, the attempt before is what there is to tell.
        self.turn.restart()
        self._events.clear()
        self.turn.mark_sent()
        self._close = None
        timeout = self._timers.left(self._clock.now())
        try:
            self._links.send(link, self.claim.mailbox, self._request.payload, timeout=timeout)
        except SendError as exc:
            return self._send_failed(link, exc)
        self._note_sent(link)
        return True

    def _lease(self) -> Link:
        now, decision = self._clock.now(), self._decision
        try:
            is_reused = self._links.lease(
                self.claim.mailbox,
                prefer=self._request.previous_response_id,
                # What took the last link may have taken the others: only a new one is known good.
                is_fresh=decision is not None and decision.action is not Action.RETRY,
                timeout=min(self._timeouts.connect, self._timers.left(now) or math.inf),
                on_link=self.claim.take,
            )
        except ClosedError:
            # Closed before the turn began: that is the caller's mistake. Later, it is the reason.
            if self.report.attempts:
                self._check_given_up()
            raise
        except Exception as exc:
            self._check_given_up()
            if self._is_replay:
                raise stranded_error(exc) from exc
            raise
        link = self.claim.link
        assert link is not None, "a lease without an error names its link"
        self.report.note_link(link.report(), is_reused=is_reused)
        return link

    def _note_sent(self, link: Link) -> None:
        report, self._decision = self.report, None
        report.attempts += 1
        report.bytes_sent += len(self._request.payload)
        report.replayed = self._is_replay
        report.possible_duplicate_charge = self._may_charge_twice
        unsent = link.transport.unsent_bytes() or 0
        is_head = link.is_head(self.claim.mailbox)
        self._timers.sent(self._clock.now(), unsent=unsent, is_head=is_head)

    def _send_failed(self, link: Link, exc: SendError) -> bool:
        """The socket would not take it. True when it is out all the same, False: try again."""
        self._close = exc.close
        self._check_given_up()
        # The server may have answered, or said why, before it left.
        self._take_the_rest()
        if exc.is_partial:
            self._note_sent(link)
        if self.turn.ending is not None:
            self._settle()
            return True
        if exc.is_partial:
            self._lose(Lost(exc.close, is_provoked=True))
        else:
            self.turn.restart()
            self._recover("not_sent", is_provoked=True)
        return False

    # --- receiving ----------------------------------------------------------------------------

    def _receive(self) -> list[Event]:
        """Wait for events, sending again where the table says so. Raises what ends the turn.

        Nothing is returned when a send has ended the turn.
        """
        while not self.is_over:
            try:
                letter = self.claim.mailbox.get(self._timers.deadline(self._clock.now()))
            except Empty:
                self._look_at_timers()
                continue
            if type(letter) is Batch:
                self._note_batch(letter)
                return letter.events
            self._open_letter(letter)
            self._send_until_out()
        return []

    def _open_letter(self, letter: Letter) -> None:
        """Raise what the letter says, or return when the turn may be sent again."""
        if isinstance(letter, Lost):
            self._close = letter.close
        self._check_given_up()
        if isinstance(letter, Lost):
            self._lose(letter)
        elif isinstance(letter, Overflow):
            raise overflow_error()
        else:
            raise cancelled_error()

    def _check_given_up(self) -> None:
        """Raise if the caller no longer wants the answer: never sent again then."""
        if self.claim.is_cancelled or (self._links.is_closed and self.report.attempts):
            raise cancelled_error()
        if self._clock.now() >= self._timers.ends_at:
            raise timeout_error("total", self._timers.ends_at - self._timers.started_at)

    def _look_at_timers(self) -> None:
        """A deadline has passed: give up, treat the link as dead, or go on waiting."""
        link = self.claim.link
        assert link is not None, "only a turn that was sent waits"
        self._check_given_up()
        phase = self._timers.expired(
            self._clock.now(),
            unsent=link.transport.unsent_bytes() or 0,
            is_head=link.is_head(self.claim.mailbox),
        )
        if phase == "silence":
            raise timeout_error(phase, self._timeouts.silence or 0.0)
        if phase == "first_event":
            self._close = Close(reason=f"no event within {self._timeouts.first_event:g} s")
            self._recover("disconnect", is_provoked=True, is_late=True)
            self._send_until_out()

    def _note_batch(self, batch: Batch) -> None:
        now = self._clock.now()
        self._timers.received(now)
        elapsed = (now - self._timers.started_at) * 1000
        self.report.note_events(batch.events, batch.size, elapsed_ms=elapsed)

    # --- recovery -----------------------------------------------------------------------------

    def _lose(self, lost: Lost) -> None:
        """The link is gone. Returns when the turn may be sent again."""
        cause = lost.close.cause
        if isinstance(cause, ProtocolError):
            # One of its own for each turn of the link: it will carry this turn's facts.
            raise ProtocolError(str(cause), text=cause.text) from cause
        is_late = lost.close.reason == SEND_TIMED_OUT
        self._recover("disconnect", is_provoked=lost.is_provoked, is_late=is_late)

    def _recover(
        self,
        kind: Literal["error", "disconnect", "not_sent"],
        *,
        is_provoked: bool = False,
        is_late: bool = False,
    ) -> None:
        """Ask the table. Returns after the wait that it asks for, or raises.

        ``is_late``: a timer ran out, and the caller was promised an end by now, no other attempt.
        """
        now, ending = self._clock.now(), self.turn.ending
        situation = Situation(
            kind=kind,
            state=self.turn.reached,
            effect_free=self._request.is_effect_free,
            details=ending.details if ending is not None else None,
            close_code=self._close.code if self._close is not None else None,
            provoked=is_provoked,
            seconds_since_sent=math.inf if is_late else now - self._timers.sent_at,
            total_left=self._timers.left(now),
        )
        config = self._links.config
        decision = decide(situation, self._budget, policy=self._links.replay, rng=self._links.rng)
        self._budget = decision.budget
        if decision.action not in self._links.remedies:
            self._raise(decision)
        self._decision = decision
        self._is_replay |= decision.action is Action.REPLAY
        self._may_charge_twice |= decision.possible_duplicate_charge
        self.claim.leave()
        attempts = self.report.attempts
        retry = RetryReport(row=decision.row, delay=decision.delay, attempts=attempts)
        call_hook(config.hooks.on_retry, retry)
        if decision.delay:
            self._pause(decision.delay)

    def _raise(self, decision: Decision) -> None:
        if self.turn.ending is not None:
            raise ending_error(self.turn.ending)
        assert self._close is not None, "a turn ends by an event or by its link"
        error = lost_error(decision, self._close)
        if self._is_replay and decision.error is None:
            error = stranded_error(error)
        raise error from self._close.cause

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt, which the table lets end before ``total`` does.

        Only ``cancel`` writes to the fresh mailbox.
        """
        self.claim.renew()
        self._check_given_up()
        try:
            letter = self.claim.mailbox.get(self._clock.now() + seconds)
        except Empty:
            return
        self._open_letter(letter)

    # --- endings ------------------------------------------------------------------------------

    def _settle(self) -> bool:
        """A terminal event came. True: the turn is over. False: it was sent again."""
        ending = self.turn.ending
        assert ending is not None, "called after a terminal event"
        if ending.kind == "error":
            self._recover("error")
            self._send_until_out()
            return False
        self.report.full_replay_bytes = self._sizes.full_replay_bytes(self._request)
        if ending.kind == "completed":
            self._sizes.note(self._request, self.turn.response())
        self._end()
        return True

    def _end(self) -> None:
        if self.is_over:
            return
        self.claim.is_over = True
        # Now, since Python swallows a Ctrl-C that meets a finalizer or a callback of a weak set.
        self._finalizer.detach()
        self._links.leave(self.claim)
        self.report.total_ms = (self._clock.now() - self._timers.started_at) * 1000
        self._links.tally.turn_ended(attempts=self.report.attempts)
        call_hook(self._links.config.hooks.on_turn_end, self.report)

    def _clean_up(self, exc: BaseException | None) -> None:
        """Let go of everything after whatever ended the turn early, and tell the exception."""
        try:
            self.claim.leave()
            self._take_the_rest()
            self._set_facts(exc)
        finally:
            self._end()

    def _take_the_rest(self) -> None:
        """Count in what had arrived, for the partial output."""
        while True:
            while self._events:
                event = self._events.popleft()
                if self.turn.ending is None:
                    self.turn.receive_event(event)
            try:
                letter = self.claim.mailbox.get(self._clock.now())
            except Empty:
                return
            if type(letter) is Batch:
                self._note_batch(letter)
                self._events.extend(letter.events)

    def _set_facts(self, exc: BaseException | None) -> None:
        """Fill the attributes that every error of a turn carries."""
        close = self._close or (self.claim.link.close if self.claim.link is not None else None)
        self.report.close_code = close.code if close is not None else None
        if isinstance(exc, TurnFacts):
            elapsed = self._clock.now() - self._timers.started_at
            add_facts(exc, self.turn, self.report, close, elapsed=elapsed)
