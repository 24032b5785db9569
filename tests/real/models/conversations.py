"""What the tests ask the tiny model, and what it says, whichever server it is behind."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyresponses_ws import Response, ResponseFunctionToolCall
from tests.support.three_transports import Json, Run, TurnOf
from tests.support.turns import QUESTION, TOOL

#: The folder's own name: what `transformers serve` calls the model when started beside it.
MODEL = "tiny-chat"
FOLDER = Path(__file__).resolve().parents[2] / "data" / MODEL

HELLO, THINK = "Say hello", "think hard"
GREETING = "Hello! I am a tiny model on this machine."
REPORT = "The weather in Paris is fine."
THOUGHT, CONCLUSION = "Let me think step by step.", "The answer is 42."

#: Ids that `transformers serve` makes, anew for each request.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def ask(text: str, /, **fields: Any) -> TurnOf:
    """A turn of its own."""
    return lambda past: {"model": MODEL, "input": text, **fields}


def go_on(text: str, /, **fields: Any) -> TurnOf:
    """A turn that continues the one before; nothing else of the past is sent."""
    return lambda past: {**ask(text, **fields)(past), "previous_response_id": _last(past).id}


def answer_call(past: Sequence[Response | None]) -> Json:
    """A turn that brings the output of the one call before."""
    last = _last(past)
    (call,) = (item for item in last.output if isinstance(item, ResponseFunctionToolCall))
    output = {"type": "function_call_output", "call_id": call.call_id, "output": '{"temp_c": 14}'}
    return {
        "model": MODEL,
        "input": [output],
        "tools": [TOOL],
        "previous_response_id": last.id,
    }


def _last(past: Sequence[Response | None]) -> Response:
    last = past[-1]
    assert last is not None, "the turn before failed"
    return last


CONVERSATIONS: dict[str, list[TurnOf]] = {
    "greeting": [ask(HELLO), go_on(THINK)],
    "weather": [ask(QUESTION, tools=[TOOL]), answer_call],
    "thinking": [ask(THINK, instructions="Be nice."), go_on(HELLO)],
    "all of it": [
        ask(HELLO, instructions="You are terse."),
        go_on(QUESTION, tools=[TOOL]),
        answer_call,
    ],
}


def settled(run: Run) -> list[Any]:
    """Return the final Responses with words in the place of what every run makes anew.

    Raises the error of the first turn that has none.
    """
    for outcome in run.outcomes:
        if outcome.error is not None:
            raise outcome.error
    return _without_uuids(run.responses())


def settled_events(run: Run) -> list[Any]:
    """Return the events of each turn in the same way."""
    return _without_uuids(run.events())


def _without_uuids(value: Any) -> Any:
    return json.loads(_UUID.sub("uuid", json.dumps(value)))
