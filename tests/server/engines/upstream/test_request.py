"""What an upstream is sent: all that shapes the answer, and nothing that it could not know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import ResponseInputItemParam, ResponseOutputItem
from pydantic import TypeAdapter

from pyresponses_ws.server.engines.base import EngineRequest
from pyresponses_ws.server.engines.upstream.request import make_body, make_input
from tests.server.drivers import user

Item = dict[str, Any]

OURS = {
    "type": "response.create",
    "stream_id": "lane",
    "generate": True,
    "client_metadata": {"a": "b"},
    "previous_response_id": "resp_1",
    "background": False,
    "context_management": [{"type": "compaction"}],
    "stream_options": {"include_obfuscation": False},
    "input": "ignored: the items count",
}


def body_of(*items: Item, **settings: Any) -> Item:
    """Return the body for a context and the settings of a create."""
    return make_body(EngineRequest(model="m", items=items, settings={"model": "m", **settings}))


def output_text(text: str, **extra: Any) -> Item:
    """Make the part of an assistant's text."""
    return {"type": "output_text", "text": text, **extra}


def call(call_id: str = "c1", **extra: Any) -> Item:
    """Make a call of a function."""
    known = {"type": "function_call", "call_id": call_id, "name": "f", "arguments": '{"a":1}'}
    return {**known, **extra}


def output(call_id: str = "c1") -> Item:
    """Make its output."""
    return {"type": "function_call_output", "call_id": call_id, "output": "4"}


def test_what_only_this_server_understands_stays_here() -> None:
    """Strict servers answer 422 to a field that they do not know."""
    assert body_of(user("hi"), **OURS) == {
        "model": "m",
        "input": [user("hi")],
        "stream": True,
        "store": False,
    }


def test_what_shapes_the_answer_passes() -> None:
    """The official fields, and those that a caller made up for its server."""
    given = {
        "instructions": "Be brief.",
        "temperature": 0.5,
        "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "tool_choice": "required",
        "text": {"format": {"type": "json_object"}},
        "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"],
        "seed": 7,
        "top_k": 20,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert body_of(user("hi"), **given).items() >= given.items()


def test_nothing_is_kept_upstream() -> None:
    """Whatever the create says of this server's store."""
    bodies = [body_of(user("hi"), **given) for given in ({}, {"store": True}, {"store": False})]
    assert [body["store"] for body in bodies] == [False, False, False]


def test_a_warm_up_and_ids_of_responses_leave_the_options_of_the_cache() -> None:
    """The rest of them passes."""
    ours = {"prewarm": False, "comparison_response_id": "resp_1"}
    assert "prompt_cache_options" not in body_of(user("hi"), prompt_cache_options=ours)
    body = body_of(user("hi"), prompt_cache_options={**ours, "ttl": "12h"})
    assert body["prompt_cache_options"] == {"ttl": "12h"}


def test_a_generation_config_travels_as_text() -> None:
    """transformers serve reads JSON in a string, and breaks on an object."""
    body = body_of(user("hi"), generation_config={"max_new_tokens": 3})
    assert json.loads(body["generation_config"]) == {"max_new_tokens": 3}
    assert body_of(user("hi"), generation_config="{}")["generation_config"] == "{}"


def answer(*parts: Item, **extra: Any) -> Item:
    """Make a message of the assistant."""
    return {"type": "message", "role": "assistant", "content": list(parts), **extra}


def test_an_answer_travels_in_the_published_form() -> None:
    """Strict servers want id and status; empty lists say nothing, the phase does."""
    part = output_text("Hello.", annotations=[], logprobs=[])
    item = answer(part, id="msg_1", status="incomplete", phase="commentary")
    assert make_input([user("hi"), item])[1] == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "incomplete",
        "phase": "commentary",
        "content": [output_text("Hello.", annotations=[])],
    }


@pytest.mark.parametrize("given", [{}, {"id": None}, {"id": "mine"}, {"status": "in_progress"}])
def test_an_answer_without_id_or_status_gets_them(given: Item) -> None:
    """As clients send it that write a history by hand; each id is one item's."""
    items = [answer(output_text(text), **given) for text in ("a", "b")]
    made = make_input([user("hi"), *items])[1:]
    assert [item["status"] for item in made] == ["completed", "completed"]
    ids = [item["id"] for item in made]
    assert all(name.startswith("msg_") for name in ids)
    assert len(set(ids)) == 2
    assert make_input([user("hi"), *items])[1:] == made


def test_an_answer_that_comes_twice_has_two_ids() -> None:
    """A service refuses the same id twice."""
    item = answer(output_text("a"), id="msg_1")
    first, second = make_input([item, item])
    assert first["id"] == "msg_1" != second["id"]
    assert make_input([second, item, item])[2]["id"] not in ("msg_1", second["id"])


