"""The thread of a ``FaultProxy``: it waits for sockets, and for what it is asked to do."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from pyresponses_ws.errors import UsageError

T = TypeVar("T")

#: Seconds that a call waits for the thread, which never blocks; only a fault of ours uses them up.
_PATIENCE = 10.0


class Loop:
    """Runs callbacks of ready sockets, and ``call``, on one thread.

    What a socket is registered with is called with the events that it is ready for. ``settle`` is
    called after them, and returns the seconds after which it wants to be called again, or None.
    ``farewell`` is the last thing on the thread.
    """

    def __init__(self, settle: Callable[[], float | None], farewell: Callable[[], None]) -> None:
        self._settle = settle
        self._farewell = farewell
        #: For the thread alone, as soon as it runs.
        self.selector = selectors.DefaultSelector()
        # What to do on the thread, and where to put what came of it.
        self._calls: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[Any]]] = SimpleQueue()
        # A byte in it ends the thread's wait.
        self._bell, self._ear = socket.socketpair()
        self._ear.setblocking(False)
        self.selector.register(self._ear, selectors.EVENT_READ, lambda mask: self._hear())
        # Written by the thread.
        self._is_stopping = False
        # What ended the thread, if it was not ``stop``; written by the thread, once.
        self._failure: Exception | None = None
        # A daemon: a test run that was cut short must be able to exit.
        self._thread = threading.Thread(
            target=self._run, name="pyresponses-fault-proxy", daemon=True
        )
        self._thread.start()

    def call(self, function: Callable[[], T]) -> T:
        """Run ``function`` on the thread; return or raise what it does."""
        reply: SimpleQueue[Any] = SimpleQueue()
        self._calls.put((function, reply))
        with contextlib.suppress(OSError):
            self._bell.send(b"!")
        try:
            result, error = reply.get(timeout=_PATIENCE)
        except Empty:
            raise UsageError("the proxy has ended") from self._failure
        if error is not None:
            raise error
        done: T = result
        return done

    def stop(self) -> None:
        """End the thread, and raise what went wrong on it. Nothing else may be called after."""
        if self._thread.is_alive():
            self.call(self._end)
        self._thread.join(_PATIENCE)
        self._bell.close()
        self._ear.close()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                for key, mask in self.selector.select(self._settle()):
                    key.data(mask)
        except Exception as exc:  # a safety net: nothing that comes over a socket leads here
            self._failure = exc
        finally:
            self._farewell()
            self.selector.close()

    def _end(self) -> None:
        self._is_stopping = True

    def _hear(self) -> None:
        self._ear.recv(4096)
        with contextlib.suppress(Empty):
            while True:
                function, reply = self._calls.get_nowait()
                try:
                    reply.put((function(), None))
                except Exception as exc:  # raised in the thread that asked
                    reply.put((None, exc))
