"""What makes the product depend on the seed and on nothing else, for as long as a run takes."""

from __future__ import annotations

import contextlib
import gc
import itertools
import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest

from pyresponses_ws import client as client_module
from pyresponses_ws._runtime.claim import Claim
from pyresponses_ws._runtime.dialer import Dialer
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.session import Session
from tests.simulation.http_pool import SimHTTPPool
from tests.simulation.scheduler import Scheduler


class Alarm(logging.Handler):
    """Ends the run when the product logs an error: some safety net had to catch something."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(logging.ERROR)
        self._scheduler = scheduler

    def emit(self, record: logging.LogRecord) -> None:
        self._scheduler.fail(f"the product logged an error: {self.format(record)}")


@contextlib.contextmanager
def deterministic(seed: int, scheduler: Scheduler, http: SimHTTPPool) -> Iterator[None]:
    """Have nothing in the product depend on anything but the seed.

    Sets are in the order of hashes, which come from addresses; jitter has no seed; and the garbage
    collector runs when it likes.
    """
    seeds, numbers = itertools.count(), itertools.count()

    class Seeded(random.Random):
        def __init__(self, x: Any = None) -> None:
            super().__init__(f"jitter {seed} {next(seeds)}" if x is None else x)

    def hash_by_age(self: Any) -> int:
        if "_age" not in self.__dict__:
            self.__dict__["_age"] = next(numbers)
        return int(self.__dict__["_age"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "Threads", lambda clock: scheduler)
        patch.setattr(Dialer, "_make_http", lambda dialer: http)
        patch.setattr(random, "Random", Seeded)
        for kind in (Claim, Link, Session):
            patch.setattr(kind, "__hash__", hash_by_age)
        alarm, logger = Alarm(scheduler), logging.getLogger("pyresponses_ws")
        logger.addHandler(alarm)
        # What is there already is nothing to look at in each collection.
        gc.freeze()
        gc.disable()
        try:
            yield
        finally:
            gc.enable()
            gc.unfreeze()
            logger.removeHandler(alarm)
