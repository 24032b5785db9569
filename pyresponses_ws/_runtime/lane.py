"""One lane of a logical connection as a place to run turns: the session's ``LinkSource``."""

from __future__ import annotations

import random
from collections.abc import Callable

from pyresponses_ws._runtime.clock import Clock
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Mailbox
from pyresponses_ws._runtime.session import Session
from pyresponses_ws.config import ClientConfig, Replay
from pyresponses_ws.errors import ClosedError


class LaneSource:
    """Runs turns on the session's current link, beside whatever else runs there.

    A lost turn is not sent again: the connection's user sees the loss and decides.
    """

    replay: Replay = "never"

    def __init__(self, session: Session, lane: str | None) -> None:
        self._session = session
        self._lane = lane
        self.rng: random.Random = session.rng

    @property
    def config(self) -> ClientConfig:
        return self._session.dialer.config

    @property
    def clock(self) -> Clock:
        return self._session.dialer.threads.clock

    @property
    def is_closed(self) -> bool:
        return self._session.is_closed

    def make_mailbox(self) -> Mailbox:
        return Mailbox(self.clock, self._session.dialer.threads.queue())

    def lease(
        self,
        mailbox: Mailbox,
        *,
        prefer: str | None,
        timeout: float,
        on_link: Callable[[Link], None],
    ) -> bool:
        """Take the current link. Raises ClosedError when none is open."""
        link = self._session.current_link()
        if not link.begin(mailbox, self._lane, alone=False):
            raise ClosedError("the link is about to close; try again once the next one is open")
        on_link(link)
        return True

    def abandon(self, link: Link | None, mailbox: Mailbox) -> None:
        for each in [link] if link is not None else self._session.links():
            each.abandon(mailbox)

    def drop(self, link: Link | None, mailbox: Mailbox) -> None:
        if link is not None:
            self._session.dialer.keeper.drop(link, mailbox)

    def count_turn(self, *, attempts: int) -> None:
        """Turns of a connection are its user's to count."""
