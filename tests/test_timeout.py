"""The argument ``timeout``: a number, None, or nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.timeout import DEFAULT, Timeout, resolve_timeout


@pytest.mark.parametrize(("given", "seconds"), [(DEFAULT, 7.0), (None, None), (3, 3), (0.5, 0.5)])
def test_what_is_not_given_is_the_clients_own(given: Timeout, seconds: float | None) -> None:
    """None is given: it means no limit."""
    assert resolve_timeout(given, default=7.0) == seconds


@pytest.mark.parametrize("given", [0, -1, math.nan, math.inf, "3", True, []])
def test_what_is_no_time_is_named(given: Any) -> None:
    """A limit of 0 would end every call, and a wrong kind would fail later."""
    with pytest.raises(ConfigError, match="timeout must be"):
        resolve_timeout(given, default=None)


def test_the_default_shows_as_a_word() -> None:
    """In signatures and help."""
    assert repr(DEFAULT) == "<default>"
