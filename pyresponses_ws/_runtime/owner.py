"""What a link tells whoever opened it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from pyresponses_ws.events import Event

if TYPE_CHECKING:
    from pyresponses_ws._runtime.link import Link


class Owner(Protocol):
    """What a link tells whoever opened it; called outside locks."""

    def link_opened(self, link: Link) -> None:
        """It is connected, and its reader starts next. What this raises ends the opening."""

    def link_received(self, link: Link, events: list[Event], texts: Sequence[str]) -> None:
        """Every event in order, whosever it is, and its text. On the reader thread."""

    def link_ended(self, link: Link) -> None:
        """The link is closed; its turns know already. On the reader thread."""

    def link_ageing(self, link: Link) -> None:
        """It will soon be too old: another should be opened beside it. On the keeper's thread."""

    def link_expired(self, link: Link) -> None:
        """It is too old for a new turn. On the keeper's thread."""
