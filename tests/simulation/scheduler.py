"""One thread at a time, chosen by a seed: what stands in for ``_runtime/threads.py``.

The threads are real, but only the one that holds the baton runs. It hands the baton on at each
scheduling point: a lock taken, a queue or latch touched, a thread started, a call of a transport.
Time stands still while anybody can run, and then jumps to the earliest deadline. When nobody can
run and no deadline is left, that is a deadlock, and the failure says who waits where.
"""

from __future__ import annotations

import random
import sys
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any, TypeVar

from pyresponses_ws._runtime.threads import NAME_PREFIX, Threads

T = TypeVar("T")

#: Steps after which a run counts as running in circles.
STEP_LIMIT = 300_000
#: Real seconds that a thread gets to end once it has nothing to do any more.
_PATIENCE = 10.0
#: Lines of the end of the trace that a failure shows.
_SHOWN = 40


class SimulationError(Exception):
    """A promise was broken; the text says which, and who was where."""


class Torn(BaseException):
    """The run has failed; raised wherever somebody still waits."""


class Task:
    """One thread as the scheduler sees it."""

    def __init__(self, name: str) -> None:
        self.name = name
        #: Held by whoever waits for it; released to let the thread run.
        self.baton = threading.Lock()
        self.baton.acquire()
        #: What it waits for, None for nothing; until when; and where it stands.
        self.is_due: Callable[[], bool] | None = None
        self.deadline: float | None = None
        self.where = "start"
        #: Raised in it at its next step.
        self.interrupt: BaseException | None = None

    def can_run(self, now: float) -> bool:
        if self.is_due is None or self.interrupt is not None or self.is_due():
            return True
        return self.deadline is not None and self.deadline <= now

    def __str__(self) -> str:
        until = "" if self.deadline is None else f" until {self.deadline:.3f}"
        return f"{self.name}: {self.where}{until}"


class Lock:
    """A lock by the scheduler's rules; what of ``threading.Lock`` the runtime uses."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self._scheduler = scheduler
        self.name = name
        self._owner: Task | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        scheduler = self._scheduler
        if not blocking or timeout == 0:
            scheduler.point(f"try {self.name}")
        else:
            if self._owner is scheduler.current:
                scheduler.fail(f"{self.name} is taken twice by one thread")
            deadline = None if timeout < 0 else scheduler.now() + timeout
            scheduler.wait(self._is_free, deadline, f"take {self.name}")
        if self._owner is not None:
            return False
        self._owner = scheduler.current
        return True

    def _is_free(self) -> bool:
        return self._owner is None

    def release(self) -> None:
        self._owner = None

    def locked(self) -> bool:
        return self._owner is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()


class Queue:
    """A ``SimpleQueue`` by the scheduler's rules."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self._scheduler = scheduler
        self.name = name
        self._items: deque[Any] = deque()

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._scheduler.point(f"put {self.name}")

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        scheduler = self._scheduler
        deadline = None if timeout is None else scheduler.now() + timeout
        return self.get_until(deadline if block else scheduler.now())

    def empty(self) -> bool:
        return not self._items

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def get_until(self, deadline: float | None) -> Any:
        self._scheduler.wait(self._has_items, deadline, f"get {self.name}")
        if not self._items:
            raise Empty
        return self._items.popleft()

    def _has_items(self) -> bool:
        return bool(self._items)


