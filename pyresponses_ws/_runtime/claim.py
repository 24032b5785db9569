"""What a turn holds of the world while it runs: one mailbox, at most one link or HTTP exchange.

Only this is shared between the thread that waits for a turn, the ones that cancel it, and the
finalizer of a turn that was dropped.
"""

from __future__ import annotations

import os

from pyresponses_ws._runtime.exchange import Exchange
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.source import LinkSource
from pyresponses_ws._transport.base import Close


class Claim:
    """Replaced in part for each attempt, so that nothing late can reach the new one.

    The waiting thread writes; ``cancel`` may come from any thread and from a signal handler,
    ``drop`` from a finalizer: both take no lock.
    """

    def __init__(self, links: LinkSource) -> None:
        self._links = links
        self._pid = os.getpid()
        self.mailbox = links.make_mailbox()
        self.link: Link | None = None
        self.exchange: Exchange | None = None
        #: Opens when the turn is over; for whoever closes the client.
        self.over = links.make_latch()
        #: Set by ``cancel``, before it wakes the waiter.
        self.is_cancelled = False
        #: The turn is over, one way or another; nothing is held any more.
        self.is_over = False

    @property
    def is_answered(self) -> bool:
        """What ends the turn has arrived, whether or not anybody has read it yet. Any thread."""
        # In this order: ``renew`` may come in between, and an old mailbox runs on no new link.
        mailbox, link, exchange = self.mailbox, self.link, self.exchange
        if self.is_over or link is None or exchange is not None:
            return self.is_over
        return not link.is_running(mailbox)

    def renew(self) -> None:
        """Forget the attempt before, which was left, and get ready for another."""
        self.link = self.exchange = None
        self.mailbox = self._links.make_mailbox()

    def take(self, link: Link) -> None:
        """Know the link before it is open, so that ``cancel`` can abort the opening."""
        self.link = link
        if self.is_cancelled:
            link.abort(Close(reason="cancelled"))

    def take_exchange(self, exchange: Exchange) -> None:
        """Know the exchange before anything of it is sent, so that ``cancel`` can end it."""
        self.exchange = exchange
        if self.is_cancelled:
            exchange.call.abort()

    def leave(self) -> None:
        """Give the attempt up: nothing of it reaches anybody any more. Idempotent."""
        try:
            if self.exchange is not None:
                self.exchange.leave()
            else:
                self._links.abandon(self.link, self.mailbox)
        except BaseException:
            # Interrupted half-way: the keeper does it whole.
            self.drop()
            raise

    def finish(self) -> None:
        """Let go of everything: the turn is over. Idempotent."""
        self.is_over = True
        try:
            if self.exchange is not None:
                self.exchange.leave()
        except BaseException:
            # Interrupted half-way: done again before the next turn.
            if self.exchange is not None:
                self._links.bury(self.exchange)
            raise
        finally:
            # Whatever interrupts: nobody must wait for a turn that is over.
            self.over.open()
            self._links.leave(self)

    def cancel(self) -> None:
        """Wake the waiter, and have the attempt given up soon."""
        self.is_cancelled = True
        link, mailbox, exchange = self.link, self.mailbox, self.exchange
        mailbox.cancel()
        if exchange is not None and not self.is_over:
            exchange.call.abort()
        if link is None or self.is_over:
            return
        if not link.vitals.opened_at:
            link.transport.abort()
        self._links.keeper.drop(link, mailbox)

    def drop(self) -> None:
        """Have the attempt given up soon, unless a fork made it another process's."""
        if self.is_over or os.getpid() != self._pid:
            return
        if self.exchange is not None:
            # Both only shut and close a socket.
            self.exchange.call.abort()
            self.exchange.call.dispose()
            self._links.bury(self.exchange)
            # Whoever closes the client need not wait for it.
            self.over.open()
        if self.link is not None:
            self._links.keeper.drop(self.link, self.mailbox)
