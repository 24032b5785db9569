"""A blocking call on a thread of its own has a result, an error, or no time left."""

from __future__ import annotations

import threading

import pytest

from pyresponses_ws.server.engines.upstream.later import has_ended, run_later, run_with_deadline


def test_a_result_and_an_error_come_out() -> None:
    """As if the function had been called here."""
    assert run_with_deadline(lambda: 7, 10) == 7
    with pytest.raises(ZeroDivisionError):
        run_with_deadline(lambda: 1 // 0, 10)


def test_what_takes_too_long_is_left_behind() -> None:
    """It may end later."""
    gate = threading.Event()
    with pytest.raises(TimeoutError):
        run_with_deadline(gate.wait, 0.01)
    later = run_later(gate.wait, "test")
    assert not has_ended(later, 0.01)
    gate.set()
    assert has_ended(later, 10)
