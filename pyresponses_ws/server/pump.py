"""From an engine's thread to the event loop: deltas in batches, and few of them ahead."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core.errors import engine_failed, shutting_down
from pyresponses_ws.server.core.wire import encode
from pyresponses_ws.server.engines.base import (
    CancelToken,
    Closable,
    CloseDelta,
    Delta,
    Direction,
    Director,
    Engine,
    EngineRequest,
)
from pyresponses_ws.server.log import log_failure

_logger = logging.getLogger(__name__)

#: Deltas that an engine may be ahead of the socket, so that a slow peer slows its engine.
MAX_AHEAD = 8


class Pump:
    """One run of an engine. The loop calls everything but ``_run`` and what it calls.

    ``on_end`` is called on the loop once the engine's thread has ended.
    """

    def __init__(self, engine: Engine, request: EngineRequest, on_end: Callable[[], None]) -> None:
        self._engine = engine
        self._request = request
        self._on_end = on_end
        self._token = CancelToken()
        self._loop = asyncio.get_running_loop()
        # Set in the loop when _ready or _has_ended may have changed.
        self._wake = asyncio.Event()
        # Guards the next three; notified when there is room again, and on cancel.
        self._changed = threading.Condition()
        self._ready: list[Delta] = []
        self._has_ended = False
        #: Why the turn failed, once ``take`` returned []; None if it did not. See _fail.
        self.failure: APIError | None = None
        self._token.on_cancel(self._notify)

    def start(self, name: str) -> threading.Thread:
        """Start the engine's thread; a daemon, since a hung engine must not hold the exit."""
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        thread.start()
        return thread

    def cancel(self, failure: APIError | None = None) -> None:
        """Tell the engine to stop; idempotent. ``failure`` is what the turn then failed with."""
        self._fail(failure)
        self._token.cancel()
        self._wake.set()

    async def take(self) -> list[Delta]:
        """Wait for the next deltas and return all there are.

        [] means that none follow: the engine has ended, or is cancelled, ended or not.
        """
        while True:
            with self._changed:
                batch, self._ready = self._ready, []
                if batch or self._has_ended or self._token.is_set():
                    self._changed.notify()
                    return batch
                self._wake.clear()
            await self._wake.wait()

    def _run(self) -> None:
        try:
            with contextlib.closing(self._engine.run(self._request, self._token)) as deltas:
                self._put_all(deltas)
        except APIError as exc:
            self._fail(exc)
        except BaseException as exc:  # The safety net of this thread: a turn always ends.
            log_failure(_logger, "the engine", exc)
            self._fail(engine_failed())
        finally:
            with self._changed:
                self._has_ended = True
            self._call_loop(self._end)

    def _put_all(self, deltas: Iterator[Delta]) -> None:
        for delta in deltas:
            with self._changed:
                # Ends by take() or cancel().
                while len(self._ready) >= MAX_AHEAD and not self._token.is_set():
                    self._changed.wait()
                if self._token.is_set():
                    return
                self._ready.append(delta)
                is_first = len(self._ready) == 1
            if is_first:
                self._call_loop(self._wake.set)

    def _fail(self, failure: APIError | None) -> None:
        """Note why the turn failed; the first reason counts.

        None after a cancel without one: whatever the engine does with it is no failure.
        """
        with self._changed:
            if self.failure is None and not self._token.is_set():
                self.failure = failure

    def _call_loop(self, callback: Callable[[], object]) -> None:
        # RuntimeError: the loop closed while the engine was finishing; nobody waits any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)

    def _end(self) -> None:
        self._wake.set()
        self._on_end()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify()


