"""The weight of what stored responses hold."""

from __future__ import annotations

import sys

from pyresponses_ws.server.core.holdings import Holdings, weigh


def test_a_value_weighs_what_its_parts_weigh() -> None:
    """Keys, values and entries, at any depth."""
    inner = ["x" * 1_000]
    value = {"a": inner}
    parts = (value, "a", inner, inner[0])
    assert weigh(value) == sum(map(sys.getsizeof, parts))


def test_a_value_counts_once_until_its_last_holder_leaves() -> None:
    """Whatever the order."""
    holdings, value = Holdings(), {"a": "b"}
    holdings.hold(value)
    once = holdings.weight
    holdings.hold(value)
    assert holdings.weight == once == weigh(value)
    holdings.release(value)
    assert holdings.weight == once
    holdings.release(value)
    assert holdings.weight == 0
