"""The links of a client that turns are sent on: newest first, one turn at a time on each."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence

from pyresponses_ws._protocol.recovery import Action
from pyresponses_ws._runtime.claim import Claim
from pyresponses_ws._runtime.dialer import Dialer
from pyresponses_ws._runtime.farewell import CLIENT_CLOSED, GOODBYE_WAIT, cut_all
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Mailbox
from pyresponses_ws._runtime.source import LinkSource
from pyresponses_ws._transport.base import Close
from pyresponses_ws.config import Replay
from pyresponses_ws.errors import ClosedError
from pyresponses_ws.events import Event


class Pool(LinkSource):
    """Leases links to turns: a ``LinkSource``, and the ``Owner`` of its links. Any thread."""

    def __init__(self, dialer: Dialer) -> None:
        super().__init__(dialer)
        # Guards what follows; never held across I/O.
        self._lock = dialer.threads.lock()
        # Open or opening, the one used last at the end.
        self._links: list[Link] = []
        # Of turns that run; weak, so that a dropped turn can go.
        self._claims: weakref.WeakSet[Claim] = weakref.WeakSet()
        self._is_closed = False
        self._finalizer = weakref.finalize(self, cut_all, os.getpid(), self._links)

    @property
    def remedies(self) -> frozenset[Action]:
        return frozenset({Action.NEW_LINK, Action.REPLAY, Action.RETRY})

    @property
    def replay(self) -> Replay:
        return self.config.replay

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def lease(
        self,
        mailbox: Mailbox,
        *,
        prefer: str | None,
        is_fresh: bool,
        timeout: float,
        on_link: Callable[[Link], None],
    ) -> bool:
        """Find a free link, else open one; it is then ``mailbox``'s until its terminal event."""
        for link in [] if is_fresh else self._candidates(prefer):
            if link.begin(mailbox):
                self._mark_used(link)
                on_link(link)
                return True
        link = self.dialer.make_link(self)
        try:
            link.begin(mailbox)
            with self._lock:
                self.check_open()
                self._links.append(link)
            on_link(link)
            self.dialer.open(link, timeout=timeout)
        except BaseException:
            link.abort(Close(reason="opening failed"))
            self._forget(link)
            raise
        return False

    def send(self, link: Link, mailbox: Mailbox, payload: bytes, *, timeout: float | None) -> None:
        """Send on a link that is the turn's own already."""
        link.send(payload, progress_timeout=self.config.timeouts.send, timeout=timeout)

    def abandon(self, link: Link | None, mailbox: Mailbox) -> None:
        """Give a turn up; without a known link, wherever it is."""
        with self._lock:
            links = list(self._links) if link is None else [link]
        for each in links:
            each.abandon(mailbox)

    def _candidates(self, prefer: str | None) -> list[Link]:
        """Open links, best first: the one that holds ``prefer``, then the ones used last."""
        with self._lock:
            self.check_open()
            links = [link for link in reversed(self._links) if link.is_open]
        if prefer is not None:
            links.sort(key=lambda link: link.latest_response_id != prefer)
        return links

    def _mark_used(self, link: Link) -> None:
        with self._lock:
            # In one step: a Ctrl-C between two would lose the link to ``close`` and the finalizer.
            self._links.sort(key=lambda each: each is link)

    def _forget(self, link: Link) -> None:
        with self._lock:
            if link in self._links:
                self._links.remove(link)

    def check_open(self) -> None:
        """Raise ClosedError after ``refuse``."""
        if self._is_closed:
            raise ClosedError("the client is closed; make a new ResponsesClient")

    # --- closing ------------------------------------------------------------------------------

    def enter(self, claim: Claim) -> None:
        """Let ``close`` know of a turn that is about to begin. Raises ClosedError."""
        with self._lock:
            self.check_open()
            self._claims.add(claim)

    def leave(self, claim: Claim) -> None:
        with self._lock:
            self._claims.discard(claim)

    def refuse(self) -> None:
        """Take no new turn from now on."""
        with self._lock:
            self._is_closed = True

    def close(self, timeout: float) -> None:
        """Take no new turn, wait for running ones, then cancel what is left. Idempotent."""
        self.refuse()
        with self._lock:
            links = list(self._links)
        for link in links:
            if link.is_quiet:
                self.keeper.say_goodbye(link, CLIENT_CLOSED)
            else:
                link.retire()
        deadline = self.clock.now() + timeout
        for link in links:
            wait = max(0.0, deadline - self.clock.now())
            link.ended.wait(min(wait, GOODBYE_WAIT) if link.is_quiet else wait)
        with self._lock:
            claims, links = list(self._claims), list(self._links)
        for claim in claims:
            # An answer that has arrived whole may still be read.
            if claim.link is None or claim.link.is_running(claim.mailbox):
                claim.cancel()
        for link in links:
            link.abort(CLIENT_CLOSED)
        for link in links:
            link.ended.wait(GOODBYE_WAIT)

    # --- Owner of the links -------------------------------------------------------------------

    def link_opened(self, link: Link) -> None:
        """A turn that was on its way when the client was closed still has its time."""
        if self._is_closed:
            link.retire()

    def link_received(self, link: Link, events: list[Event], texts: Sequence[str]) -> None:
        """Turns have mailboxes; nothing else is wanted here."""

    def link_ended(self, link: Link) -> None:
        self._forget(link)
