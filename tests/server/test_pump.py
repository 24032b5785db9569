"""From an engine's thread to the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeVar

import pytest

from pyresponses_ws.errors import APIError, RateLimitError
from pyresponses_ws.server.engines.base import (
    CancelToken,
    Delta,
    Engine,
    EngineRequest,
    TextDelta,
)
from pyresponses_ws.server.pump import MAX_AHEAD, EngineRoom, Pump
from tests.server.engines_for_tests import FunctionEngine, HangingEngine, failing

REQUEST = EngineRequest(model="m", items=[])

T = TypeVar("T")


def run_pump(engine: Engine, use: Callable[[Pump], Awaitable[T]]) -> T:
    """Run ``use`` on a pump of ``engine`` and check that its thread ends."""

    async def main() -> T:
        room = EngineRoom(engine, max_turns=1)
        async with room.run(REQUEST) as pump:
            result = await use(pump)
        assert await asyncio.to_thread(room.close, 10)
        return result

    return asyncio.run(main())


async def take_all(pump: Pump) -> list[list[Delta]]:
    """Take batches until the end."""
    batches = []
    while batch := await pump.take():
        batches.append(batch)
    return batches


def counting(number: int) -> FunctionEngine:
    """Make an engine that yields ``number`` deltas as fast as it can."""

    def run(request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        for index in range(number):
            yield TextDelta(str(index))

    return FunctionEngine(run)


def test_deltas_arrive_in_order_and_complete() -> None:
    """Whatever the batches, nothing is lost or swapped."""
    batches = run_pump(counting(1000), take_all)
    deltas = [delta for batch in batches for delta in batch]
    assert deltas == [TextDelta(str(index)) for index in range(1000)]


def test_an_engine_is_never_far_ahead() -> None:
    """A batch holds at most eight deltas, so a slow peer slows the engine."""
    batches = run_pump(counting(1000), take_all)
    assert max(map(len, batches)) <= MAX_AHEAD


def test_an_engine_without_deltas_just_ends() -> None:
    """``take`` returns nothing, and there is no failure."""

    async def use(pump: Pump) -> tuple[list[Delta], APIError | None]:
        return await pump.take(), pump.failure

    assert run_pump(counting(0), use) == ([], None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RateLimitError("Slow down.", code="slow_down"), "slow_down"),
        (KeyError("x"), "server_error"),
    ],
)
def test_what_an_engine_raises_is_the_failure(error: Exception, code: str) -> None:
    """An APIError as it is; anything else as ``server_error``, after what came before it."""

    async def use(pump: Pump) -> tuple[int, APIError | None]:
        return len(await take_all(pump)), pump.failure

    batches, failure = run_pump(failing(error), use)
    assert failure is not None
    assert (batches, failure.code) == (1, code)


def test_leaving_cancels_an_engine_that_waits() -> None:
    """The token wakes it; its thread ends."""
    engine = HangingEngine()

    async def use(pump: Pump) -> list[Delta]:
        return await pump.take()

    assert run_pump(engine, use) == [TextDelta("word")]
    assert engine.cancelled.is_set()


def test_leaving_cancels_an_engine_that_is_ahead() -> None:
    """One that is blocked because nobody takes wakes too."""
    ended = threading.Event()

    def run(request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        try:
            while True:
                yield TextDelta("word")
        finally:
            ended.set()

    async def use(pump: Pump) -> list[Delta]:
        return await pump.take()

    assert run_pump(FunctionEngine(run), use)
    assert ended.is_set()


def test_only_so_many_engines_run_at_once() -> None:
    """With one slot the second run starts when the first is left."""
    order: list[str] = []

    async def run_one(room: EngineRoom, name: str) -> None:
        async with room.run(REQUEST) as pump:
            order.append(f"{name} in")
            await take_all(pump)
            order.append(f"{name} out")

    async def main() -> None:
        room = EngineRoom(counting(20), max_turns=1)
        await asyncio.gather(run_one(room, "a"), run_one(room, "b"))
        await asyncio.to_thread(room.close, 10)

    asyncio.run(main())
    assert order == ["a in", "a out", "b in", "b out"]


def test_the_end_of_the_server_fails_what_runs() -> None:
    """``stop`` cancels the engine and says why the turn failed."""

    async def main() -> APIError | None:
        room = EngineRoom(HangingEngine(), max_turns=1)
        async with room.run(REQUEST) as pump:
            await pump.take()
            room.stop()
            await take_all(pump)
        await asyncio.to_thread(room.close, 10)
        return pump.failure

    failure = asyncio.run(main())
    assert failure is not None
    assert failure.status == 503


def deaf(until: threading.Event) -> FunctionEngine:
    """Make an engine that says one word and does not listen to its cancel."""

    def run(request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        yield TextDelta("word")
        assert until.wait(30)

    return FunctionEngine(run)


def test_a_turn_does_not_wait_for_an_engine_that_does_not_listen() -> None:
    """Once it is cancelled, nothing follows; but its thread holds its place until it ends."""
    heard = threading.Event()

    async def main() -> list[list[Delta]]:
        room = EngineRoom(deaf(heard), max_turns=1)
        async with room.run(REQUEST) as pump:
            first = await pump.take()
            pump.cancel()
            rest = await pump.take()
        assert room._slots.locked()
        heard.set()
        async with room.run(REQUEST):
            pass
        await asyncio.to_thread(room.close, 10)
        return [first, rest]

    assert asyncio.run(main()) == [[TextDelta("word")], []]


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt(), asyncio.CancelledError()])
def test_whatever_ends_an_engine_is_a_failure(error: BaseException) -> None:
    """No turn is complete because its engine gave up."""

    async def use(pump: Pump) -> APIError | None:
        await take_all(pump)
        return pump.failure

    failure = run_pump(failing(error), use)
    assert failure is not None
    assert failure.code == "server_error"


def test_nothing_starts_once_the_server_ends() -> None:
    """A turn that waited for its place fails as the running ones do."""
    engine = HangingEngine()

    async def main() -> APIError | None:
        room = EngineRoom(engine, max_turns=1)
        room.stop()
        async with room.run(REQUEST) as pump:
            assert await pump.take() == []
        assert await asyncio.to_thread(room.close, 10)
        return pump.failure

    failure = asyncio.run(main())
    assert failure is not None
    assert (failure.status, engine.started.is_set()) == (503, False)


def test_the_end_of_the_server_fails_what_waits_for_its_place() -> None:
    """Even if the place is held by an engine that does not listen."""
    heard = threading.Event()

    async def wait(room: EngineRoom) -> APIError | None:
        async with room.run(REQUEST) as pump:
            await take_all(pump)
        return pump.failure

    async def main() -> APIError | None:
        room = EngineRoom(deaf(heard), max_turns=1)
        async with room.run(REQUEST) as pump:
            await pump.take()
            waiting = asyncio.ensure_future(wait(room))
            await asyncio.sleep(0)
            room.stop()
            failure = await waiting
        heard.set()
        await asyncio.to_thread(room.close, 10)
        return failure

    failure = asyncio.run(main())
    assert failure is not None
    assert failure.status == 503


def test_a_turn_without_a_thread_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system has none left; the place is free for the next."""

    def start(self: Pump, name: str) -> threading.Thread:
        raise RuntimeError("can't start new thread")

    async def main() -> APIError | None:
        room = EngineRoom(counting(1), max_turns=1)
        async with room.run(REQUEST) as pump:
            assert await pump.take() == []
        assert not room._slots.locked()
        return pump.failure

    monkeypatch.setattr(Pump, "start", start)
    failure = asyncio.run(main())
    assert failure is not None
    assert failure.code == "server_error"