def test_a_phase_travels_only_where_it_was_told() -> None:
    """None is no phase."""
    plain, without = make_input([answer(output_text("a")), answer(output_text("b"), phase=None)])
    assert "phase" not in plain.keys() | without.keys()


def test_a_written_answer_stays_as_it_is() -> None:
    """A plain text is an input's form of it, which has neither id nor status."""
    item = {"type": "message", "role": "assistant", "content": "Hello."}
    assert make_input([user("hi"), {**item, "id": "msg_1", "status": "completed"}])[1] == item


def test_annotations_and_refusals_travel() -> None:
    """What is not empty stays."""
    cited = output_text("a", annotations=[{"type": "url_citation", "url": "u"}])
    parts = [cited, {"type": "refusal", "refusal": "no"}]
    assert make_input([user("hi"), answer(*parts)])[1]["content"] == parts


def test_the_input_of_the_user_travels_as_it_came() -> None:
    """Text or parts, images too; only the status that a listing adds goes."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"}
    parts = {"type": "message", "role": "user", "content": [image]}
    made = make_input([user("hi"), {**parts, "id": "msg_2", "status": "completed"}])
    assert made == [user("hi"), parts]


def test_call_and_output_keep_what_pairs_them() -> None:
    """The ``call_id``, and nothing else that names them."""
    made = make_input([user("hi"), call(id="fc_1", status="completed"), {**output(), "id": "fco"}])
    assert made[1:] == [call(), output()]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    """transformers serve parses them."""
    assert make_input([user("hi"), call(arguments=""), output()])[1]["arguments"] == "{}"


def test_half_a_call_is_left_out() -> None:
    """Nobody could answer it, and services refuse a call without its output."""
    cut = call("c2", status="incomplete", arguments='{"a')
    assert make_input([user("hi"), cut]) == [user("hi")]


def test_reasoning_in_clear_keeps_its_text_and_its_id() -> None:
    """Local servers read the text, and strict ones require the id and a summary."""
    content = [{"type": "reasoning_text", "text": "hm"}]
    item = {"id": "rs_1", "type": "reasoning", "content": content, "encrypted_content": None}
    assert make_input([user("hi"), item])[1] == {
        "id": "rs_1",
        "type": "reasoning",
        "content": content,
        "summary": [],
    }


def test_encrypted_reasoning_travels_whole_but_for_its_id() -> None:
    """The service decrypts it; an id it would look up in vain."""
    summary = [{"type": "summary_text", "text": "hm"}]
    item = {"type": "reasoning", "encrypted_content": "secret", "summary": summary}
    assert make_input([user("hi"), {"id": "rs_1", **item}])[1] == item


def test_a_summary_alone_is_left_out() -> None:
    """No model can read it, and llama.cpp refuses the whole request for it."""
    item = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    assert make_input([user("hi"), item]) == [user("hi")]


def test_items_of_hosted_tools_keep_their_ids() -> None:
    """They are the upstream's own, and an approval refers to one."""
    items = [
        {"id": "mcpr_1", "type": "mcp_approval_request", "name": "f", "arguments": "{}"},
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
    ]
    assert make_input([user("hi"), *items])[1:] == items


def test_a_message_leads_a_context_that_begins_with_a_call() -> None:
    """Else transformers serve takes the list for the parts of a user's message."""
    lead, *rest = make_input([call(), output(), user("go on")])
    assert (lead["role"], lead["content"][0]["text"]) == ("assistant", "")
    assert rest == [call(), output(), user("go on")]
    assert make_input([]) == []


OFFICIAL: list[Item] = [
    answer(output_text("Hello.")),
    answer(output_text("Hello.", logprobs=[]), id="msg_1", status="completed", phase=None),
    answer({"type": "refusal", "refusal": "no"}, id="msg_2", status="incomplete"),
    answer(),
    {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]},
    call(id="fc_1", status="completed"),
    call(arguments=""),
    {"id": "ctc_1", "type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
]


@pytest.mark.parametrize("item", OFFICIAL)
def test_what_a_model_said_is_of_the_published_types(item: Item) -> None:
    """As an item of the input, and strictly, as the output that it was."""
    made = make_input([item])
    for each in made:
        TypeAdapter(ResponseInputItemParam).validate_python(each)
        known = {"id": "x", **each} if "call_id" in each else each
        TypeAdapter(ResponseOutputItem).validate_python(known)
    assert made[-1]["type"] == item["type"]


@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
def test_what_a_tool_said_is_of_the_published_types(kind: str) -> None:
    """With a message ahead of it, which is so too."""
    made = make_input([{**output(), "type": kind, "id": "out_1", "status": "completed"}])
    assert len(made) == 2
    for each in made:
        TypeAdapter(ResponseInputItemParam).validate_python(each)
