"""One link's replacement, opened ahead of the server's age limit by the reconnector thread."""

from __future__ import annotations

import logging
import weakref
from typing import Protocol

from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.reconnector import Reconnector
from pyresponses_ws._transport.base import NORMAL_CLOSURE, Close

logger = logging.getLogger("pyresponses_ws.rotation")

#: What the peer of a link hears that goes because of its age.
ROTATED = Close(code=NORMAL_CLOSURE, reason="Rotated")

#: Seconds until the next attempt to open a replacement, and between two looks at whether a link
#: that is too old has come to the end of its turns.
RETRY_DELAY, LOOK_DELAY = 30.0, 1.0


class Rotating(Protocol):
    """What a rotation asks of whoever owns the link; called outside locks."""

    def open_replacement(self) -> Link:
        """Open a link that no turn waits for. Raises what opening raises."""

    def swap(self, old: Link, new: Link) -> bool:
        """Give turns to ``new`` from now on; False while a turn runs on ``old``."""


class Rotation:
    """A ``Reconnectable`` that its owner keeps, since the reconnector holds it weakly."""

    def __init__(self, owner: Rotating, old: Link, reconnector: Reconnector) -> None:
        self._owner = weakref.ref(owner)
        self._old = old
        self._reconnector = reconnector
        # Written by the reconnector's thread only.
        self.new: Link | None = None
        # The old link must go as soon as it is quiet; written by the keeper's thread only.
        self._is_due = False

    def begin(self) -> None:
        """Have the replacement opened. Raises RuntimeError where the system has no thread."""
        self._reconnector.schedule(self, 0.0)

    def finish(self) -> None:
        """Have the links swapped as soon as no turn runs. Raises as ``begin`` does."""
        self._is_due = True
        self.begin()

    @property
    def is_waiting(self) -> bool:
        """The old link is still there to be replaced."""
        return self._old.is_open

    def reconnect(self) -> float | None:
        """Do what is next; see ``Reconnectable``."""
        owner = self._owner()
        if owner is None:
            return None
        if self.new is None or self.new.is_ended:
            try:
                self.new = owner.open_replacement()
            except Exception as exc:
                logger.debug("no replacement for link %d yet: %s", self._old.number, str(exc))
                return RETRY_DELAY
        if not self._is_due:
            return None
        return None if owner.swap(self._old, self.new) else LOOK_DELAY

    def swap_if_due(self) -> None:
        """Swap now if that is possible. Any thread that is about to begin a turn calls this.

        The reconnector only looks every second, and turns may follow each other without a pause.
        """
        owner, new = self._owner(), self.new
        if self._is_due and owner is not None and new is not None and new.is_open:
            owner.swap(self._old, new)
