"""The links of a client that turns are sent on: newest first, one turn at a time on each."""

from __future__ import annotations

import os
import random
import weakref
from collections.abc import Callable

from pyresponses_ws._runtime.clock import Clock
from pyresponses_ws._runtime.dialer import Dialer
from pyresponses_ws._runtime.hook import call_hook
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Mailbox
from pyresponses_ws._transport.base import Close
from pyresponses_ws.config import ClientConfig, Replay
from pyresponses_ws.errors import ClosedError
from pyresponses_ws.events import Event
from pyresponses_ws.report import ClientStats

#: RFC 6455 section 7.4.1: a normal closure.
NORMAL_CLOSURE = 1000
CLOSE_REASON = "Client closed"
#: Seconds that a peer gets to answer our close frame.
_GOODBYE_WAIT = 1.0


def _shut_all(pid: int, links: list[Link]) -> None:
    """Cut every link of a pool that nobody holds any more. A finalizer: no lock, no thread.

    A forked child must leave its parent's sockets alone.
    """
    if os.getpid() == pid:
        for link in list(links):
            link.transport.abort()


class Pool:
    """Leases links to turns: a ``LinkSource``, and the ``Owner`` of its links. Any thread."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        #: For jitter: it spreads clients out and guards nothing.
        self.rng = random.Random()
        # Guards what follows; never held across I/O.
        self._lock = dialer.threads.lock()
        # Open or opening, the one used last at the end.
        self._links: list[Link] = []
        self._is_closed = False
        self._opened = self._turns = self._retries = 0
        # Of the links that have ended.
        self._bytes_sent = self._bytes_received = 0
        self._finalizer = weakref.finalize(self, _shut_all, os.getpid(), self._links)

    @property
    def config(self) -> ClientConfig:
        return self._dialer.config

    @property
    def replay(self) -> Replay:
        return self.config.replay

    @property
    def clock(self) -> Clock:
        return self._dialer.threads.clock

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def make_mailbox(self) -> Mailbox:
        threads = self._dialer.threads
        return Mailbox(threads.clock, threads.queue())

    def lease(
        self,
        mailbox: Mailbox,
        *,
        prefer: str | None,
        timeout: float,
        on_link: Callable[[Link], None],
    ) -> bool:
        """Find a free link, else open one."""
        for link in self._candidates(prefer):
            if link.begin(mailbox):
                self._mark_used(link)
                on_link(link)
                return True
        link = self._dialer.make_link(self)
        link.begin(mailbox)
        with self._lock:
            self._check_open()
            self._links.append(link)
        on_link(link)
        try:
            self._dialer.open(link, timeout=timeout)
        except BaseException:
            link.abort(Close(reason="opening failed"))
            self._forget(link)
            raise
        return False

    def _candidates(self, prefer: str | None) -> list[Link]:
        """Open links, best first: the one that holds ``prefer``, then the ones used last."""
        with self._lock:
            self._check_open()
            links = [link for link in reversed(self._links) if link.is_open]
        if prefer is not None:
            links.sort(key=lambda link: link.latest_response_id != prefer)
        return links

    def _mark_used(self, link: Link) -> None:
        with self._lock:
            if link in self._links:
                self._links.remove(link)
                self._links.append(link)

    def _forget(self, link: Link) -> None:
        with self._lock:
            if link in self._links:
                self._links.remove(link)
                self._bytes_sent += link.transport.bytes_sent
                self._bytes_received += link.transport.bytes_received

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("the client is closed; make a new ResponsesClient")

    def abandon(self, link: Link | None, mailbox: Mailbox) -> None:
        """Give a turn up; without a known link, wherever it is."""
        with self._lock:
            links = list(self._links) if link is None else [link]
        for each in links:
            each.abandon(mailbox)

    def drop(self, link: Link | None, mailbox: Mailbox) -> None:
        """Have the keeper abandon a turn."""
        if link is not None:
            self._dialer.keeper.drop(link, mailbox)

    def count_turn(self, *, attempts: int) -> None:
        """Note that a turn has ended."""
        with self._lock:
            self._turns += 1
            self._retries += max(0, attempts - 1)

    def stats(self) -> ClientStats:
        with self._lock:
            links = [link for link in self._links if not link.is_ended]
            return ClientStats(
                links=len(links),
                links_opened=self._opened,
                turns_running=sum(not link.is_quiet for link in links),
                turns=self._turns,
                retries=self._retries,
                reconnects=0,
                bytes_sent=self._bytes_sent + sum(x.transport.bytes_sent for x in links),
                bytes_received=self._bytes_received
                + sum(x.transport.bytes_received for x in links),
            )

    def close(self, timeout: float) -> None:
        """Take no new turn, wait for running ones, then cut what is left. Idempotent."""
        with self._lock:
            self._is_closed = True
            links = list(self._links)
        for link in links:
            if link.is_quiet:
                link.say_goodbye(NORMAL_CLOSURE, CLOSE_REASON)
            else:
                link.retire()
        clock = self._dialer.threads.clock
        deadline = clock.now() + timeout
        for link in links:
            wait = deadline - clock.now()
            link.ended.wait(max(0.0, min(wait, _GOODBYE_WAIT) if link.is_quiet else wait))
            link.abort(Close(code=NORMAL_CLOSURE, reason=CLOSE_REASON))
        for link in links:
            link.ended.wait(_GOODBYE_WAIT)

    # --- Owner of the links -------------------------------------------------------------------

    def link_opened(self, link: Link) -> None:
        with self._lock:
            self._opened += 1

    def link_received(self, link: Link, events: list[Event], size: int) -> None:
        """Turns have mailboxes; nothing else is wanted here."""

    def link_ended(self, link: Link) -> None:
        self._forget(link)
        if link.opened_at:
            call_hook(self.config.hooks.on_disconnect, link.report())
