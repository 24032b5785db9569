"""Blocking calls on threads of their own, for whoever can wait only so long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


def run_later(function: Callable[[], T], role: str) -> Future[T]:
    """Run a function on a new thread; a daemon, since what blocks must not hold the exit."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as exc:  # Raised again where it is waited for.
            future.set_exception(exc)

    threading.Thread(target=run, name=f"pyresponses-{role}", daemon=True).start()
    return future


def has_ended(future: Future[T], timeout: float) -> bool:
    """Wait up to ``timeout`` seconds; return whether the function has returned or raised."""
    return bool(wait([future], timeout).done)


def run_with_deadline(function: Callable[[], T], timeout: float) -> T:
    """Run a blocking function and wait for it; see ``RunWithDeadline``."""
    future = run_later(function, "resolver")
    if not has_ended(future, timeout):
        raise TimeoutError(f"no result within {timeout:g} s")
    return future.result()
