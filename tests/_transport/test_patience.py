"""How long a send may stand still."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

import pytest

from pyresponses_ws._transport.patience import STEP, Patience, count_unsent


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that stands until told."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def pass_time(seconds: float) -> None:
        now[0] += seconds

    return pass_time


def test_patience_ends_after_its_seconds(pass_time: Callable[[float], None]) -> None:
    """It is asked in steps, the last of them as short as what remains."""
    patience = Patience(1.2)
    steps = []
    while (step := patience.step()) > 0:
        steps.append(step)
        pass_time(step)
    assert steps == pytest.approx([STEP, STEP, 0.2])


def test_success_renews_patience(pass_time: Callable[[float], None]) -> None:
    """What counts is the time since the peer last took something."""
    patience = Patience(1.0)
    pass_time(0.9)
    patience.renew()
    pass_time(0.9)
    assert patience.step() == pytest.approx(0.1)


def test_shrinking_queue_renews_patience(pass_time: Callable[[float], None]) -> None:
    """The kernel reports room late on a slow line; its queue tells earlier."""
    queue = [500]
    patience = Patience(1.0, lambda: queue[0])
    for queue[0] in (400, 300, 200):
        pass_time(0.9)
        assert patience.step() == STEP


@pytest.mark.parametrize("counts", [[500] * 9, [500, 600, 700], [None] * 9, [None, 500]])
def test_queue_that_does_not_shrink_ends_patience(
    counts: list[int | None], pass_time: Callable[[float], None]
) -> None:
    """Standing, growing or unknown, it is no sign of life."""
    queue = iter(counts)
    patience = Patience(1.0, lambda: next(queue))
    pass_time(1.0)
    assert patience.step() <= 0


def test_unsent_bytes_are_those_that_wait_in_the_kernel() -> None:
    """None is left once the peer has taken them; a closed socket cannot tell."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with ours, theirs:
        ours.setblocking(False)
        assert count_unsent(ours) == 0
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 65536)
        assert (count_unsent(ours) or 0) > 0
    assert count_unsent(ours) is None
