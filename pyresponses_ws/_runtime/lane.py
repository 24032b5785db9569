"""One lane of a logical connection as a place to run turns: the session's ``LinkSource``."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from pyresponses_ws._protocol.recovery import Action
from pyresponses_ws._runtime.claim import Claim
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Mailbox
from pyresponses_ws._runtime.session import Session
from pyresponses_ws._runtime.source import LinkSource
from pyresponses_ws.config import Replay
from pyresponses_ws.errors import ClosedError


class LaneSource(LinkSource):
    """Runs turns on the session's current link, beside whatever else runs there.

    A lost turn is not sent again: the connection's user sees the loss and decides.
    """

    def __init__(self, session: Session, lane: str | None) -> None:
        super().__init__(session.dialer)
        self._session = session
        self._lane = lane
        # Told of the link. Set by ``lease``; weak, as it is the claim's, which holds this.
        self._on_link: weakref.WeakMethod[Callable[[Link], None]] | None = None

    @property
    def remedies(self) -> frozenset[Action]:
        # There is no other link to go to.
        return frozenset({Action.RETRY})

    @property
    def replay(self) -> Replay:
        return "never"

    @property
    def is_closed(self) -> bool:
        return self._session.is_finished

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
        self._on_link = weakref.WeakMethod(on_link)
        on_link(self._session.current_link())
        return True

    def send(self, link: Link, mailbox: Mailbox, payload: bytes, *, timeout: float | None) -> None:
        """Begin on the lane and send, as one step."""
        try:
            self._send(link, mailbox, payload, timeout)
        except ClosedError:
            # It was swapped for another since it was leased.
            if (current := self._session.current_link()) is link:
                raise
            if self._on_link is not None and (on_link := self._on_link()) is not None:
                on_link(current)
            self._send(current, mailbox, payload, timeout)

    def _send(self, link: Link, mailbox: Mailbox, payload: bytes, timeout: float | None) -> None:
        patience = self.config.timeouts.send
        link.send_turn(mailbox, self._lane, payload, progress_timeout=patience, timeout=timeout)

    def leave(self, claim: Claim) -> None:
        """Nothing is kept of the turns of a lane."""

    def abandon(self, link: Link | None, mailbox: Mailbox) -> None:
        for each in [link] if link is not None else self._session.links():
            each.abandon(mailbox)
