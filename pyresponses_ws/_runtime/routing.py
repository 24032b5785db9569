"""From a batch of events to the sinks of the turns that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

from pyresponses_ws._protocol.lanes import Lanes
from pyresponses_ws._runtime.mailbox import Sink, count_bytes
from pyresponses_ws.events import Event

T = TypeVar("T")

#: Who the events from an index on go to.
Run = tuple[tuple[T, ...], int]


def route_all(lanes: Lanes[T], events: list[Event], runs: list[Run[T]]) -> None:
    """Append to ``runs`` groups of neighbours that go to the same sinks. Raises ProtocolError.

    The last run, nobody's, stands where the routing ended, a fault included.
    """
    before, end = None, 0
    try:
        for event in events:
            sinks = lanes.route(event)
            if sinks is not before:
                runs.append((sinks, end))
                before = sinks
            end += 1
    finally:
        runs.append(((), end))


def put_all(runs: list[Run[Sink]], events: list[Event], texts: Sequence[str]) -> None:
    """Hand each run over to its sinks."""
    for (sinks, start), (_, end) in pairwise(runs):
        for sink in sinks:
            sink.put(events[start:end], count_bytes(texts[start:end]))
