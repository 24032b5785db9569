"""Every lock, queue, thread and wait comes from here, so that a scheduler can stand in.

Why so few kinds. Under interrupts ``Condition.wait`` and ``queue.Queue.get`` leave their locks
held, and so does ``acquire()`` followed by ``try``; ``SimpleQueue.get`` and ``with lock`` never do.
So a wait here is a ``SimpleQueue.get``, and a lock is only ever taken by ``with``. The one
exception is :func:`try_lock`, which does not wait, or not for long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypeVar

from pyresponses_ws._runtime.clock import Clock, Empty, SystemClock

T = TypeVar("T")

NAME_PREFIX = "pyresponses-"


class _Started(threading.Event):
    """By this a new thread tells ``Thread.start`` that it runs.

    An Event waits in a Condition: Ctrl-C there left its lock held, so that the new thread hung for
    ever before its first line, about once in 5,000 interrupts on CPython 3.11. This one waits as
    everything here does. There is no public way to give it to a thread.
    """

    def __init__(self) -> None:
        super().__init__()
        # Holds one word from the moment the thread runs.
        self._queue: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        super().set()
        self._queue.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set():
            self._queue.get()
        return True


@contextmanager
def try_lock(lock: threading.Lock, *, timeout: float = 0.0) -> Iterator[bool]:
    """Hold the lock if it is free within ``timeout`` seconds; yields whether it was.

    Only for threads that no signal handler runs on: an interrupt between the two halves would
    leave the lock held.
    """
    held = lock.acquire(timeout=timeout)
    try:
        yield held
    finally:
        if held:
            lock.release()


class Latch:
    """A door that opens once: any number of threads wait for it, any thread opens it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Holds one word from the moment the latch is open; whoever takes it puts it back.
        self._queue: SimpleQueue[None] = SimpleQueue()
        # Only ever set, before the word is put.
        self.is_open = False

    def open(self) -> None:
        """Open it. Safe in a finalizer."""
        self.is_open = True
        self._queue.put(None)

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds; returns whether it is open."""
        if self.is_open:
            return True
        try:
            self._clock.get(self._queue, self._clock.now() + timeout)
        except Empty:
            return self.is_open
        self._queue.put(None)
        return True


class Threads:
    """Makes locks, queues and threads, and knows the time. Stateless; any thread may use it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock if clock is not None else SystemClock()

    def lock(self) -> threading.Lock:
        return threading.Lock()

    def queue(self) -> SimpleQueue[Any]:
        return SimpleQueue()

    def latch(self) -> Latch:
        return Latch(self.clock)

    def start(self, role: str, target: Callable[[], None]) -> None:
        """Start a thread named ``pyresponses-<role>``.

        Daemon: a process must be able to end while a peer is silent. Raises RuntimeError where the
        system has no thread to give.
        """
        thread = threading.Thread(target=target, name=NAME_PREFIX + role, daemon=True)
        thread._started = _Started()  # type: ignore[attr-defined]  # see there
        thread.start()

    def run_with_deadline(self, function: Callable[[], T], timeout: float) -> T:
        """Run a blocking function on a helper thread; see ``RunWithDeadline``."""
        outcome: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

        def run() -> None:
            try:
                outcome.put((function(), None))
            except BaseException as exc:
                outcome.put((None, exc))

        self.start("resolver", run)
        try:
            result, error = self.clock.get(outcome, self.clock.now() + timeout)
        except Empty:
            raise TimeoutError(f"no result within {timeout:g} s") from None
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]  # Clock.get is untyped on purpose


class Worker:
    """A thread that comes when there is work, and goes when there is none. Safe for any thread."""

    def __init__(self, threads: Threads, role: str, run: Callable[[], None]) -> None:
        self._threads = threads
        self._role = role
        self._run = run
        # Guards the flag, and the work that ``give`` adds and ``may_leave`` looks at.
        self._lock = threads.lock()
        self._is_running = False

    def give(self, add: Callable[[], None]) -> None:
        """Add work, and start the thread if none runs. Raises RuntimeError as ``start`` does."""
        starts = False
        try:
            with self._lock:
                add()
                starts, self._is_running = not self._is_running, True
            if starts:
                self._threads.start(self._role, self._run)
        except BaseException:
            # Without this, nobody would ever try again. If an interrupt hid a thread that did
            # start, there may be two for a while, each with work of its own.
            if starts:
                with self._lock:
                    self._is_running = False
            raise

    def may_leave(self, is_idle: Callable[[], bool]) -> bool:
        """Called by the thread: True when there is no work, and it must end now."""
        with self._lock:
            self._is_running = not is_idle()
            return not self._is_running
