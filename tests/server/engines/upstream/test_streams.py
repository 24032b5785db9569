"""Thousands of generated answers: each turn ends, once, with a response that is in order."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from openai._models import construct_type_unchecked
from openai.lib.responses_websocket import ResponsesWebSocketAccumulator
from openai.types.responses import ResponsesServerEvent as OfficialEvent

from pyresponses_ws._protocol.turn import Turn
from pyresponses_ws.codec import parse_event
from tests.server.drivers import Frame
from tests.support.upstream_play import Played, PlayedHTTP, check_events, flatten, play
from tests.support.upstream_streams import Said, Stream, cite, make_stream

#: Streams of the promise, and those of it that every run of the tests plays.
PROMISED, PLAIN = 10_000, 2_000
PIECE = 250

Shown = tuple[str, ...]
EMPTY: Shown = ("message", "", "")


def play_stream(stream: Stream) -> Played:
    """Play a stream and check its events, whatever it is."""
    played = play(PlayedHTTP(stream.pieces, stream.is_lost))
    check_events(played.events)
    has_failed = played.final["status"] == "failed"
    assert has_failed == (played.error is not None)
    return played


def expected(said: tuple[Said, ...]) -> list[Shown]:
    """Return what a client must get: an empty message only where nothing else answers it."""
    shown = [_flatten(each) for each in said]
    full = [each for each in shown if each != EMPTY]
    is_silent = all(each[0] == "reasoning" for each in full)
    return [*full, EMPTY] if len(full) < len(shown) and is_silent else full


def _flatten(said: Said) -> Shown:
    def text(kind: str) -> str:
        return "".join(text for name, text in said.texts if name == kind)

    if said.kind == "message":
        return said.kind, text("output_text"), text("refusal")
    if said.kind == "reasoning":
        return said.kind, text("summary_text"), text("reasoning_text")
    return said.kind, said.name, said.call_id or said.extra["call_id"], text("arguments")


def check_stream(number: int) -> str:
    """Play a stream; if it was complete, nothing of it is lost, and nothing told twice."""
    stream = make_stream(number)
    played = play_stream(stream)
    status: str = played.final["status"]
    if stream.said is not None:
        assert status == stream.ends_as, number
    if stream.said is not None and status != "failed":
        order: Any = list if stream.is_ordered else sorted
        shown = order(flatten(item) for item in played.output)
        assert shown == order(expected(stream.said)), number
        check_citations(played.output, stream.said)
    return status


def check_citations(output: list[Frame], said: tuple[Said, ...]) -> None:
    """Assert that each citation points at the words that it was told of, and is there once."""
    parts = [part for item in output for part in item.get("content") or []]
    found = [
        part["text"][note["start_index"] : note["end_index"]]
        for part in parts
        for note in part.get("annotations") or []
    ]
    texts = (part for each in said for part in each.texts)
    assert not Counter(found) - Counter(text for kind, text in texts if cite(kind, text))


@pytest.mark.parametrize("start", range(0, PLAIN, PIECE))
def test_every_turn_ends_once_and_in_order(start: int) -> None:
    """Complete, sparse, mixed up, cut or garbage."""
    statuses = Counter(check_stream(number) for number in range(start, start + PIECE))
    assert set(statuses) == {"completed", "incomplete", "failed"}


def _check_officially(events: list[Frame]) -> None:
    """Assert that the official client knows the output before the last event tells it."""
    accumulator = ResponsesWebSocketAccumulator()
    *before, last = [construct_type_unchecked(type_=OfficialEvent, value=each) for each in events]
    for event in before:
        accumulator.add_event(event)
    known = accumulator.snapshot().output
    accumulator.add_event(last)
    assert accumulator.snapshot().output == known
    assert accumulator.get_final_response().status == events[-1]["response"]["status"]


def _add_up(events: list[Frame]) -> list[Frame]:
    """Return what our client makes of a response whose last event leaves its output out."""
    turn = Turn()
    turn.mark_sent()
    *before, last = events
    for event in [*before, {**last, "response": {**last["response"], "output": None}}]:
        turn.receive_event(parse_event(json.dumps(event)))
    return [item.to_dict() for item in turn.response().output]


def test_every_client_adds_a_response_up_alike() -> None:
    """The official one and ours: all events tell what the last one tells alone."""
    added_up = 0
    for number in range(150):
        events = json.loads(json.dumps(play_stream(make_stream(number)).events))
        if events[-1]["type"] != "response.failed":
            added_up += 1
            _check_officially(events)
            assert _add_up(events) == events[-1]["response"]["output"], number
    assert added_up > 50


@pytest.mark.real
@pytest.mark.parametrize("start", range(PLAIN, PROMISED, 4 * PIECE))
def test_every_promised_turn_ends_once_and_in_order(start: int) -> None:
    """The rest of ten thousand."""
    statuses = Counter(check_stream(number) for number in range(start, start + 4 * PIECE))
    assert set(statuses) == {"completed", "incomplete", "failed"}
