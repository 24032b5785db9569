"""Engines that fail, hang and tell what happened to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence

from pyresponses_ws.server.engines.base import CancelToken, Delta, EngineRequest, TextDelta


class FunctionEngine:
    """Runs a function as an engine."""

    def __init__(
        self, function: Callable[[EngineRequest, CancelToken], Generator[Delta, None, None]]
    ) -> None:
        self._function = function

    def models(self) -> Sequence[str]:
        return ("test",)

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        return self._function(request, cancel)


class HangingEngine:
    """Says one word, then waits to be cancelled; ``started`` and ``cancelled`` tell."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.cancelled = threading.Event()

    def models(self) -> Sequence[str]:
        return ("test",)

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        yield TextDelta("word")
        self.started.set()
        if cancel.wait(60):
            self.cancelled.set()


def failing(error: BaseException) -> FunctionEngine:
    """Make an engine that says one word and raises ``error``."""

    def run(request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        yield TextDelta("word")
        raise error

    return FunctionEngine(run)
