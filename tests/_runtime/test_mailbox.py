"""The hand-off from the reader to the consumer."""

from __future__ import annotations

from queue import Empty
from typing import Any

import pytest

from pyresponses_ws._runtime.mailbox import (
    Batch,
    Cancelled,
    Discard,
    Failed,
    Lost,
    Mailbox,
    Overflow,
)
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws._transport.base import Close
from pyresponses_ws.errors import ReconnectError
from pyresponses_ws.testing.clock import ManualClock
from tests._protocol import wire

EVENT = wire.delta("x")


def mailbox(limit: int = 100) -> Mailbox:
    return Mailbox(Threads(ManualClock()), limit=limit)


def take(box: Mailbox) -> Any:
    return box.get(0.0)


def test_letters_come_in_order() -> None:
    """Events first, then the loss that followed them."""
    box = mailbox()
    box.put([EVENT], 10)
    box.lose(Close(code=1001), is_provoked=True)
    assert take(box) == Batch([EVENT], 10)
    assert take(box) == Lost(Close(code=1001), is_provoked=True)
    with pytest.raises(Empty):
        take(box)


def test_a_full_mailbox_says_so_once() -> None:
    """What comes before the consumer has been told is dropped; the loss of the link is not."""
    box = mailbox(limit=100)
    box.put([EVENT], 60)
    box.put([EVENT], 60)
    box.put([EVENT], 1)
    box.lose(Close(), is_provoked=False)
    assert [type(take(box)) for _ in range(3)] == [Batch, Overflow, Lost]
    box.put([EVENT], 60)
    assert type(take(box)) is Batch


def test_reading_makes_room() -> None:
    """The limit counts what waits, not what ever came."""
    box = mailbox(limit=100)
    for _ in range(10):
        box.put([EVENT], 60)
        assert type(take(box)) is Batch


def test_a_frame_above_the_limit_fits_when_nothing_waits() -> None:
    """One frame may be larger than any queue."""
    box = mailbox(limit=100)
    box.put([EVENT], 1000)
    assert take(box) == Batch([EVENT], 1000)


def test_anybody_may_end_the_wait() -> None:
    """Words from other threads reach the consumer."""
    box, error = mailbox(), ReconnectError("no", attempts=1)
    box.cancel()
    box.fail(error)
    assert type(take(box)) is Cancelled
    assert take(box) == Failed(error)


def test_discard_keeps_nothing() -> None:
    """A sink for what is read elsewhere."""
    sink = Discard()
    sink.put([EVENT], 1)
    sink.lose(Close(), is_provoked=False)
    assert vars(sink) == {}
