"""A state machine as data."""

from __future__ import annotations

from enum import Enum

import pytest

from pyresponses_ws._protocol.machine import IllegalSignalError, advance


class Door(Enum):
    OPEN = "open"
    SHUT = "shut"


class Push(Enum):
    PUSH = "push"


TABLE = {(Door.SHUT, Push.PUSH): Door.OPEN}


def test_a_known_signal_leads_on() -> None:
    """The table names the state that follows."""
    assert advance(TABLE, Door.SHUT, Push.PUSH) is Door.OPEN


def test_an_unknown_pair_raises_and_names_both() -> None:
    """The message says which signal came in which state."""
    with pytest.raises(IllegalSignalError, match="PUSH is not possible when OPEN"):
        advance(TABLE, Door.OPEN, Push.PUSH)
