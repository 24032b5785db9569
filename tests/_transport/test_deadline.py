"""One moment that several steps share."""

from __future__ import annotations

import pytest

from pyresponses_ws._transport.deadline import Deadline


def test_what_is_left_grows_less() -> None:
    """Each step gets the rest of the steps before it."""
    deadline = Deadline.after(60)
    first, second = deadline.left(), deadline.left()
    assert 0 < second <= first <= 60


@pytest.mark.parametrize("seconds", [0, -1])
def test_nothing_left_is_an_error(seconds: float) -> None:
    """A timeout of 0 would make a socket non-blocking instead."""
    with pytest.raises(TimeoutError):
        Deadline.after(seconds).left()
