"""The links of a client that turns are sent on: newest first, one turn at a time on each."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence

from pyresponses_ws._protocol.recovery import Action
from pyresponses_ws._runtime.breaker import WebSocketBreaker
from pyresponses_ws._runtime.claim import Claim
from pyresponses_ws._runtime.dialer import Dialer
from pyresponses_ws._runtime.farewell import CLIENT_CLOSED, GOODBYE_WAIT, cut_all
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Mailbox
from pyresponses_ws._runtime.reconnector import Reconnector
from pyresponses_ws._runtime.rotation import ROTATED, Rotation
from pyresponses_ws._runtime.source import LinkSource
from pyresponses_ws._transport.base import Close
from pyresponses_ws.config import Replay
from pyresponses_ws.errors import ClosedError
from pyresponses_ws.events import Event


class Pool(LinkSource):
    """Leases links to turns: a ``LinkSource``, and the ``Owner`` of its links. Any thread."""

    def __init__(self, dialer: Dialer, reconnector: Reconnector) -> None:
        super().__init__(dialer)
        self._reconnector = reconnector
        self.breaker: WebSocketBreaker = WebSocketBreaker(
            dialer.threads, reconnector, host=dialer.config.host, open_link=self.open_replacement
        )
        # Guards what follows; never held across I/O.
        self._lock = dialer.threads.lock()
        # Open or opening, the one used last at the end.
        self._links: list[Link] = []
        # Of turns that run; weak, so that a dropped turn can go.
        self._claims: weakref.WeakSet[Claim] = weakref.WeakSet()
        self._is_closed = False
        # Of links that grow old, by their links.
        self._rotations: dict[Link, Rotation] = {}
        weakref.finalize(self, cut_all, os.getpid(), self._links)
        weakref.finalize(self, reconnector.wake)

    @property
    def remedies(self) -> frozenset[Action]:
        return frozenset({Action.NEW_LINK, Action.REPLAY, Action.RETRY, Action.HTTP})

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
        link = self.dialer.make_link(self, closes_when_idle=True)
        link.begin(mailbox)
        self._open(link, timeout=timeout, on_link=on_link)
        self._mark_used(link)
        return False

    def open_replacement(self) -> Link:
        """Open a link that no turn waits for. Raises what opening raises. The reconnector's."""
        link = self.dialer.make_link(self, closes_when_idle=True)
        self._open(link, timeout=self.config.timeouts.connect, on_link=lambda link: None)
        return link

    def _open(self, link: Link, *, timeout: float, on_link: Callable[[Link], None]) -> None:
        try:
            with self._lock:
                self.check_open()
                # Behind the others: what is used last stays warm, and a spare is not used yet.
                self._links.insert(0, link)
            on_link(link)
            self.dialer.open(link, timeout=timeout)
        except BaseException:
            link.abort(Close(reason="opening failed"))
            self._forget(link)
            raise

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
            self._rotations.pop(link, None)
            if link in self._links:
                self._links.remove(link)

    def check_open(self) -> None:
        """Raise ClosedError after ``refuse``."""
        if self._is_closed:
            raise ClosedError("the client is closed; make a new ResponsesClient")

    # --- closing ------------------------------------------------------------------------------

    def enter(self, claim: Claim) -> None:
        """Let ``close`` know of a turn that is about to begin. Raises ClosedError."""
        self.leave_buried()
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
        self.breaker.stop()

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
            if not claim.is_answered:
                claim.over.wait(max(0.0, deadline - self.clock.now()))
        # First: a claim between two attempts may look answered now, and sees this before it sends.
        self.is_over = True
        for claim in claims:
            # An answer that has arrived whole may still be read.
            if not claim.is_answered:
                claim.cancel()
        self.leave_buried()
        self.dialer.close_http()
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

    def link_ageing(self, link: Link) -> None:
        """Have a replacement opened, unless a younger link is there already."""
        with self._lock:
            has_younger = any(
                each.is_open and each.vitals.opened_at > link.vitals.opened_at
                for each in self._links
            )
            if has_younger or self._is_closed or link not in self._links:
                return
            rotation = self._rotations[link] = Rotation(self, link, self._reconnector)
        rotation.begin()

    def swap(self, old: Link, new: Link) -> bool:
        """Both are in the pool; turns find whichever is open."""
        return True

    def link_expired(self, link: Link) -> None:
        """Close it, now or after the turn that runs on it."""
        with self._lock:
            rotation = self._rotations.get(link)
        new = rotation.new if rotation is not None else None
        # It may be gone again, unused for too long.
        self.dialer.note_rotation(link, new if new is not None and new.is_open else None)
        if not self.keeper.say_goodbye(link, ROTATED, if_idle=True):
            link.retire()
