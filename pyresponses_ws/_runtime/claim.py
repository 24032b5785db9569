"""What a turn holds of the world while it runs: one mailbox, at most one link.

Only this is shared between the thread that waits for a turn, the ones that cancel it, and the
finalizer of a turn that was dropped.
"""

from __future__ import annotations

import os

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
        #: Set by ``cancel``, before it wakes the waiter.
        self.is_cancelled = False
        #: The turn is over, one way or another; nothing is held any more.
        self.is_over = False

    def renew(self) -> None:
        """Forget the attempt before, which was left, and get ready for another."""
        self.link, self.mailbox = None, self._links.make_mailbox()

    def take(self, link: Link) -> None:
        """Know the link before it is open, so that ``cancel`` can abort the opening."""
        self.link = link
        if self.is_cancelled:
            link.abort(Close(reason="cancelled"))

    def leave(self) -> None:
        """Give the attempt up: nothing of it reaches anybody any more. Idempotent."""
        try:
            self._links.abandon(self.link, self.mailbox)
        except BaseException:
            # Interrupted half-way: the keeper does it whole.
            self.drop()
            raise

    def cancel(self) -> None:
        """Wake the waiter, and have the attempt given up soon."""
        self.is_cancelled = True
        link, mailbox = self.link, self.mailbox
        mailbox.cancel()
        if link is None or self.is_over:
            return
        if not link.opened_at:
            link.transport.abort()
        self._links.keeper.drop(link, mailbox)

    def drop(self) -> None:
        """Have the attempt given up soon, unless a fork made it another process's."""
        if not self.is_over and self.link is not None and os.getpid() == self._pid:
            self._links.keeper.drop(self.link, self.mailbox)
