"""The order of turns: within a lane one after the other, between lanes no order but a limit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.request import CreateRequest

Lane = str | None


@dataclass(frozen=True, kw_only=True)
class LaneLimits:
    """What one connection may ask for at once."""

    #: The service runs this many and lets more wait (the guide says).
    running: int = 16
    #: How many may wait is unpublished; this is generous for a client that means it.
    waiting: int = 256
    #: Characters of JSON that may wait: four messages of the largest size.
    waiting_size: int = 64 * 2**20
    #: Distinct names in a connection's life, the default lane not counted (the guide says).
    names: int = 32


@dataclass
class _Refusal:
    """A create that is not going to run; ``times`` of them in a row."""

    error: APIError
    times: int = 1


class Lanes:
    """Queues of one connection, one a lane; None is the default lane.

    A refusal keeps its place in the queue, so that a lane answers in the order in which it was
    asked: deltas name no response, and a client can only count.
    """

    def __init__(self, limits: LaneLimits | None = None) -> None:
        self._limits = limits or LaneLimits()
        self._names: set[str] = set()
        self._queues: dict[Lane, deque[CreateRequest | _Refusal]] = {}
        self._running: set[Lane] = set()
        # Idle lanes whose next entry is a create, the one that waits longest first.
        self._ready: dict[Lane, None] = {}
        # Refusals whose turn has come.
        self._due: deque[tuple[Lane, APIError, int]] = deque()
        self._waiting = 0
        self._waiting_size = 0

    def put(self, request: CreateRequest) -> None:
        """Queue a create behind those of its lane, or its refusal if a limit is reached."""
        lane = request.lane
        try:
            self._check(lane, request.size)
        except APIError as error:
            self.refuse(lane, error)
            return
        if lane is not None:
            self._names.add(lane)
        self._waiting += 1
        self._waiting_size += request.size
        self._queue_of(lane).append(request)
        self._surface(lane)

    def refuse(self, lane: Lane, error: APIError) -> None:
        """Queue the refusal of a create.

        When the queues are full, refusals that have to wait in a row are counted under one
        error: what a peer makes us remember stays bounded.
        """
        queue = self._queue_of(lane)
        must_wait = bool(queue) or lane in self._running
        if self._is_full and must_wait:
            error = errors.too_many_waiting(self._limits.waiting)
        last = queue[-1] if queue else None
        if self._is_full and isinstance(last, _Refusal) and last.error.code == error.code:
            last.times += 1
        else:
            queue.append(_Refusal(error))
            self._waiting += 1
        self._surface(lane)

    def take(self) -> CreateRequest | None:
        """Start the create that waits longest among idle lanes; None while none may start."""
        if not self._ready or len(self._running) >= self._limits.running:
            return None
        lane = next(iter(self._ready))
        del self._ready[lane]
        entry = self._pop(lane)
        assert isinstance(entry, CreateRequest)
        self._running.add(lane)
        return entry

    def take_refusal(self) -> tuple[Lane, APIError, int] | None:
        """Return a refusal whose place in the order has come, and how often; None if none has."""
        return self._due.popleft() if self._due else None

    def release(self, lane: Lane) -> None:
        """Note that the running turn of the lane ended."""
        self._running.remove(lane)
        self._surface(lane)

    def peek(self, lane: Lane) -> CreateRequest | None:
        """Return the create that is next on a lane; None if there is none."""
        queue = self._queues.get(lane, ())
        return next((entry for entry in queue if isinstance(entry, CreateRequest)), None)

    def refuse_all(self, error: APIError) -> None:
        """Refuse every create that waits."""
        for lane, queue in list(self._queues.items()):
            for place, entry in enumerate(queue):
                if isinstance(entry, CreateRequest):
                    self._waiting_size -= entry.size
                    queue[place] = _Refusal(error)
            self._ready.pop(lane, None)
            self._surface(lane)

    @property
    def is_running(self) -> bool:
        """Whether any turn runs."""
        return bool(self._running)

    @property
    def _is_full(self) -> bool:
        return self._waiting >= self._limits.waiting

    def _check(self, lane: Lane, size: int) -> None:
        """Raise the reason why a create may not queue."""
        is_new = lane is not None and lane not in self._names
        if is_new and len(self._names) >= self._limits.names:
            raise errors.too_many_lanes(self._limits.names)
        is_too_much = self._waiting_size + size > self._limits.waiting_size
        if (self._is_full or is_too_much) and not self._can_start(lane):
            raise errors.too_many_waiting(self._limits.waiting)

    def _can_start(self, lane: Lane) -> bool:
        """Say whether a create of the lane would not wait at all."""
        is_idle = lane not in self._running and lane not in self._ready
        return is_idle and len(self._running) + len(self._ready) < self._limits.running

    def _queue_of(self, lane: Lane) -> deque[CreateRequest | _Refusal]:
        return self._queues.setdefault(lane, deque())

    def _surface(self, lane: Lane) -> None:
        """Bring the next entry of an idle lane to where it is taken from."""
        if lane in self._running:
            return
        queue = self._queue_of(lane)
        while queue and isinstance(queue[0], _Refusal):
            refusal = self._pop(lane)
            assert isinstance(refusal, _Refusal)
            self._due.append((lane, refusal.error, refusal.times))
        if queue:
            self._ready.setdefault(lane)
        else:
            # A name costs nothing while its lane is idle.
            del self._queues[lane]

    def _pop(self, lane: Lane) -> CreateRequest | _Refusal:
        entry = self._queues[lane].popleft()
        self._waiting -= 1
        if isinstance(entry, CreateRequest):
            self._waiting_size -= entry.size
        return entry
