"""Where a turn gets its link from: what the pool and a connection's lane have in common."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyresponses_ws._protocol.recovery import Action
from pyresponses_ws._runtime.clock import Clock, Empty
from pyresponses_ws._runtime.dialer import Dialer
from pyresponses_ws._runtime.keeper import Keeper
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Mailbox
from pyresponses_ws._runtime.tally import Tally
from pyresponses_ws._runtime.threads import Latch
from pyresponses_ws.config import ClientConfig, Replay

if TYPE_CHECKING:
    from pyresponses_ws._runtime.breaker import WebSocketBreaker
    from pyresponses_ws._runtime.claim import Claim
    from pyresponses_ws._runtime.exchange import Exchange


class LinkSource(ABC):
    """Leases links. Safe for any thread."""

    def __init__(self, dialer: Dialer) -> None:
        self.dialer = dialer
        # Of exchanges whose turns were dropped.
        self._buried = dialer.threads.queue()
        #: The client is closed, and the time that running turns had is over: nothing may leave.
        self.is_over = False
        #: Whether WebSocket is tried at all; None where turns have nothing else.
        self.breaker: WebSocketBreaker | None = None
        #: For jitter: it spreads clients out and guards nothing.
        self.rng = random.Random()

    @property
    def config(self) -> ClientConfig:
        return self.dialer.config

    @property
    def clock(self) -> Clock:
        return self.dialer.threads.clock

    @property
    def keeper(self) -> Keeper:
        return self.dialer.keeper

    @property
    def tally(self) -> Tally:
        return self.dialer.tally

    def make_mailbox(self) -> Mailbox:
        """A fresh mailbox on this source's clock."""
        return Mailbox(self.dialer.threads)

    def make_latch(self) -> Latch:
        """A fresh latch on this source's clock."""
        return self.dialer.threads.latch()

    @property
    @abstractmethod
    def remedies(self) -> frozenset[Action]:
        """What may be done here about a turn that got stuck; anything else is raised."""

    @property
    @abstractmethod
    def replay(self) -> Replay:
        """Whether a lost turn may be sent again here."""

    @property
    @abstractmethod
    def is_closed(self) -> bool:
        """No turn may begin, and running ones are being cut."""

    @abstractmethod
    def lease(
        self,
        mailbox: Mailbox,
        *,
        prefer: str | None,
        is_fresh: bool,
        timeout: float,
        on_link: Callable[[Link], None],
    ) -> bool:
        """Find or open a link for ``mailbox``.

        ``prefer`` is a response id whose state the link should hold; ``is_fresh`` asks for one
        that was not open before. ``on_link`` is told the link before it is opened, so that another
        thread can abort it. Returns whether the link was open already. Raises ConnectError,
        ConfigError, an APIError of the handshake, or ClosedError.
        """

    @abstractmethod
    def send(self, link: Link, mailbox: Mailbox, payload: bytes, *, timeout: float | None) -> None:
        """Send the turn's request on the leased link. Raises SendError, ClosedError."""

    def bury(self, exchange: Exchange) -> None:
        """Take the HTTP exchange of a turn that was dropped; let go of it before the next turn.

        Only queues it: finalizers call this.
        """
        self._buried.put(exchange)

    def leave_buried(self) -> None:
        """Let go of the exchanges of turns that were dropped; interrupted, it is done again."""
        while not self._buried.empty():
            exchange: Exchange | None = None
            try:
                exchange = self._buried.get_nowait()
                exchange.leave()
            except Empty:
                return
            except BaseException:
                if exchange is not None:
                    self.bury(exchange)
                raise

    @abstractmethod
    def leave(self, claim: Claim) -> None:
        """Forget a turn that is over."""

    @abstractmethod
    def abandon(self, link: Link | None, mailbox: Mailbox) -> None:
        """Give a turn up, wherever it had got to; an interrupt may have hidden its link."""
