"""Who may use the model now: most turns together, some alone, first come, first served."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class _Visitor:
    """A turn that waits or is inside."""

    alone: bool
    hurry: Callable[[], None]


class TurnGate:
    """Lets turns run side by side, and a turn that must be alone by itself.

    A seeded turn is one: the random state is the process's. Turns enter in the order in which they
    came, so neither kind starves: whoever is to be alone waits for those that run and keeps later
    ones out. Whoever is inside meanwhile is told to hurry. Safe from any thread.
    """

    def __init__(self) -> None:
        # Guards the rest; notified when any of it changes, and by wake().
        self._changed = threading.Condition()
        # Who waits, oldest first, and who is inside.
        self._waiting: deque[_Visitor] = deque()
        self._inside: list[_Visitor] = []

    @contextmanager
    def admit(
        self, *, alone: bool, has_left: Callable[[], bool], hurry: Callable[[], None]
    ) -> Iterator[bool]:
        """Wait for the turn of the caller; say whether it came before ``has_left()``.

        Whoever makes ``has_left`` true calls ``wake``. ``hurry`` is called, perhaps often and on
        any thread, while others wait until the caller has left again; it must not block.
        """
        visitor = _Visitor(alone, hurry)
        is_in = self._enter(visitor, has_left)
        try:
            yield is_in
        finally:
            if is_in:
                self._leave(visitor)

    def wake(self) -> None:
        """Have those that wait look again whether they still want to; never blocks for long."""
        with self._changed:
            self._changed.notify_all()

    def _enter(self, visitor: _Visitor, has_left: Callable[[], bool]) -> bool:
        with self._changed:
            self._waiting.append(visitor)
            self._hurry()
            # Ends by _leave() of those inside, by those before in the queue, or by wake().
            self._changed.wait_for(lambda: has_left() or self._is_next(visitor))
            self._waiting.remove(visitor)
            is_in = not has_left()
            if is_in:
                self._inside.append(visitor)
                self._hurry()
            # The next in the queue may enter too, or has become the first.
            self._changed.notify_all()
        return is_in

    def _is_next(self, visitor: _Visitor) -> bool:
        """Say whether a visitor may enter. Requires holding _changed."""
        if self._waiting[0] is not visitor:
            return False
        return not self._inside or not (visitor.alone or self._inside[0].alone)

    def _hurry(self) -> None:
        """Tell those inside if anybody waits until they have left. Requires holding _changed."""
        is_alone = any(visitor.alone for visitor in (*self._waiting, *self._inside))
        if self._waiting and is_alone:
            for visitor in self._inside:
                visitor.hurry()

    def _leave(self, visitor: _Visitor) -> None:
        with self._changed:
            self._inside.remove(visitor)
            self._changed.notify_all()
