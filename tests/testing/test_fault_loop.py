"""The thread of the proxy: it ends when it is told, and what breaks it is raised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pyresponses_ws.errors import UsageError
from pyresponses_ws.testing import fault_loop
from pyresponses_ws.testing.fault_loop import Loop


class Rounds:
    """A loop's owner: counts, and breaks when it is told."""

    def __init__(self) -> None:
        self.is_broken = False
        self.farewells = 0

    def settle(self) -> float | None:
        """Break once, if told."""
        if self.is_broken:
            raise ZeroDivisionError("a fault of ours")
        return None

    def say_farewell(self) -> None:
        """Count."""
        self.farewells += 1


@contextmanager
def broken_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """Yield a loop whose thread has died; leaving raises what it died of."""
    monkeypatch.setattr(fault_loop, "_PATIENCE", 0.2)
    rounds = Rounds()
    loop = Loop(rounds.settle, rounds.say_farewell)

    def break_down() -> None:
        rounds.is_broken = True

    loop.call(break_down)
    loop._thread.join(10)
    assert rounds.farewells == 1
    yield loop
    with pytest.raises(ZeroDivisionError):
        loop.stop()


def test_a_call_returns_or_raises_what_it_does() -> None:
    """On the thread, for the thread that asks."""
    rounds = Rounds()
    loop = Loop(rounds.settle, rounds.say_farewell)
    assert loop.call(lambda: 7) == 7
    with pytest.raises(KeyError):
        loop.call(lambda: {}["none"])
    loop.stop()
    assert rounds.farewells == 1


def test_a_thread_that_broke_is_told_to_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause is chained, and nobody waits for ever."""
    with broken_loop(monkeypatch) as loop, pytest.raises(UsageError) as caught:
        loop.call(lambda: 7)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
