"""The response object and its text."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from pyresponses_ws.items import (
    Billing,
    PromptCacheDiagnosticsCacheMiss,
    Response,
    ResponseError,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseUsage,
)
from pyresponses_ws.report import TurnReport


def message(*texts: str) -> ResponseOutputMessage:
    parts = [ResponseOutputText(text=text, annotations=[]) for text in texts]
    return ResponseOutputMessage(id="msg_1", status="completed", content=[*parts])


def response(**fields: Any) -> Response:
    required = {"id": "resp_1", "created_at": 1.0, "model": "m", "output": []}
    settings = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    return Response(**{**required, **settings, **fields})


def test_the_text_is_that_of_all_messages() -> None:
    """Joined, in order; reasoning and refusals are left out."""
    refusal = ResponseOutputRefusal(refusal="no")
    refused = ResponseOutputMessage(id="msg_2", status="completed", content=[refusal])
    output = [
        ResponseReasoningItem(id="rs_1", summary=[]),
        message("a", "b"),
        refused,
        message("c"),
    ]
    assert response(output=output).output_text == "abc"
    assert response().output_text == ""


def test_text_of_an_output_of_the_wrong_kind_is_empty() -> None:
    """What a server sent instead of a list is kept, and holds no text."""
    assert response(output=3).output_text == ""
    assert response(output=[{"type": "message", "content": 7}]).output_text == ""


def test_failure_and_usage_are_typed() -> None:
    """Codes outside the list are kept."""
    wire = response().to_dict()
    wire["error"] = {"code": "insufficient_quota", "message": "No money."}
    wire["usage"] = {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}}
    wire["prompt_cache_diagnostics"] = {"type": "cache_miss", "reason": "input_changed"}
    read = Response.from_dict(wire)
    assert isinstance(read.error, ResponseError)
    assert isinstance(read.usage, ResponseUsage)
    assert isinstance(read.prompt_cache_diagnostics, PromptCacheDiagnosticsCacheMiss)
    assert (read.error.code, read.usage.input_tokens_details.cached_tokens) == (
        "insufficient_quota",
        0,
    )


def test_hand_built_and_decoded_are_equal() -> None:
    """A server builds what a client reads."""
    built = response(output=[message("hi")], instructions="Be brief.")
    assert Response.from_dict(built.to_dict()) == built


def test_what_only_live_responses_have_is_typed() -> None:
    """``billing`` is in no schema; it keeps its place and its unknown keys."""
    wire = {"id": "r", "billing": {"payer": "developer", "x": 1}, "status": "completed"}
    decoded = Response.from_dict(wire)
    assert isinstance(decoded.billing, Billing)
    assert decoded.billing.payer == "developer"
    assert decoded.to_dict() == wire


def copied_by_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("make_copy", [copied_by_pickle, copy.copy, copy.deepcopy])
def test_a_copy_keeps_the_turns_report(make_copy: Callable[[Any], Any]) -> None:
    """A worker may hand a response on; the wire object is still the wire's."""
    original = response()
    original.report = TurnReport(events=7)
    twin = make_copy(original)
    assert (twin, twin.report) == (original, original.report)
    assert twin.to_dict() == original.to_dict()