class Latch:
    """A latch by the scheduler's rules."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self._scheduler = scheduler
        self.name = name
        self.is_open = False

    def open(self) -> None:
        self.is_open = True
        self._scheduler.point(f"open {self.name}")

    def wait(self, timeout: float) -> bool:
        deadline = self._scheduler.now() + timeout
        self._scheduler.wait(lambda: self.is_open, deadline, f"await {self.name}")
        return self.is_open


class Scheduler(Threads):
    """Threads, locks, queues, latches and time of one run; itself the clock."""

    def __init__(self, seed: int) -> None:
        super().__init__(self)
        self.rng = random.Random(f"schedule {seed}")
        #: How often a thread that could go on does so; by it, some runs have long strides.
        self._stickiness = self.rng.choice((0.0, 0.5, 0.9))
        self._now = 1000.0
        self._tasks: list[Task] = []
        self._threads: list[threading.Thread] = []
        self._names: dict[str, int] = {}
        self.current = Task("main")
        self._is_over = False
        #: Each step: who went on from where.
        self.trace: list[tuple[str, str]] = []
        self.failure: str | None = None
        #: Called whenever time is about to jump, with the moment that it jumps to.
        self.on_jump: Callable[[float], None] = _nothing
        #: Whatever was made here; all of it must be gone at the end.
        self.made: list[weakref.ref[Any]] = []

    # --- what the runtime asks of it ------------------------------------------------------------

    def now(self) -> float:
        return self._now

    def get(self, queue: Any, deadline: float | None) -> Any:
        return queue.get_until(deadline)

    def lock(self) -> Any:
        return self._make(Lock)

    def queue(self) -> Any:
        return self._make(Queue)

    def latch(self) -> Any:
        return self._make(Latch)

    def start(self, role: str, target: Callable[[], None]) -> None:
        self.spawn(NAME_PREFIX + role, target)
        self.point(f"start {role}")

    def run_with_deadline(self, function: Callable[[], T], timeout: float) -> T:
        outcome = self.queue()
        self.start("resolver", lambda: outcome.put(function()))
        try:
            result: T = outcome.get_until(self._now + timeout)
        except Empty:
            raise TimeoutError(f"no result within {timeout:g} s") from None
        return result

    def _make(self, kind: Callable[[Scheduler, str], T]) -> T:
        """Make one, named for the line of the product that asked for it."""
        frame = sys._getframe(2)
        place = f"{Path(frame.f_code.co_filename).stem}:{frame.f_lineno}"
        made = kind(self, self._number(place))
        self.made.append(weakref.ref(made))
        return made

    def _number(self, name: str) -> str:
        self._names[name] = number = self._names.get(name, 0) + 1
        return f"{name}#{number}"

    # --- what a simulation asks of it -----------------------------------------------------------

    def run(self, main: Callable[[], None]) -> None:
        """Run ``main``, which must see every thread end, on this one. Raises SimulationError."""
        self._tasks.append(self.current)
        try:
            main()
        except Torn:
            pass
        except BaseException:
            self._note_failure(traceback.format_exc())
        finally:
            self._tear()
        for thread in self._threads:
            thread.join(_PATIENCE)
        if self.failure is not None:
            raise SimulationError(self.failure)

    def spawn(self, name: str, target: Callable[[], object]) -> Task:
        """Start a thread; it runs once it is chosen."""
        task = Task(self._number(name))
        self._tasks.append(task)
        thread = threading.Thread(target=self._live, args=(task, [target]), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return task

    def tasks(self) -> list[Task]:
        """Every thread that has not ended."""
        return list(self._tasks)

    def sleep(self, seconds: float, where: str = "sleep") -> None:
        """Let so much time pass."""
        self.wait(_never, self._now + seconds, where)

    def point(self, where: str) -> None:
        """Let somebody else run, perhaps. Raises nothing where a finalizer may be."""
        if self._is_over or self.failure is not None:
            return
        self.current.is_due, self.current.deadline = None, None
        self._pass_on(where)

    def wait(self, is_due: Callable[[], bool], deadline: float | None, where: str) -> None:
        """Let others run until ``is_due`` or the deadline."""
        if self._is_over or self.failure is not None:
            raise Torn
        self.current.is_due, self.current.deadline = is_due, deadline
        self._pass_on(where)

    def fail(self, message: str) -> None:
        """End the run; every thread is torn out of its wait. Raises Torn."""
        self._note_failure(message)
        self._tear()
        raise Torn

    # --- the baton ------------------------------------------------------------------------------

    def _live(self, task: Task, target: list[Callable[[], object]]) -> None:
        task.baton.acquire()
        try:
            if self.failure is None:
                # Popped, so that what the thread alone holds goes while it is the one that runs.
                target.pop()()
        except Torn:
            pass
        except BaseException:
            self._note_failure(f"{task.name} raised\n{traceback.format_exc()}")
        self._leave(task)

    def _leave(self, task: Task) -> None:
        self._tasks.remove(task)
        if self.failure is not None:
            self._tear()
            return
        try:
            self.current = self._choose(None)
        except Torn:
            return
        self.current.baton.release()

    def _pass_on(self, where: str) -> None:
        me = self.current
        me.where = where
        chosen = self._choose(me)
        if chosen is not me:
            self.current = chosen
            chosen.baton.release()
            me.baton.acquire()
        if self.failure is not None:
            raise Torn
        if me.interrupt is not None:
            interrupt, me.interrupt = me.interrupt, None
            raise interrupt

    def _choose(self, me: Task | None) -> Task:
        """Pick who runs next, letting time pass if nobody can. Raises Torn."""
        if len(self.trace) >= STEP_LIMIT:
            self.fail("the threads run in circles")
        while not (able := [task for task in self._tasks if task.can_run(self._now)]):
            deadlines = [task.deadline for task in self._tasks if task.deadline is not None]
            if not deadlines:
                self.fail("a deadlock: nobody can run")
            self._ask_watcher(min(deadlines))
            self._now = min(deadlines)
        chosen = able[0]
        if len(able) > 1:
            stays = me in able and self.rng.random() < self._stickiness
            chosen = me if stays and me is not None else self.rng.choice(able)
        self.trace.append((chosen.name, chosen.where))
        return chosen

    def _ask_watcher(self, until: float) -> None:
        try:
            self.on_jump(until)
        except AssertionError as exc:
            self.fail(str(exc))

    def _note_failure(self, message: str) -> None:
        if self.failure is None:
            waiting = "\n  ".join(map(str, self._tasks))
            steps = "\n  ".join(f"{name}: {where}" for name, where in self.trace[-_SHOWN:])
            self.failure = f"{message}\nat {self._now:.3f}, the threads\n  {waiting}\n"
            self.failure += f"after the steps\n  {steps}"

    def _tear(self) -> None:
        """Let every thread run that still waits: to its end, or into Torn."""
        self._is_over = True
        for task in list(self._tasks):
            if task.baton.locked():
                task.baton.release()


def _never() -> bool:
    return False


def _nothing(until: float) -> None:
    """Stand in for whoever watches the time."""
