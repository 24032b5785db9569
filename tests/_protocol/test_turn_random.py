"""A turn under any stream of events: whole or torn, its answer is what the server meant."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws._protocol.output import TAKE
from pyresponses_ws._protocol.turn import Turn, TurnState
from pyresponses_ws.codec import parse_event
from pyresponses_ws.events import Event

from .wire import completed, created, event

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[Event]]:
    """Draw output items, and a stream of events that brings them.

    Set-up events and most ``done`` events may be missing; an item always has its deltas or its
    ``done``. The streams of the items are mixed.
    """
    items = [_item(draw, index) for index in range(draw(st.integers(0, 4)))]
    streams = [_stream(draw, item, index) for index, item in enumerate(items)]
    mixed = []
    while any(streams):
        stream = draw(st.sampled_from([each for each in streams if each]))
        mixed.append(stream.pop(0))
    return items, mixed


def _item(draw: st.DrawFn, index: int) -> dict[str, Any]:
    if draw(st.booleans()):
        return {"id": f"fc_{index}", "type": "function_call", "arguments": draw(TEXTS)}
    texts = draw(st.lists(TEXTS, min_size=1, max_size=3))
    parts = [{"type": "output_text", "annotations": [], "text": text} for text in texts]
    return {"id": f"m_{index}", "type": "message", "role": "assistant", "content": parts}


def _stream(draw: st.DrawFn, item: dict[str, Any], index: int) -> list[Event]:
    place = {"output_index": index, "item_id": item["id"]}
    is_call = item["type"] == "function_call"
    bare = {**item, "arguments": ""} if is_call else {**item, "content": []}
    events = [event("response.output_item.added", item=bare, **place)] * draw(st.booleans())
    if is_call:
        name = "response.function_call_arguments"
        events += _text(draw, name, "arguments", item["arguments"], place)
    for number, part in enumerate(item.get("content", [])):
        spot = {**place, "content_index": number}
        blank = {**part, "text": ""}
        events += [event("response.content_part.added", part=blank, **spot)] * draw(st.booleans())
        events += _text(draw, "response.output_text", "text", part["text"], spot)
        events += [event("response.content_part.done", part=part, **spot)] * draw(st.booleans())
    return events + [event("response.output_item.done", item=item, **place)] * draw(st.booleans())


def _text(draw: st.DrawFn, name: str, whole: str, text: str, spot: dict[str, Any]) -> list[Event]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    bounds = [0, *cuts, len(text)]
    pieces = [text[a:b] for a, b in pairwise(bounds)]
    deltas = [event(f"{name}.delta", delta=piece, **spot) for piece in pieces]
    return deltas + [event(f"{name}.done", **{whole: text}, **spot)] * draw(st.booleans())


def shown(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reduce items to what deltas can tell."""
    keys = ("type", "content", "arguments")
    return [{key: item[key] for key in keys if key in item} for item in items]


@given(answers(), st.booleans())
def test_an_answer_is_rebuilt_from_whatever_brings_it(
    answer: tuple[list[dict[str, Any]], list[Event]], is_watched: bool
) -> None:
    """With the terminal's output empty, and whether or not somebody looked at each step."""
    items, events = answer
    turn = Turn()
    turn.mark_sent()
    for each in (created(), *events):
        turn.receive_event(each)
        if is_watched:
            assert turn.partial().text == turn.snapshot().output_text
    turn.receive_event(completed(output=[]))
    final = turn.response().to_dict()
    assert shown(final["output"]) == shown(items)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | TEXTS,
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "content", "id", "stdout"]), children)
    ),
    max_leaves=6,
)
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "reasoning", "odd"])},
    optional={"content": VALUES, "summary": VALUES, "action": VALUES, "status": VALUES},
)
TYPES = [*TAKE, "response.created", "response.queued", "response.metadata", "keepalive"]
ANYTHING = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES)},
    optional={
        "output_index": st.integers(0, 1) | VALUES,
        "content_index": st.integers(0, 1) | VALUES,
        "summary_index": VALUES,
        "command_index": VALUES,
        "delta": TEXTS | VALUES,
        "item": ITEMS | VALUES,
        "part": ITEMS | VALUES,
        "response": VALUES,
        "annotation": VALUES,
        "annotation_index": VALUES,
        "command": VALUES,
        "output": VALUES,
        "text": VALUES,
        "arguments": VALUES,
        "logprobs": VALUES,
    },
)


@given(st.lists(ANYTHING, max_size=25))
def test_no_stream_of_events_breaks_a_turn(frames: list[dict[str, Any]]) -> None:
    """What makes no sense changes nothing, and looking at it is always possible."""
    turn = Turn()
    turn.mark_sent()
    for frame in frames:
        each = parse_event(frame)
        turn.receive_event(each)
        turn.mark_observed(each)
        turn.snapshot().to_dict()
    assert turn.snapshot() == turn.snapshot()
    turn.partial().as_input()
    turn.receive_event(completed())
    assert turn.state is TurnState.TERMINAL
    assert isinstance(turn.response().output, list)
