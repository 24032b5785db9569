"""The package of events: one class a type, loaded when its first event comes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pyresponses_ws import events
from pyresponses_ws.codec import parse_event
from pyresponses_ws.events import EVENTS, Event, ResponseErrorEvent
from pyresponses_ws.model import slots_of, tags_of

#: Observed live or in other implementations, in no schema; the beta's two; see their classes.
EXTRAS = {
    "keepalive",
    "response.metadata",
    "response.done",
    "response.cancelled",
    "response.error",
    "response.apply_patch_call_operation_diff.delta",
    "response.apply_patch_call_operation_diff.done",
    "response.inject.created",
    "response.inject.failed",
}


@pytest.mark.parametrize("tag", sorted(EVENTS.tags))
def test_every_event_has_its_own_class(tag: str) -> None:
    """It declares its type, the lane and the sequence number, and explains itself."""
    cls = EVENTS.class_named(tag)
    assert cls is not None
    assert issubclass(cls, Event)
    assert tags_of(cls) == (tag,)
    assert cls.__doc__
    keys = {slot.key for slot in slots_of(cls)}
    assert {"type", "sequence_number", "stream_id"} <= keys
    if tag.endswith(".delta"):
        assert {"delta", "obfuscation"} <= keys


def test_62_events_and_the_observed_extras() -> None:
    """71 types."""
    assert len(EVENTS.tags - EXTRAS) == 62
    assert EVENTS.tags >= EXTRAS


def test_a_text_turn_loads_no_rare_module() -> None:
    """Steering, shells and hosted tools cost nothing until they come."""
    code = (
        "import sys; from pyresponses_ws.codec import parse_event\n"
        "parse_event({'type': 'response.output_text.delta'})\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "pyresponses_ws.events.text" in loaded
    assert not loaded & {f"pyresponses_ws.events.{n}" for n in ("calls", "hosted", "steering")}


def test_an_error_reads_in_its_nested_shape() -> None:
    """As the live service sends it on both transports."""
    wire = {"type": "error", "status": 400, "error": {"code": "x", "message": "No.", "param": None}}
    event = parse_event(wire)
    assert isinstance(event, ResponseErrorEvent)
    assert event.error is not None
    assert (event.status, event.error.code, event.error.param) == (400, "x", None)
    assert (event.code, event.message) == (None, None)


def test_an_error_reads_in_its_flat_shape() -> None:
    """As the SSE event is documented."""
    wire = {"type": "error", "code": "x", "message": "No.", "param": None, "sequence_number": 2}
    event = parse_event(wire)
    assert isinstance(event, ResponseErrorEvent)
    assert (event.code, event.message, event.error) == ("x", "No.", None)


def test_events_can_be_built_by_hand() -> None:
    """A server or a test says what it wants to say; the lane only where there is one."""
    event = events.ResponseTextDeltaEvent(
        content_index=0, delta="hi", item_id="msg_1", output_index=0, sequence_number=3
    )
    assert parse_event(event.to_dict()) == event
    assert "stream_id" not in event.to_dict()
    assert "obfuscation" not in event.to_dict()
