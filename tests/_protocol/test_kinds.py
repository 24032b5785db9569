"""What the wire types mean to the protocol."""

from __future__ import annotations

import pytest

from pyresponses_ws._protocol.kinds import (
    ERROR_TYPES,
    TERMINAL_TYPES,
    ending_kind,
    is_control,
    is_output,
)
from pyresponses_ws.events.table import EVENTS


@pytest.mark.parametrize("event_type", sorted(EVENTS.tags))
def test_every_known_type_has_exactly_one_meaning(event_type: str) -> None:
    """Each event ends a response, is output, or is control; a new one must be placed."""
    meanings = [
        event_type in TERMINAL_TYPES | ERROR_TYPES,
        is_output(event_type),
        is_control(event_type) and event_type not in ERROR_TYPES,
    ]
    assert meanings.count(True) == 1


def test_an_unknown_type_of_a_response_is_neither_output_nor_control() -> None:
    """It may show the answer, so no replay; it may come before ``created``, so no offence."""
    assert not is_output("response.hologram.delta")
    assert not is_control("response.hologram.delta")


def test_a_type_outside_the_family_is_control() -> None:
    """Gateways send events of their own; they say nothing of the answer."""
    assert is_control("codex.rate_limits")


@pytest.mark.parametrize(
    ("event_type", "status", "kind"),
    [
        ("error", None, "error"),
        ("response.error", "completed", "error"),
        ("response.incomplete", "completed", "incomplete"),
        ("response.cancelled", None, "cancelled"),
        ("response.done", "failed", "failed"),
        ("response.done", "in_progress", "completed"),
        ("response.done", None, "completed"),
    ],
)
def test_the_type_names_the_ending_and_done_asks_the_status(
    event_type: str, status: str | None, kind: str
) -> None:
    """Only ``response.done`` has a name that tells nothing."""
    assert ending_kind(event_type, status) == kind
