"""The dispatcher thread: runs the callbacks of ``Connection.on``, one after another.

Its only blocking calls are its own queue, ended by ``close`` or by the finalizer of the listeners,
and the user's callbacks. It holds the listeners weakly, so a callback that mentions its connection
does not keep it alive.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from pyresponses_ws._runtime.threads import Threads, Worker

logger = logging.getLogger("pyresponses_ws.dispatcher")

Callback = Callable[[Any], object]

#: Subscribes to every wire event.
EVERY = "*"
#: The one thing that is still told after ``Connection.close``.
CLOSE = "close"


class Listeners:
    """Who wants to hear of what. Safe for any thread."""

    def __init__(self, threads: Threads) -> None:
        # (name, argument) pairs for the thread; None ends it.
        self._queue = threads.queue()
        # Guarded by the worker's lock while it grows; replaced, never changed, so that it can be
        # read without one.
        self._callbacks: dict[str, tuple[Callback, ...]] = {}
        # Set by ``mute``: only CLOSE is told from then on.
        self._is_muted = False
        self._worker = Worker(threads, "dispatcher", partial(_run, self._queue, weakref.ref(self)))
        self._finalizer = weakref.finalize(self, self._queue.put, None)

    def add(self, name: str, callback: Callback) -> Callable[[], None]:
        """Subscribe; the first subscription starts the thread. Returns what unsubscribes."""
        self._worker.give(partial(self._change, name, lambda had: (*had, callback)))
        return partial(self._remove, name, callback)

    def _remove(self, name: str, callback: Callback) -> None:
        def without(had: tuple[Callback, ...]) -> tuple[Callback, ...]:
            index = had.index(callback) if callback in had else len(had)
            return had[:index] + had[index + 1 :]

        self._worker.give(partial(self._change, name, without))

    def _change(
        self, name: str, change: Callable[[tuple[Callback, ...]], tuple[Callback, ...]]
    ) -> None:
        self._callbacks = {**self._callbacks, name: change(self._callbacks.get(name, ()))}

    def tell(self, name: str, argument: Any) -> None:
        """Have the callbacks of ``name`` called soon; nothing happens without one."""
        if self._callbacks.get(name):
            self._queue.put((name, argument))

    def mute(self) -> None:
        """Tell nothing any more but CLOSE, what is queued included."""
        self._is_muted = True

    def call(self, name: str, argument: Any) -> None:
        """Run the callbacks of ``name``. The thread's."""
        if self._is_muted and name != CLOSE:
            return
        for callback in self._callbacks.get(name, ()):
            _call(name, callback, argument)

    def close(self) -> None:
        """End the thread once it has told what was queued before."""
        self._queue.put(None)


def _call(name: str, callback: Callback, argument: Any) -> None:
    try:
        callback(argument)
    except BaseException:
        # Safety net: one broken callback must not silence the others, sys.exit() included.
        logger.exception("a callback of %r raised; it is ignored", name)


def _run(queue: Any, listeners_ref: weakref.ref[Listeners]) -> None:
    while (word := queue.get()) is not None:
        listeners = listeners_ref()
        if listeners is None:
            return
        listeners.call(*word)
        # Hold nothing of the user's while waiting for the next word.
        del listeners, word
