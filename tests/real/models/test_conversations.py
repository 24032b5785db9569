"""Whole conversations with a real model, through our client, over every transport."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyresponses_ws import (
    BadRequestError,
    Response,
    ResponseFunctionToolCall,
    ResponseReasoningItem,
)
from pyresponses_ws.testing import LocalServer
from tests.real.models.conversations import (
    CONCLUSION,
    CONVERSATIONS,
    GREETING,
    MODEL,
    REPORT,
    THINK,
    THOUGHT,
    ask,
    settled,
    settled_events,
)
from tests.support.three_transports import Run, create_all, post_all, stream_all

pytestmark = pytest.mark.real

TRANSPORTS = ("websocket", "http", "json")


def converse(server: LocalServer, name: str, transport: str) -> list[Response]:
    """Have a conversation whose turns all succeed; return their Responses."""
    turns = CONVERSATIONS[name]
    if transport == "json":
        run = post_all(server.base_url, turns)
    else:
        run = stream_all(server.base_url, transport, turns)
    settled(run)
    return [outcome.response for outcome in run.outcomes if outcome.response]


def thought_of(response: Response) -> str:
    """Return the text of the one reasoning item."""
    (item,) = (item for item in response.output if isinstance(item, ResponseReasoningItem))
    assert item.content is not None
    (part,) = item.content
    assert part.type == "reasoning_text"
    return part.text


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_greets(server: LocalServer, transport: str) -> None:
    """One message, and what it cost by the model's own count."""
    greeting, _ = converse(server, "greeting", transport)
    assert greeting.output_text == GREETING
    assert [item.type for item in greeting.output] == ["message"]
    assert greeting.usage is not None
    assert (greeting.usage.input_tokens, greeting.usage.output_tokens) == (14, 12)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_calls_a_tool_and_finishes(server: LocalServer, transport: str) -> None:
    """The call and nothing beside it; with its output, and the id before, the answer."""
    question, report = converse(server, "weather", transport)
    (call,) = question.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    assert report.output_text == REPORT


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_thinks_before_it_answers(server: LocalServer, transport: str) -> None:
    """The reasoning has an item of its own, ahead of the message, and is no part of the text."""
    answer, _ = converse(server, "thinking", transport)
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert thought_of(answer).strip() == THOUGHT
    assert answer.output_text.strip() == CONCLUSION


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_remembers_what_only_an_earlier_turn_said(server: LocalServer, transport: str) -> None:
    """The city, which no output of a tool names; each prompt is larger than the one before."""
    responses = converse(server, "all of it", transport)
    assert [r.output_text for r in responses] == [GREETING, "", REPORT]
    sizes = [r.usage.input_tokens for r in responses if r.usage]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_every_transport_tells_the_same(server: LocalServer, name: str) -> None:
    """Streamed or not, over a WebSocket or over HTTP: equal Responses, but for ids and times."""
    turns, url = CONVERSATIONS[name], server.base_url
    runs = [post_all(url, turns)]
    for transport in ("websocket", "http"):
        runs += [stream_all(url, transport, turns), create_all(url, transport, turns)]
    first, *others = [settled(run) for run in runs]
    assert others == [first] * 4


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_both_streams_bring_the_same_events(server: LocalServer, name: str) -> None:
    """Event by event, with their numbers."""
    runs = [stream_all(server.base_url, t, CONVERSATIONS[name]) for t in ("websocket", "http")]
    over_websocket, over_http = [settled_events(run) for run in runs]
    assert over_websocket == over_http


def test_both_servers_say_the_same(local_model: LocalServer, upstream: LocalServer) -> None:
    """The model is one: behind us and behind the server of transformers it uses the same words."""
    runs = [
        stream_all(s.base_url, "websocket", CONVERSATIONS["all of it"])
        for s in (local_model, upstream)
    ]
    ours, theirs = [[_words(o.response) for o in run.outcomes] for run in runs]
    assert ours == theirs


def _words(response: Any) -> list[tuple[str, str]]:
    """Return the type of each item and its text, without the white space around it."""
    texts = {
        "message": lambda item: item.content[0].text,
        "reasoning": lambda item: item.content[0].text,
        "function_call": lambda item: item.arguments,
    }
    return [(item.type, texts[item.type](item).strip()) for item in response.output]


def test_ours_tells_what_the_other_leaves_out(local_model: LocalServer) -> None:
    """No line breaks around the reasoning; how many tokens it took; and that a limit was met."""
    turns = [CONVERSATIONS["thinking"][0], ask(THINK, max_output_tokens=16)]
    whole, cut = (o.response for o in create_all(local_model.base_url, "websocket", turns).outcomes)
    assert whole is not None
    assert (thought_of(whole), whole.output_text) == (THOUGHT, CONCLUSION)
    assert whole.usage is not None
    assert 0 < whole.usage.output_tokens_details.reasoning_tokens < whole.usage.output_tokens
    assert cut is not None
    assert cut.incomplete_details is not None
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_an_image_for_a_model_without_eyes_is_refused(local_model: LocalServer) -> None:
    """Before anything is said, in words that name the way out."""
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    turn = {"model": MODEL, "input": [{"role": "user", "content": [picture]}]}
    for run in (
        stream_all(local_model.base_url, "websocket", [lambda past: turn]),
        post_all(local_model.base_url, [lambda past: turn]),
    ):
        error = run.outcomes[0].error
        assert isinstance(error, BadRequestError)
        assert (error.code, error.param) == ("image_not_supported", "input")


def test_text_arrives_in_pieces(server: LocalServer) -> None:
    """Token by token, not at the end."""
    run: Run = stream_all(server.base_url, "websocket", CONVERSATIONS["greeting"][:1])
    (outcome,) = run.outcomes
    deltas = [e for e in outcome.events or () if e.type == "response.output_text.delta"]
    assert len(deltas) >= 8
    assert "".join(e.delta for e in deltas) == GREETING  # type: ignore[attr-defined]