def asking(engine: Engine, use: Callable[[EngineRoom], Awaitable[T]]) -> T:
    """Run ``use`` on the room of an engine."""

    async def main() -> T:
        room = EngineRoom(engine, max_turns=1)
        try:
            return await use(room)
        finally:
            room.stop()

    return asyncio.run(main())


class Catalogue(HangingEngine):
    """Lists its models when it is told to; what it lists may be an error."""

    def __init__(self, *answers: str | BaseException) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked = 0
        self.go_on = threading.Event()

    def models(self) -> Sequence[str]:
        self.asked += 1
        self.go_on.wait(10)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return (answer,)


def test_all_who_ask_for_models_meanwhile_get_one_answer() -> None:
    """One thread asks, however many wait; who leaves changes nothing, who comes later asks anew."""
    engine = Catalogue("one", "two")

    async def use(room: EngineRoom) -> list[Sequence[str]]:
        waiting = [asyncio.ensure_future(room.list_models()) for _ in range(100)]
        await asyncio.sleep(0)
        waiting.pop().cancel()
        engine.go_on.set()
        return [*await asyncio.gather(*waiting), await room.list_models()]

    assert asking(engine, use) == [("one",)] * 99 + [("two",)]
    assert engine.asked == 2


@pytest.mark.parametrize("error", [ValueError("no"), StopIteration(), SystemExit(1)])
def test_models_that_break_are_the_engines_fault(error: BaseException) -> None:
    """Whatever was raised; whoever asks is told, and so is the log."""
    engine = Catalogue(error)
    engine.go_on.set()
    with pytest.raises(APIError) as caught:
        asking(engine, EngineRoom.list_models)
    assert caught.value.status == 500


def test_no_models_are_listed_by_a_server_that_ends() -> None:
    """Nobody would hear the answer."""
    engine = Catalogue("one")

    async def use(room: EngineRoom) -> int | None:
        room.stop()
        with pytest.raises(APIError) as caught:
            await room.list_models()
        return caught.value.status

    assert asking(engine, use) == 503
    assert engine.asked == 0


def test_models_without_a_thread_are_the_engines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system has none left; the next who asks may find one."""
    engine = Catalogue("one")
    engine.go_on.set()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def use(room: EngineRoom) -> Sequence[str]:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            with pytest.raises(APIError):
                await room.list_models()
        await asyncio.sleep(0)
        return await room.list_models()

    assert asking(engine, use) == ("one",)
