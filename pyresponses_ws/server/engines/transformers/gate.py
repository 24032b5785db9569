"""Who may use the model now: most turns together, some alone, first come, first served."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class TurnGate:
    """Lets turns run side by side, and a turn that must be alone by itself.

    A seeded turn is one: the random state is the process's. Turns enter in the order in which they
    came, so neither kind starves: whoever is to be alone waits for those that run and keeps later
    ones out. Safe from any thread.
    """

    def __init__(self) -> None:
        # Guards the rest; notified when any of it changes, and by wake().
        self._changed = threading.Condition()
        # Who waits, oldest first; each is an object of its own.
        self._waiting: deque[object] = deque()
        # Turns inside, and whether the one inside is alone.
        self._running = 0
        self._is_alone = False

    @contextmanager
    def admit(self, *, alone: bool, has_left: Callable[[], bool]) -> Iterator[bool]:
        """Wait for the turn of the caller; say whether it came before ``has_left()``.

        Whoever makes ``has_left`` true calls ``wake``.
        """
        is_in = self._enter(alone, has_left)
        try:
            yield is_in
        finally:
            if is_in:
                self._leave()

    def wake(self) -> None:
        """Have those that wait look again whether they still want to; never blocks for long."""
        with self._changed:
            self._changed.notify_all()

    def _enter(self, alone: bool, has_left: Callable[[], bool]) -> bool:
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            # Ends by _leave() of those inside, by those before in the queue, or by wake().
            self._changed.wait_for(lambda: has_left() or self._is_next(ticket, alone))
            self._waiting.remove(ticket)
            is_in = not has_left()
            if is_in:
                self._running += 1
                self._is_alone = alone
            # The next in the queue may enter too, or has become the first.
            self._changed.notify_all()
        return is_in

    def _is_next(self, ticket: object, alone: bool) -> bool:
        """Say whether ``ticket`` may enter. Requires holding _changed."""
        if self._waiting[0] is not ticket or self._is_alone:
            return False
        return not (alone and self._running)

    def _leave(self) -> None:
        with self._changed:
            self._running -= 1
            self._is_alone = False
            self._changed.notify_all()
