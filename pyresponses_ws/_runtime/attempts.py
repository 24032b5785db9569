"""One request on its way, attempt by attempt: over a link, or over HTTP.

Everything here runs on the thread that waits for the turn; what others may touch is in its claim.
Every wait has a deadline: over a link it is a ``Mailbox.get``, ended early by a letter from the
reader (events, or the loss of the link, which always comes) or from ``Claim.cancel``; over HTTP a
socket's, in slices between which the timers are looked at, and ended early by a shutdown.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pyresponses_ws._protocol.timers import TurnTimers
from pyresponses_ws._runtime.claim import Claim
from pyresponses_ws._runtime.clock import Empty
from pyresponses_ws._runtime.exchange import EVENT_STREAM, Exchange, OverdueError
from pyresponses_ws._runtime.flood import Flood
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Batch, Letter, Lost
from pyresponses_ws._runtime.request import TurnRequest
from pyresponses_ws._runtime.route import Route
from pyresponses_ws._runtime.source import LinkSource
from pyresponses_ws._runtime.verdict import cancelled_error, timeout_error
from pyresponses_ws._runtime.writer import SendError
from pyresponses_ws._transport.base import Close, HTTPRequest
from pyresponses_ws.report import TurnReport


@dataclass(frozen=True)
class Unsent:
    """The link was found dead before the first byte of the request."""

    close: Close


class Attempts:
    """Hands one request to sockets, and waits for what comes. One thread at a time."""

    def __init__(
        self,
        links: LinkSource,
        request: TurnRequest,
        report: TurnReport,
        timers: TurnTimers,
        claim: Claim,
    ) -> None:
        self.route = Route(links, request, report)
        self._links = links
        self._request = request
        self._report = report
        self._timers = timers
        self._claim = claim
        self._clock = links.clock
        self._timeouts = links.config.timeouts
        # An attempt went over HTTP; one before it may have gone over a link.
        self._has_posted = False

    def check_given_up(self) -> None:
        """Raise if the caller no longer wants the answer: never sent again then."""
        if self._links.is_closed and self._report.attempts:
            raise cancelled_error()
        self._check_caller()

    def _check_caller(self) -> None:
        if self._claim.is_cancelled:
            raise cancelled_error()
        if self._clock.now() >= self._timers.ends_at:
            raise timeout_error("total", self._timers.ends_at - self._timers.started_at)

    def send(self, *, is_fresh: bool, on_begin: Callable[[], None]) -> Unsent | Lost | None:
        """Send the request; None once it is out.

        ``is_fresh`` asks for a link that was not open before. ``on_begin`` is called once there is
        something to send on, before the first byte. Raises what opening raises, with nothing sent.
        """
        self._claim.renew()
        self.check_given_up()
        if not self.route.is_http:
            try:
                link = self._lease(is_fresh=is_fresh)
            except Exception as exc:
                self.check_given_up()
                # At once: whoever closes the client must not take the dead link for an answer.
                self._claim.renew()
                if not self.route.note_connect_failure(exc):
                    raise
            else:
                return self._send_over(link, on_begin)
        return self._post(on_begin, is_fresh=is_fresh)

    def wait(self) -> Letter | None:
        """Wait for the next letter; None when there is none yet. Raises what ends the turn."""
        exchange = self._claim.exchange
        if exchange is not None:
            letter: Letter = exchange.receive()
        else:
            try:
                letter = self._claim.mailbox.get(self._timers.deadline(self._clock.now()))
            except Empty:
                return self._lose_overdue() if self._is_overdue() else None
        if type(letter) is Batch:
            self.note_batch(letter)
        return letter

    def take_arrived(self) -> Letter | None:
        """A letter that is there already; of a link only, since HTTP has none."""
        try:
            letter = self._claim.mailbox.get(self._clock.now())
        except Empty:
            return None
        if type(letter) is Batch:
            self.note_batch(letter)
        return letter

    def note_batch(self, batch: Batch) -> None:
        now = self._clock.now()
        if self._report.first_event_ms is None:
            self.route.note_answer()
        self._timers.received(now)
        elapsed = (now - self._timers.started_at) * 1000
        self._report.note_events(batch.events, batch.size, elapsed_ms=elapsed)

    # --- over a link --------------------------------------------------------------------------

    def _lease(self, *, is_fresh: bool) -> Link:
        now = self._clock.now()
        is_reused = self._links.lease(
            self._claim.mailbox,
            prefer=self._request.previous_response_id,
            is_fresh=is_fresh,
            timeout=self._connect_timeout(now),
            on_link=self._claim.take,
        )
        link = self._claim.link
        assert link is not None, "a lease without an error names its link"
        self._report.note_link(link.report(), is_reused=is_reused)
        waited = (self._clock.now() - now) * 1000 - (self._report.connect_ms or 0.0)
        self._report.pool_wait_ms += max(0.0, waited)
        return link

    def _connect_timeout(self, now: float) -> float:
        left = self._timers.left(now)
        return min(self._timeouts.connect, math.inf if left is None else left)

    def _send_over(self, link: Link, on_begin: Callable[[], None]) -> Unsent | Lost | None:
        on_begin()
        mailbox, payload = self._claim.mailbox, self._request.payload
        timeout = self._timers.left(self._clock.now())
        try:
            self._links.send(link, mailbox, payload, timeout=timeout)
        except SendError as exc:
            if not exc.is_partial:
                return Unsent(exc.close)
            self._note_sent(len(payload), unsent=0, is_head=True)
            return Lost.by(exc.close, is_provoked=True)
        # A lane may have moved to another link meanwhile.
        used = self._claim.link or link
        unsent = used.transport.unsent_bytes() or 0
        self._note_sent(len(payload), unsent=unsent, is_head=used.is_head(mailbox))
        return None

    def _note_sent(self, size: int, *, unsent: int, is_head: bool) -> None:
        self._report.attempts += 1
        self._report.bytes_sent += size
        self._timers.sent(self._clock.now(), unsent=unsent, is_head=is_head)

    def _is_overdue(self) -> bool:
        """Whether ``first_event`` has run out. Raises if another timer has, or the caller."""
        self._check_caller()
        claim = self._claim
        if claim.exchange is not None:
            unsent, is_head = claim.exchange.call.unsent_bytes(), True
        else:
            assert claim.link is not None, "only a turn that was sent waits"
            unsent = claim.link.transport.unsent_bytes()
            is_head = claim.link.is_head(claim.mailbox)
        phase = self._timers.expired(self._clock.now(), unsent=unsent or 0, is_head=is_head)
        if phase == "silence":
            raise timeout_error(phase, self._timeouts.silence or 0.0)
        return phase == "first_event"

    def _lose_overdue(self) -> Lost:
        return Lost(Close(reason=self._overdue_reason()), is_provoked=True, is_late=True)

    def _overdue_reason(self) -> str:
        return f"no event within {self._timeouts.first_event:g} s"

    # --- over HTTP ----------------------------------------------------------------------------

    def _post(self, on_begin: Callable[[], None], *, is_fresh: bool) -> Lost | None:
        body = self._request.http_body()
        post = _Post(self, len(body), on_begin)
        exchange = self._start_exchange(body, post, is_fresh=is_fresh)
        call = exchange.call
        try:
            lost = exchange.send(on_sent=post.note_sent)
            # If it was lost, or answered early, before all of it was out.
            post.note_sent()
        except BaseException:
            if call.bytes_sent:
                # Whoever reads the error must know that the server may have it all.
                post.note_sent()
            raise
        finally:
            post.forget()
        self._report.reused_link, self._report.connect_ms = call.is_reused, call.connect_ms
        return lost

    def _start_exchange(self, body: bytes, post: _Post, *, is_fresh: bool) -> Exchange:
        dialer, tally = self._links.dialer, self._links.tally
        endpoint = dialer.endpoint(dialer.config.http_url())
        request = HTTPRequest(
            method="POST", endpoint=endpoint, body=body, accept=EVENT_STREAM, is_fresh=is_fresh
        )
        call = dialer.http.start(
            request,
            check=post.check,
            connect_timeout=self._connect_timeout(self._clock.now()),
            send_timeout=self._timeouts.send,
        )
        exchange = Exchange(call, endpoint, tally, partial(Flood, self._clock, post.check))
        # First, so that whatever interrupts this is cleaned up after.
        self._claim.take_exchange(exchange)
        if self._links.is_over:
            raise cancelled_error()
        is_fallback = self._report.transport_reason != "configured"
        tally.http_began(call, is_first=not self._has_posted, is_fallback=is_fallback)
        self._has_posted = True
        return exchange

    def note_posted(self, size: int) -> None:
        """The body of a POST was handed to the kernel."""
        call = self._claim.exchange.call if self._claim.exchange is not None else None
        unsent = call.unsent_bytes() if call is not None else None
        self._note_sent(size, unsent=unsent or 0, is_head=True)

    def check_posted(self, *, is_sent: bool) -> None:
        """Raise what ends the wait of an HTTP call.

        A client that is being closed gives it time; its claim is cancelled when that is over.
        """
        self._check_caller()
        if is_sent and self._is_overdue():
            raise OverdueError(self._overdue_reason())
        if self._claim.exchange is not None:
            self._claim.exchange.check_held(self._clock.now())


class _Post:
    """What an HTTP call reports back. It must not keep the turn alive, which its call outlives."""

    def __init__(self, attempts: Attempts, size: int, on_begin: Callable[[], None]) -> None:
        self._attempts = weakref.ref(attempts)
        self._size = size
        self._on_begin: Callable[[], None] | None = on_begin
        self._is_sent = False

    def forget(self) -> None:
        self._on_begin = None

    def check(self) -> None:
        if (attempts := self._attempts()) is not None:
            attempts.check_posted(is_sent=self._is_sent)

    def note_sent(self) -> None:
        """The request is out, or some of it; a second call does nothing."""
        attempts = self._attempts()
        if self._is_sent or attempts is None or self._on_begin is None:
            return
        self._on_begin()
        self._is_sent = True
        attempts.note_posted(self._size)
