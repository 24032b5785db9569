"""The npm packages ``openai`` and ``ws``: ``ResponsesWS``, its lanes, and server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

#: Includes the one installation of the packages.
pytestmark = [pytest.mark.real, pytest.mark.timeout(200)]

RunNode = Callable[[str], list[dict[str, Any]]]


def test_text(run_node: RunNode) -> None:
    """The deltas are the text of the final response."""
    (report,) = run_node("text")
    assert report["end"] == "response.completed"
    assert report["streamed"] == report["text"] == "You said: Say hello."
    assert report["model"] == "gpt-6-astra"


def test_tool_and_continuation(run_node: RunNode) -> None:
    """Two continuations in a row, each with its new items alone and nothing stored."""
    call, answer, more = run_node("tool")
    assert call == {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    assert answer == {"text": "get_weather returned: 14 °C", "continued": True}
    assert more == {"text": "You said: Thank you.", "continued": True}


def test_warm_up(run_node: RunNode) -> None:
    """It says nothing, and what it read is the history of the next turn."""
    warm, more = run_node("warm_up")
    assert warm == {"output": [], "output_tokens": 0}
    assert more == {"arguments": '{"city":"Paris"}'}


def test_unknown_previous_id(run_node: RunNode) -> None:
    """The client's own error with our message and code; the socket works on."""
    error, after = run_node("unknown_id")
    assert error == {
        "kind": "WebSocketError",
        "message": "Previous response with id 'resp_none' not found.",
        "code": "previous_response_not_found",
        "status": 400,
    }
    assert after == {"text": "You said: hi"}


def test_two_lanes_of_a_session(run_node: RunNode) -> None:
    """Interleaved and whole; an error of one lane leaves the other to continue."""
    both, after = run_node("lanes")
    assert both == {"right": [True, True], "interleaved": True}
    assert after == {"code": "previous_response_not_found", "text": "You said: hi"}


def test_accumulator(run_node: RunNode) -> None:
    """It follows the text, and ends in the final response."""
    (report,) = run_node("accumulator")
    assert report["texts"] == ["You", "You said:", "You said: one", "You said: one two"]
    assert (report["phase"], report["text"]) == ("terminal", "You said: one two")


def test_steering(run_node: RunNode) -> None:
    """Accepted while the turn runs; the successor answers the new words."""
    steered, successor = run_node("steering")
    assert steered == {"accepted": 1}
    assert successor == {"text": "You said: Make it short.", "continued": True}


def test_server_sent_events(run_node: RunNode) -> None:
    """``stream: true`` and ``stream()`` give the same over HTTP, and errors keep their code."""
    text, tool, error = run_node("server_sent_events")
    assert text == {"end": "response.completed", "streamed": "You said: Say hello."}
    assert tool == {"arguments": '{"city":"Paris"}', "text": "get_weather returned: 14 °C"}
    assert error == {
        "kind": "BadRequestError",
        "status": 400,
        "code": "previous_response_not_found",
    }
