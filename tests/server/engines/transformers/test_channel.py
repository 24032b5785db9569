"""How deltas get from the thread of the model to the thread of the turn."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyresponses_ws.server.engines.base import TextDelta
from pyresponses_ws.server.engines.transformers.channel import Channel

A, B, C = TextDelta("a"), TextDelta("b"), TextDelta("c")


def test_deltas_come_in_order() -> None:
    """What was put before the end is taken before it."""
    channel = Channel(limit=8)
    assert [channel.put(delta) for delta in (A, B, C)] == [True, True, True]
    channel.end()
    assert list(channel.take_all()) == [A, B, C]


def test_a_taker_waits_for_a_delta() -> None:
    """It gets each one that comes later, and the end."""
    channel = Channel(limit=1)
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(lambda: list(channel.take_all()))
        for delta in (A, B, C):
            channel.put(delta)
        channel.end()
        assert taken.result(timeout=10) == [A, B, C]


def test_a_maker_waits_for_room() -> None:
    """It is never more than the limit ahead."""
    channel = Channel(limit=2)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(lambda: ([channel.put(A) for _ in range(20)], channel.end()))
        seen = [len(channel._ready) for _ in channel.take_all()]
        done.result(timeout=10)
    assert len(seen) == 20
    assert max(seen) <= 2


def test_a_maker_that_is_relaxed_waits_no_more() -> None:
    """What it has made is taken later, all of it."""
    channel = Channel(limit=1)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(lambda: ([channel.put(A) for _ in range(20)], channel.end()))
        channel.relax()
        done.result(timeout=10)
    assert list(channel.take_all()) == [A] * 20


def test_close_ends_a_wait_for_room() -> None:
    """Nobody will take it, and the maker is told."""
    channel = Channel(limit=1)
    channel.put(A)
    with ThreadPoolExecutor(1) as pool:
        put = pool.submit(channel.put, B)
        channel.close()
        assert put.result(timeout=10) is False
    assert channel.is_closed


def test_close_ends_a_wait_for_a_delta() -> None:
    """Nothing is yielded, not even what was ready."""
    channel = Channel(limit=8)
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(lambda: list(channel.take_all()))
        channel.close()
        assert taken.result(timeout=10) == []


def test_what_is_ready_is_dropped_by_close() -> None:
    """A cancelled turn yields no more."""
    channel = Channel(limit=8)
    channel.put(A)
    channel.close()
    assert list(channel.take_all()) == []
    assert channel.put(B) is False


def test_a_failure_follows_what_is_ready() -> None:
    """The taker has all that was made before it."""
    channel = Channel(limit=8)
    channel.put(A)
    channel.end(ValueError("broken"))
    taken = channel.take_all()
    assert next(taken) == A
    with pytest.raises(ValueError, match="broken"):
        next(taken)


def test_nobody_hears_a_failure_after_close() -> None:
    """Whoever has left does not care."""
    channel = Channel(limit=8)
    channel.end(ValueError("broken"))
    channel.close()
    assert list(channel.take_all()) == []


def test_close_is_idempotent_from_any_thread() -> None:
    """Each side may call it, and as often as it likes."""
    channel = Channel(limit=1)
    threads = [threading.Thread(target=channel.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert channel.is_closed
