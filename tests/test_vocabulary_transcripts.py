"""Every annotated conversation decodes, in both directions, and encodes to what it was."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pyresponses_ws.codec import decode_command, dumps, parse_event
from pyresponses_ws.events import Event, UnknownEvent
from pyresponses_ws.items import UnknownItem
from pyresponses_ws.model import WireModel
from tests.support.wire_strategies import transcript_frames, transcripts

#: Said by clients, in no schema: what the server does with it is unknown.
UNLISTED_COMMANDS = {"response.cancel"}


def unknowns(value: Any) -> list[Any]:
    """Return the events and items of unknown type inside a value."""
    found = [value] if isinstance(value, (UnknownEvent, UnknownItem)) else []
    children = getattr(value, "__dict__", value)
    if isinstance(children, (dict, list)):
        parts = children.values() if isinstance(children, dict) else children
        found += [each for part in parts for each in unknowns(part)]
    return found


@pytest.mark.parametrize("path", transcripts(), ids=lambda path: path.stem)
def test_what_the_server_says_is_known(path: Path) -> None:
    """No unknown event or item, and the text comes back byte by byte, key order included."""
    for direction, frame in transcript_frames(path):
        if direction == "server":
            event = parse_event(json.dumps(frame))
            assert unknowns(event) == []
            assert dumps(event) == dumps(frame)


@pytest.mark.parametrize("path", transcripts(), ids=lambda path: path.stem)
def test_what_the_client_says_is_known(path: Path) -> None:
    """Commands become objects and come back byte by byte."""
    for direction, frame in transcript_frames(path):
        if direction == "client" and frame["type"] not in UNLISTED_COMMANDS:
            command = decode_command(copy.deepcopy(frame))
            assert isinstance(command, WireModel)
            assert unknowns(command) == []
            assert dumps(command) == dumps(frame)


def test_the_transcripts_are_all_there() -> None:
    """18 conversations with 385 frames; one of them is of a type that nobody declares."""
    frames = [each for path in transcripts() for each in transcript_frames(path)]
    assert (len(transcripts()), len(frames)) == (18, 385)
    unlisted = [frame["type"] for _, frame in frames if frame["type"] in UNLISTED_COMMANDS]
    assert unlisted == ["response.cancel"]


def test_a_response_reads_as_in_the_first_transcript() -> None:
    """Typed attributes down to the text and the tokens."""
    path = next(path for path in transcripts() if path.stem == "01_text_turn")
    events = [parse_event(frame) for way, frame in transcript_frames(path) if way == "server"]
    assert all(isinstance(event, Event) for event in events)
    response = events[-1].response
    assert response.output_text
    assert response.output_text == response.output[0].content[0].text
    assert response.usage.total_tokens == (
        response.usage.input_tokens + response.usage.output_tokens
    )
