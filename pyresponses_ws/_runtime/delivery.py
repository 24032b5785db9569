"""One turn from the call to its ending: sends, receives, and recovers by the table.

Everything here runs on the thread that waits for the turn; what others may touch is in its claim,
and how a wait ends is told in ``attempts``.
"""

from __future__ import annotations

import logging
import math
import weakref
from collections import deque
from typing import Literal

from pyresponses_ws._protocol.recovery import Action, Budget, Decision, Situation, decide
from pyresponses_ws._protocol.timers import TurnTimers
from pyresponses_ws._protocol.turn import Turn
from pyresponses_ws._runtime.attempts import Attempts, Unsent
from pyresponses_ws._runtime.claim import Claim
from pyresponses_ws._runtime.clock import Empty
from pyresponses_ws._runtime.history import HistorySizes
from pyresponses_ws._runtime.hook import call_hook
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
)
from pyresponses_ws._transport.base import Close
from pyresponses_ws.errors import (
    ClosedError,
    ProtocolError,
    ResponsesWSError,
    TurnCancelledError,
    TurnError,
    TurnFacts,
)
from pyresponses_ws.events import Event
from pyresponses_ws.items import Response
from pyresponses_ws.report import RetryReport, TurnReport

logger = logging.getLogger("pyresponses_ws.turns")


