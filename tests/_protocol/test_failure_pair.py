"""One ending where the wire says two."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws import parse_event
from pyresponses_ws._protocol.failure_pair import FailurePairs
from pyresponses_ws.events import Event
from tests._protocol import wire

ERROR = parse_event({"type": "error", "error": {"message": "No."}})
FAILED = parse_event({"type": "response.failed", "response": {"id": "resp_1"}})
CREATED, DELTA = wire.created(), wire.delta()


def received(*batches: list[Event]) -> list[Any]:
    """What comes out, batch by batch, and at the end what was held back."""
    pairs = FailurePairs()
    out = [event for batch in batches for event in pairs.receive(batch)]
    return [*out, *pairs.take_held()]


@pytest.mark.parametrize(
    "batches",
    [
        ([CREATED, DELTA, ERROR, FAILED],),
        ([CREATED, DELTA, ERROR], [FAILED]),
        ([CREATED], [DELTA], [ERROR], [FAILED]),
        ([CREATED, DELTA], [ERROR], [], [FAILED]),
    ],
)
def test_the_failed_response_counts(batches: tuple[list[Event], ...]) -> None:
    """However the two are cut into reads."""
    assert received(*batches) == [CREATED, DELTA, FAILED]


def test_an_error_alone_counts() -> None:
    """When nothing follows it."""
    assert received([CREATED, DELTA], [ERROR]) == [CREATED, DELTA, ERROR]


def test_an_error_before_the_response_is_not_held() -> None:
    """It is about the request, and whoever waits may send that again."""
    assert FailurePairs().receive([ERROR]) == [ERROR]


def test_a_failure_without_an_error_passes() -> None:
    """As over WebSocket."""
    assert received([CREATED, FAILED]) == [CREATED, FAILED]
    assert received([CREATED], [FAILED]) == [CREATED, FAILED]


def test_what_follows_an_error_and_is_no_failure_changes_nothing() -> None:
    """Whoever judges the order sees both."""
    assert received([CREATED], [ERROR], [DELTA]) == [CREATED, ERROR, DELTA]
