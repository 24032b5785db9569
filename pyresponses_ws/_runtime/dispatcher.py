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

from pyresponses_ws._runtime.threads import Threads

logger = logging.getLogger("pyresponses_ws.dispatcher")

Callback = Callable[[Any], object]

#: Subscribes to every wire event.
EVERY = "*"


class Listeners:
    """Who wants to hear of what. Safe for any thread."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        # (name, argument) pairs for the thread; None ends it.
        self._queue = threads.queue()
        # Guards the two below.
        self._lock = threads.lock()
        self._callbacks: dict[str, list[Callback]] = {}
        self._is_running = False
        self._finalizer = weakref.finalize(self, self._queue.put, None)

    def add(self, name: str, callback: Callback) -> Callable[[], None]:
        """Subscribe; the first subscription starts the thread. Returns what unsubscribes."""
        with self._lock:
            self._callbacks.setdefault(name, []).append(callback)
            starts, self._is_running = not self._is_running, True
        if starts:
            self._threads.start("dispatcher", partial(_dispatch, self._queue, weakref.ref(self)))
        return partial(self._remove, name, callback)

    def _remove(self, name: str, callback: Callback) -> None:
        with self._lock:
            callbacks = self._callbacks.get(name, [])
            if callback in callbacks:
                callbacks.remove(callback)

    def tell(self, name: str, argument: Any) -> None:
        """Have the callbacks of ``name`` called soon; nothing happens without one."""
        if self._callbacks:
            self._queue.put((name, argument))

    def callbacks_of(self, name: str) -> list[Callback]:
        """Who subscribed to ``name``."""
        with self._lock:
            return list(self._callbacks.get(name, ()))

    def close(self) -> None:
        """End the thread once it has told what was queued before."""
        self._queue.put(None)


def _dispatch(queue: Any, listeners_ref: weakref.ref[Listeners]) -> None:
    while (word := queue.get()) is not None:
        name, argument = word
        listeners = listeners_ref()
        if listeners is None:
            return
        callbacks = listeners.callbacks_of(name)
        del listeners
        for callback in callbacks:
            _call(name, callback, argument)
        # Hold nothing of the user's while waiting for the next word.
        del word, argument, callbacks


def _call(name: str, callback: Callback, argument: Any) -> None:
    try:
        callback(argument)
    except Exception:
        # Safety net: one broken callback must not silence the others.
        logger.exception("a callback of %r raised; it is ignored", name)
