"""Calls of the API that are no turns: one HTTP request each, tried again where that is safe.

Everything here runs on the caller's thread. Every wait has a deadline, and an end before it when
the client is closed: a socket's comes in slices between which the watch is asked, and the pause
before another attempt is a ``Mailbox.get`` that ``Claim.cancel`` ends.
"""

from __future__ import annotations

import logging
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlencode

from pyresponses_ws import codec
from pyresponses_ws._protocol.recovery import Action, Budget, Situation, decide
from pyresponses_ws._protocol.turn import TurnState
from pyresponses_ws._runtime.api_request import APIRequest
from pyresponses_ws._runtime.claim import Claim
from pyresponses_ws._runtime.clock import Clock, Empty
from pyresponses_ws._runtime.exchange import Exchange, read_body
from pyresponses_ws._runtime.flood import Flood
from pyresponses_ws._runtime.hook import call_hook
from pyresponses_ws._runtime.pool import Pool
from pyresponses_ws._transport.base import Endpoint, HTTPCall, HTTPRequest
from pyresponses_ws._transport.refusal import error_frame
from pyresponses_ws.errors import (
    ConnectError,
    ConnectionLostError,
    ProtocolError,
    ResponsesWSError,
    TurnCancelledError,
    TurnFacts,
    TurnTimeoutError,
)
from pyresponses_ws.failures import ErrorDetails, normalize_error, to_error
from pyresponses_ws.model import WireModel, build
from pyresponses_ws.report import RetryReport
from pyresponses_ws.timeout import Timeout, resolve_timeout

T = TypeVar("T")
M = TypeVar("M", bound=WireModel)

logger = logging.getLogger("pyresponses_ws.calls")

#: How far connecting must have got for another attempt to be worth it: certificates and refusals
#: of proxies do not change in seconds.
_PASSING_STAGES = ("dns", "tcp")
#: A server that cannot be reached is given the pace of one that says it is overloaded.
_UNREACHABLE = normalize_error({"status": 503})


@dataclass(frozen=True)
class _Failure:
    """An attempt that brought nothing."""

    error: ResponsesWSError
    #: What to call it in a report of another attempt.
    row: str
    #: What the recovery table is asked about; None if another attempt is no use or not safe.
    details: ErrorDetails | None


class Watch:
    """Ends the waits of one call, whose socket outlives it where a stream of events is dropped."""

    def __init__(
        self,
        claim: Claim,
        clock: Clock,
        *,
        total: float | None,
        first: float | None = None,
        silence: float | None = None,
    ) -> None:
        # Weak: the socket asks this object, and the claim holds the socket. In a circle, a dropped
        # stream would stay among the calls that close() waits for.
        self._claim = weakref.ref(claim)
        self._clock = clock
        self._total = total
        self._first = first
        self._silence = silence
        # When the request was out; None while none is, or once its answer has begun.
        self._sent_at: float | None = None
        self.started_at = clock.now()
        # When something came last; None until the answer has begun.
        self._heard_at: float | None = None

    def check(self) -> None:
        """Raise TurnCancelledError or TurnTimeoutError if the call is over for one of them."""
        claim = self._claim()
        if claim is not None and claim.is_cancelled:
            raise TurnCancelledError("the client was closed while the call ran")
        if self._total is not None and self.elapsed >= self._total:
            raise TurnTimeoutError(f"no answer within {self._total:g} s", phase="total")
        if self._is_over(self._first, self._sent_at):
            raise TurnTimeoutError(f"no answer within {self._first:g} s", phase="first_event")
        if self._is_over(self._silence, self._heard_at):
            raise TurnTimeoutError(f"no event within {self._silence:g} s", phase="silence")

    def _is_over(self, limit: float | None, since: float | None) -> bool:
        return limit is not None and since is not None and self._clock.now() - since >= limit

    def flood(self) -> Flood:
        """Begin to count what one wait reads in vain."""
        return Flood(self._clock, self.check)

    def note_sent(self) -> None:
        """The request is out."""
        self._sent_at = self._clock.now()

    def note_answer(self) -> None:
        """The answer has begun, or the attempt is over."""
        self._sent_at = None

    def note_heard(self) -> None:
        """Something of the answer came."""
        self._heard_at = self._clock.now()

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return self._clock.now() - self.started_at

    @property
    def left(self) -> float | None:
        """Seconds until ``total`` ends the call; None without a limit."""
        return None if self._total is None else self._total - self.elapsed