class EngineRoom:
    """Runs the engine of one server: a thread a turn, at most ``max_turns`` at a time.

    A thread counts until it ends: an engine that does not listen to its cancel holds its place.
    """

    def __init__(self, engine: Engine, *, max_turns: int) -> None:
        self.engine = engine
        self._slots = asyncio.Semaphore(max_turns)
        # Numbers the threads; the loop writes.
        self._started = 0
        # Threads that may still run, by pump; the loop writes until it is closed.
        self._threads: dict[Pump, threading.Thread] = {}
        # The list of models while it is asked for; the loop writes.
        self._question: asyncio.Future[Sequence[str]] | None = None
        # Turns that wait for a place, and whether stop was called.
        self._waiting = 0
        self._is_stopped = False

    def direct(self, request: EngineRequest) -> Direction:
        """Ask an engine that is a ``Director``. Raises ServerError if it breaks."""
        assert isinstance(self.engine, Director)
        try:
            return _check_direction(self.engine.direct(request))
        except Exception as exc:  # An engine's fault is its turn's alone.
            log_failure(_logger, "the engine", exc)
            raise engine_failed() from exc

    async def list_models(self) -> Sequence[str]:
        """Ask the engine for its models. Raises ServerError if it breaks, or if the server ends.

        A thread of its own asks: a daemon, since the engine may block for as long as it likes. All
        who ask meanwhile get its answer.
        """
        if self._is_stopped:
            raise shutting_down()
        question = self._question or self._start_question()
        return await asyncio.shield(question)

    def _start_question(self) -> asyncio.Future[Sequence[str]]:
        question = self._question = asyncio.get_running_loop().create_future()
        question.add_done_callback(self._forget_question)
        ask = functools.partial(self._ask_models, question)
        try:
            threading.Thread(target=ask, name="pyresponses-models", daemon=True).start()
        except RuntimeError as exc:
            _logger.error("no thread for a list of models: %s", exc)
            question.set_exception(engine_failed())
        return question

    def _ask_models(self, answer: asyncio.Future[Sequence[str]]) -> None:
        try:
            tell = functools.partial(answer.set_result, tuple(self.engine.models()))
        except BaseException as exc:  # The safety net of this thread: whoever asks is told.
            log_failure(_logger, "the engine", exc)
            tell = functools.partial(answer.set_exception, engine_failed())
        # RuntimeError: the loop is closed; nobody waits any more.
        with contextlib.suppress(RuntimeError):
            answer.get_loop().call_soon_threadsafe(lambda: answer.done() or tell())

    def _forget_question(self, answer: asyncio.Future[Sequence[str]]) -> None:
        self._question = None
        # Taken note of: perhaps nobody waits any more.
        answer.exception()

    @contextlib.asynccontextmanager
    async def run(self, request: EngineRequest) -> AsyncIterator[Pump]:
        """Run the engine for one turn; leaving the block cancels it."""
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        pump = Pump(self.engine, request, on_end=self._slots.release)
        self._start(pump)
        try:
            yield pump
        finally:
            pump.cancel()
            self._forget_finished()

    def stop(self) -> None:
        """Fail every turn that runs or waits, since the server ends."""
        self._is_stopped = True
        if self._question is not None and not self._question.done():
            self._question.set_exception(shutting_down())
        for _ in range(self._waiting):
            self._slots.release()
        for pump in self._threads:
            pump.cancel(shutting_down())

    def close(self, timeout: float) -> bool:
        """Wait for the threads of ended turns, and let go of the engine; return whether all ended.

        For the end of the server, after its loop.
        """
        is_joined = self._join(timeout)
        if isinstance(self.engine, Closable):
            try:
                self.engine.close()
            except Exception as exc:  # The server has ended; that is what its caller waits for.
                log_failure(_logger, "the engine", exc)
        return is_joined

    def _join(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        for pump, thread in self._threads.items():
            pump.cancel()
            thread.join(max(0.0, deadline - time.monotonic()))
        self._forget_finished()
        return not self._threads

    def _start(self, pump: Pump) -> None:
        """Start the thread of a pump, which gives its place back; without one the turn fails."""
        if self._is_stopped:
            self._slots.release()
            pump.cancel(shutting_down())
            return
        self._started += 1
        try:
            self._threads[pump] = pump.start(f"pyresponses-turn-{self._started}")
        except RuntimeError as exc:
            _logger.error("no thread for a turn: %s", exc)
            self._slots.release()
            pump.cancel(engine_failed())

    def _forget_finished(self) -> None:
        self._threads = {p: thread for p, thread in self._threads.items() if thread.is_alive()}


def _check_direction(direction: Direction) -> Direction:
    """Raise TypeError or ValueError for what could not be carried out later."""
    encode(direction.refusal or {})
    if not isinstance(direction.close, CloseDelta | None):
        raise TypeError(f"a direction closes with {direction.close!r}")
    if not all(isinstance(names, frozenset) for names in (direction.drop, direction.duplicate)):
        raise TypeError("a direction drops and duplicates frozen sets of types")
    return direction
