"""Faults are checked when they are made."""

from __future__ import annotations

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.testing import (
    Corrupt,
    Cut,
    Delay,
    Duplicate,
    Fault,
    HalfClose,
    Reset,
    Stall,
    Trickle,
)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Cut(after_bytes=-1), "Cut.after_bytes must be a whole number of at least 0"),
        (lambda: Cut(after_bytes=True), "Cut.after_bytes must be a whole number"),
        (lambda: Reset(after_frames=1.5), "Reset.after_frames must be a whole number"),
        (lambda: Cut(after_text=""), "Cut.after_text must be a text that is not empty"),
        (lambda: Cut(after_text=7), "Cut.after_text must be a text"),
        (lambda: Cut(watch="both"), 'Cut.watch must be "up" or "down", got \'both\''),
        (lambda: HalfClose(way="both"), 'HalfClose.way must be "up" or "down"'),
        (lambda: Stall(way="sideways"), 'Stall.way must be "up" or "down" or "both"'),
        (lambda: Delay(seconds=float("nan")), "Delay.seconds must be a finite number"),
        (lambda: Delay(seconds=0), "Delay.seconds must be a finite number of seconds above 0"),
        (lambda: Trickle(size=0), "Trickle.size must be a whole number of at least 1"),
        (lambda: Trickle(pause=-1), "Trickle.pause must be a finite number"),
        (lambda: Duplicate(length=1 << 21), "Duplicate.length .* and at most 262144"),
        (lambda: Corrupt(length=0), "Corrupt.length must be a whole number of at least 1"),
        (lambda: Corrupt(skip=-1), "Corrupt.skip must be a whole number of at least 0"),
        (lambda: Cut(after_bytes=1, after_frames=1), "one of after_bytes and after_frames"),
    ],
)
def test_a_value_that_cannot_be_names_its_field(make: type[Fault], words: str) -> None:
    """ConfigError, with the class and what the field needs."""
    with pytest.raises(ConfigError, match=words):
        make()


@pytest.mark.parametrize(
    ("fault", "watched"),
    [
        (Cut(after_bytes=1), "down"),
        (Stall(after_bytes=1), "down"),
        (Stall(way="up", after_bytes=1), "up"),
        (Corrupt(way="up", after_bytes=1), "up"),
        (Corrupt(way="up", after_bytes=1, watch="down"), "down"),
        (Cut(after_bytes=1, watch="up"), "up"),
    ],
)
def test_a_fault_watches_the_direction_that_it_harms(fault: Cut, watched: str) -> None:
    """Unless it is told another one; ``down`` where it harms both."""
    assert fault.watched == watched


@pytest.mark.parametrize("fault", [Cut(), Cut(after_bytes=0), Cut(after_frames=0)])
def test_a_fault_after_nothing_is_at_once(fault: Cut) -> None:
    """Zero is the first moment."""
    assert fault.is_at_once


def test_equal_faults_are_equal() -> None:
    """Tables of tests can hold them."""
    assert Reset(after_frames=2) == Reset(after_frames=2) != Cut(after_frames=2)
    assert len({Stall(), Stall(way="both")}) == 1