class APICall:
    """Carries one request to its answer. One thread; closing the client ends it."""

    def __init__(
        self,
        pool: Pool,
        request: APIRequest,
        *,
        total: float | None,
        silence: float | None = None,
    ) -> None:
        #: What other threads and a finalizer may touch.
        self.claim = Claim(pool)
        first = None if request.answers_late else pool.config.timeouts.first_event
        self.watch = Watch(self.claim, pool.clock, total=total, first=first, silence=silence)
        self._pool = pool
        self._request = request
        self._timeouts = pool.config.timeouts
        # Times that the request was handed to a socket, or one for it was not to be had.
        self._attempts = 0
        self._budget = Budget()
        # An attempt was lost after the request was out.
        self._may_have_run = False
        # Seconds that all attempts to connect may still take: the promise is to the caller.
        self._connect_left: float = self._timeouts.connect
        # Where the latest attempt went, as errors may tell it.
        self._told: Endpoint | None = None

    def fetch(self) -> bytes:
        """Return the body of the answer; the call is over then.

        Raises ClosedError, ConfigError, ConnectError, ConnectionLostError, APIError,
        TurnTimeoutError, and TurnCancelledError when the client is closed.
        """
        try:
            return self.run(self._read_whole)
        finally:
            self.finish()

    def run(self, read: Callable[[HTTPCall], T]) -> T:
        """Attempt until ``read`` gets what it wants of a good answer. Raises as ``fetch`` does.

        ``read`` is called again, with another answer, when the connection is lost under it.
        """
        self._pool.enter(self.claim)
        try:
            while isinstance(outcome := self._attempt(read), _Failure):
                self._recover(outcome)
        except TurnFacts as exc:
            exc.set_facts(attempts=self._attempts, elapsed=self.watch.elapsed)
            raise
        return outcome

    def finish(self) -> None:
        """Let go of everything. Idempotent."""
        self.claim.finish()

    def _attempt(self, read: Callable[[HTTPCall], T]) -> T | _Failure:
        self.claim.renew()
        self.watch.check()
        self._attempts += 1
        began = self.watch.elapsed
        try:
            call = self._send()
            if 200 <= call.status < 300 or self._is_done_before(call.status):
                answer = read(call)
                self._log(call.status)
                return answer
            details = self._read_refusal(call)
        except ConnectError as exc:
            self._connect_left -= self.watch.elapsed - began
            is_passing = exc.stage in _PASSING_STAGES and self._connect_left > 0
            return _Failure(exc, "not_sent", self._unreachable(is_passing=is_passing))
        except ConnectionLostError as exc:
            self._may_have_run = True
            return _Failure(exc, "lost", self._unreachable(is_passing=True))
        self._log(call.status)
        return _Failure(to_error(details), "overloaded", details)

    def _read_whole(self, call: HTTPCall) -> bytes:
        return read_body(call, self.watch.flood())

    def _is_done_before(self, status: int) -> bool:
        """What an attempt whose answer was lost has deleted is not there any more."""
        return self._request.method == "DELETE" and status == 404 and self._may_have_run

    def _send(self) -> HTTPCall:
        dialer, request = self._pool.dialer, self._request
        url = dialer.config.http_url(request.path)
        endpoint = dialer.endpoint(url + _as_query(request, url))
        # Of the URL only what the options say may be secret; cursors are named in messages.
        self._told = replace(endpoint, url=url)
        call = dialer.http.start(
            HTTPRequest(
                method=request.method,
                endpoint=endpoint,
                body=request.body,
                accept=request.accept,
            ),
            check=self.watch.check,
            connect_timeout=min(self._connect_left, self._left()),
            send_timeout=self._timeouts.send,
        )
        self.claim.take_exchange(Exchange(call, endpoint, dialer.tally, self.watch.flood))
        dialer.tally.http_began(call, is_first=False, is_fallback=False)
        try:
            call.send(on_sent=self.watch.note_sent)
        finally:
            self.watch.note_answer()
        return call

    def _left(self) -> float:
        left = self.watch.left
        # Not 0: the next check says that the time is up.
        return math.inf if left is None else max(left, 0.001)

    def _read_refusal(self, call: HTTPCall) -> ErrorDetails:
        assert self._told is not None, "only what was sent is refused"
        body = self._read_whole(call)
        return normalize_error(error_frame(call.status, call.headers, body, self._told))

    def _unreachable(self, *, is_passing: bool) -> ErrorDetails | None:
        return _UNREACHABLE if is_passing and self._request.is_idempotent else None

    def _recover(self, failure: _Failure) -> None:
        """Ask the table. Returns after the wait that it asks for, or raises."""
        self.watch.check()
        retry = self._judge(failure)
        if retry is None:
            raise failure.error from failure.error.__cause__
        self.claim.leave()
        call_hook(self._pool.config.hooks.on_retry, retry)
        self._pause(retry.delay)

    def _judge(self, failure: _Failure) -> RetryReport | None:
        if failure.details is None or self._pool.is_closed:
            return None
        situation = Situation(
            kind="error",
            state=TurnState.SENT,
            details=failure.details,
            total_left=self.watch.left,
        )
        pool = self._pool
        decision = decide(situation, self._budget, policy=pool.replay, rng=pool.rng)
        self._budget = decision.budget
        if decision.action is not Action.RETRY:
            return None
        return RetryReport(row=failure.row, delay=decision.delay, attempts=self._attempts)

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt. Only ``cancel`` writes to the fresh mailbox."""
        self.claim.renew()
        self.watch.check()
        try:
            self.claim.mailbox.get(self._pool.clock.now() + seconds)
        except Empty:
            return
        self.watch.check()

    def _log(self, status: int) -> None:
        method, milliseconds = self._request.method, self.watch.elapsed * 1000
        logger.debug(
            "%s: HTTP %d after %.0f ms, attempt %d", method, status, milliseconds, self._attempts
        )


def _as_query(request: APIRequest, url: str) -> str:
    """What is asked besides, behind the query that the options put into every URL."""
    query = urlencode(request.query)
    return query and ("&" if "?" in url else "?") + query


def fetch(pool: Pool, request: APIRequest, cls: type[M], *, timeout: Timeout) -> M:
    """Make a call and read its answer as an object of ``cls``.

    Raises ConfigError for the timeout, ProtocolError for an answer that is no JSON object, and what
    ``APICall.fetch`` raises.
    """
    total = resolve_timeout(timeout, default=pool.config.timeouts.create_total)
    body = APICall(pool, request, total=total).fetch()
    answer = codec.loads(body)
    if not isinstance(answer, dict):
        text = body.decode("utf-8", "replace")
        raise ProtocolError("the answer is JSON, but no object", text=text)
    return build(cls, answer)