class Delivery:
    """Carries one turn to its ending. One thread at a time."""

    def __init__(
        self, links: LinkSource, sizes: HistorySizes, request: TurnRequest, *, total: float | None
    ) -> None:
        self.turn = Turn()
        self.report = _new_report(links, request)
        #: What other threads and the finalizer may touch.
        self.claim = Claim(links)
        self._links = links
        self._sizes = sizes
        self._request = request
        self._clock = links.clock
        self._timers = TurnTimers(links.config.timeouts, now=self._clock.now(), total=total)
        self._attempts = Attempts(links, request, self.report, self._timers, self.claim)
        self._budget = Budget()
        # The decision that another attempt carries out, until its request is out.
        self._decision: Decision | None = None
        # The request was out once and may have run: set by a replay, and never taken back.
        self._is_replay = False
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
            self._attempts.route.choose()
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

    # --- sending and receiving ----------------------------------------------------------------

    def _send_until_out(self) -> None:
        while not self._send_once():
            pass

    def _send_once(self) -> bool:
        """Make one attempt. False when the table says to try again."""
        decision = self._decision
        # What took the last link may have taken the others: only a new one is known good.
        is_fresh = decision is not None and decision.action is not Action.RETRY
        try:
            outcome = self._attempts.send(is_fresh=is_fresh, on_begin=self._begin_attempt)
        except Exception as exc:
            # Closed before the turn began: that is the caller's mistake. Later, it is the reason.
            if not isinstance(exc, ClosedError) or self.report.attempts:
                self._attempts.check_given_up()
            is_about_links = not isinstance(exc, (ClosedError, TurnError))
            if self._is_replay and is_about_links:
                raise stranded_error(exc) from exc
            raise
        if outcome is None:
            self._note_out()
            return True
        return self._send_failed(outcome)

    def _begin_attempt(self) -> None:
        """Forget the attempt before; if none had begun, it would be what there is to tell."""
        self.turn.restart()
        self._events.clear()
        self.turn.mark_sent()
        self._close = None

    def _note_out(self) -> None:
        self._decision = None
        self.report.replayed = self._is_replay

    def _send_failed(self, outcome: Unsent | Lost) -> bool:
        """The socket would not take it. True when it is out all the same, False: try again."""
        self._close = outcome.close
        self._attempts.check_given_up()
        # The server may have answered, or said why, before it left.
        self._take_the_rest()
        if isinstance(outcome, Lost):
            self._note_out()
        if self.turn.ending is not None:
            self._settle()
            return True
        if isinstance(outcome, Lost):
            self._lose(outcome)
        else:
            self.turn.restart()
            self._recover("not_sent", is_provoked=True)
        return False

    def _receive(self) -> list[Event]:
        """Wait for events, sending again where the table says so. Raises what ends the turn.

        Nothing is returned when a send has ended the turn.
        """
        while not self.is_over:
            letter = self._attempts.wait()
            if letter is None:
                continue
            if type(letter) is Batch:
                return letter.events
            self._open_letter(letter)
            self._send_until_out()
        return []

    def _open_letter(self, letter: Letter) -> None:
        """Raise what the letter says, or return when the turn may be sent again."""
        if isinstance(letter, Lost):
            self._close = letter.close
        self._attempts.check_given_up()
        if isinstance(letter, Lost):
            self._lose(letter)
        elif isinstance(letter, Overflow):
            raise overflow_error()
        else:
            raise cancelled_error()

    # --- recovery -----------------------------------------------------------------------------

    def _lose(self, lost: Lost) -> None:
        """The link is gone. Returns when the turn may be sent again."""
        cause = lost.close.cause
        if isinstance(cause, ProtocolError):
            # One of its own for each turn of the link: it will carry this turn's facts.
            raise ProtocolError(str(cause), text=cause.text) from cause
        self._recover("disconnect", is_provoked=lost.is_provoked, is_late=lost.is_late)

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
            http_available=self._attempts.route.may_fall_back,
            total_left=self._timers.left(now),
        )
        config = self._links.config
        decision = decide(situation, self._budget, policy=self._links.replay, rng=self._links.rng)
        self._budget = decision.budget
        if decision.action not in self._links.remedies:
            self._raise(decision)
        self._decision = decision
        self._is_replay |= decision.action is Action.REPLAY
        self.report.possible_duplicate_charge |= decision.possible_duplicate_charge
        self.claim.leave()
        # At once: whoever closes the client must not take a dead link for an answer.
        self.claim.renew()
        logger.debug("turn: %s, attempt %d", decision.row, self.report.attempts + 1)
        if decision.action is Action.HTTP:
            self._attempts.route.note_refusal(decision.row, self._lost_error(decision))
        attempts = self.report.attempts
        retry = RetryReport(row=decision.row, delay=decision.delay, attempts=attempts)
        call_hook(config.hooks.on_retry, retry)
        if decision.delay:
            self._pause(decision.delay)

    def _raise(self, decision: Decision) -> None:
        if self.turn.ending is not None:
            raise ending_error(self.turn.ending)
        error = self._lost_error(decision)
        if self._is_replay and decision.error is None:
            raise stranded_error(error) from error.__cause__
        raise error from error.__cause__

    def _lost_error(self, decision: Decision) -> ResponsesWSError:
        assert self._close is not None, "a turn ends by an event or by its link"
        return lost_error(decision, self._close, is_http=self._attempts.route.is_http)

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt, which the table lets end before ``total`` does.

        Only ``cancel`` writes to the fresh mailbox.
        """
        self.claim.renew()
        self._attempts.check_given_up()
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
        # Now, since Python swallows a Ctrl-C that meets a finalizer or a callback of a weak set.
        self._finalizer.detach()
        link, ending = self.claim.link, self.turn.ending
        self.claim.finish()
        report = self.report
        report.total_ms = (self._clock.now() - self._timers.started_at) * 1000
        report.ping_ms = link.vitals.ping_ms if link is not None else None
        report.response_id = self.turn.response_id
        if ending is not None:
            report.note_ending(ending.kind, ending.response)
        self._links.tally.turn_ended(attempts=report.attempts)
        _log(report)
        call_hook(self._links.config.hooks.on_turn_end, report)

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
            letter = self._attempts.take_arrived()
            if letter is None:
                return
            if type(letter) is Batch:
                self._events.extend(letter.events)

    def _set_facts(self, exc: BaseException | None) -> None:
        """Fill the attributes that every error of a turn carries."""
        route = self._attempts.route
        link = self.claim.link
        close = self._close or (link.close if link is not None else None)
        is_told = close is not None and not route.is_http
        self.report.close_code = close.code if close is not None and is_told else None
        self.report.error_type = type(exc).__name__ if exc is not None else None
        if isinstance(exc, TurnFacts):
            elapsed = self._clock.now() - self._timers.started_at
            add_facts(exc, self.turn, self.report, close if is_told else None, elapsed=elapsed)
            is_told_already = exc.__cause__ is route.websocket_error
            if route.websocket_error is not None and not (
                is_told_already or isinstance(exc, TurnCancelledError)
            ):
                _put_below(route.websocket_error, exc.__cause__)
                exc.__cause__ = route.websocket_error


def _put_below(error: BaseException, cause: BaseException | None) -> None:
    """Keep ``cause`` at the end of the causes of ``error``."""
    while error.__cause__ is not None and error.__cause__ is not cause:
        error = error.__cause__
    if error is not cause:
        error.__cause__ = cause


def _new_report(links: LinkSource, request: TurnRequest) -> TurnReport:
    config = links.config
    return TurnReport(
        input_mode=request.input_mode, model=request.model, host=config.host, port=config.port
    )


def _log(report: TurnReport) -> None:
    logger.debug(
        "turn over %s (%s): %s in %.0f ms, attempts %d, events %d",
        report.transport,
        report.transport_reason,
        report.error_type or report.status,
        report.total_ms,
        report.attempts,
        report.events,
    )
