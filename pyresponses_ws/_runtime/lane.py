"""One lane of a logical connection as a place to run turns: the session's ``LinkSource``."""

from __future__ import annotations

import random
from collections.abc import Callable

from pyresponses_ws._runtime.clock import Clock
from pyresponses_ws._runtime.keeper import Keeper
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Mailbox
from pyresponses_ws._runtime.session import Session
from pyresponses_ws._runtime.tally import Tally
from pyresponses_ws.config import ClientConfig, Replay


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
    def keeper(self) -> Keeper:
        return self._session.dialer.keeper

    @property
    def tally(self) -> Tally:
        return self._session.dialer.tally

    @property
    def is_closed(self) -> bool:
        return self._session.is_closed

    def make_mailbox(self) -> Mailbox:
        return self._session.make_mailbox()

    def lease(
        self,
        mailbox: Mailbox,
        *,
        prefer: str | None,
        is_fresh: bool,
        timeout: float,
        on_link: Callable[[Link], None],
    ) -> bool:
        """Take the current link, whichever that is. Raises ClosedError when none is open."""
        on_link(self._session.current_link())
        return True

    def send(self, link: Link, mailbox: Mailbox, payload: bytes, *, timeout: float | None) -> None:
        """Begin on the lane and send, as one step."""
        link.send_turn(
            mailbox,
            self._lane,
            payload,
            progress_timeout=self.config.timeouts.send,
            timeout=timeout,
        )

    def abandon(self, link: Link | None, mailbox: Mailbox) -> None:
        for each in [link] if link is not None else self._session.links():
            each.abandon(mailbox)
