"""The tools of a create as a chat template takes them."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.engines.base import EngineRequest
from pyresponses_ws.server.engines.transformers.tools import Offer, ToolName, make_offer

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "name": "weather", "description": "D.", "parameters": SCHEMA}
TIME = {"type": "function", "name": "time"}
PATCH = {"type": "custom", "name": "patch"}
SPACE = {"type": "namespace", "name": "home", "tools": [WEATHER, PATCH]}


def offer(*tools: dict[str, Any], choice: Any = "auto", items: Any = ()) -> Offer:
    """Return what a request with these tools offers."""
    request = EngineRequest(model="m", items=items, tools=tools, tool_choice=choice)
    return make_offer(request)


def refuse(*tools: dict[str, Any], choice: Any = "auto", items: Any = ()) -> BadRequestError:
    """Return the error of a request with these tools."""
    with pytest.raises(BadRequestError) as caught:
        offer(*tools, choice=choice, items=items)
    assert caught.value.status == 400
    return caught.value


def test_a_flat_function_is_nested() -> None:
    """What the service adds besides is dropped."""
    function = {"name": "weather", "description": "D.", "parameters": SCHEMA}
    found = offer({**WEATHER, "strict": True})
    assert found.tools == [{"type": "function", "function": function}]
    assert found.names == {"weather": ToolName("weather", properties=SCHEMA["properties"])}
    assert not found.is_required


def test_a_function_without_parameters_takes_none() -> None:
    """Templates read both keys unasked."""
    function = {
        "name": "time",
        "description": "",
        "parameters": {"type": "object", "properties": {}},
    }
    assert offer(TIME).tools == [{"type": "function", "function": function}]


def test_a_custom_tool_is_a_function_of_its_input() -> None:
    """Its grammar is told in words, since nothing can hold the model to it."""
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
    found = offer({**PATCH, "format": grammar})
    parameters = found.tools[0]["function"]["parameters"]
    assert parameters["required"] == ["input"]
    assert parameters["properties"]["input"]["type"] == "string"
    assert "match this lark:\nstart: WORD" in parameters["properties"]["input"]["description"]
    assert found.names["patch"].is_custom


def test_tools_of_a_namespace_bear_its_name() -> None:
    """And lead back to it."""
    found = offer(SPACE, WEATHER)
    assert list(found.names) == ["home.weather", "home.patch", "weather"]
    assert found.names["home.weather"].namespace == "home"
    assert found.names["home.patch"].name == "patch"
    assert found.tools[0]["function"]["name"] == "home.weather"


def test_items_bring_tools_along() -> None:
    """Some are handed in later in a conversation; the last definition of a name counts."""
    later = {**TIME, "description": "later"}
    items = [
        {"type": "additional_tools", "tools": [later]},
        {"type": "tool_search_output", "call_id": "c", "tools": [PATCH]},
        {"type": "additional_tools", "tools": None},
    ]
    found = offer(WEATHER, TIME, items=items)
    assert list(found.names) == ["weather", "time", "patch"]
    assert found.tools[1]["function"]["description"] == "later"


@pytest.mark.parametrize("kind", ["web_search", "mcp", "code_interpreter", "shell"])
def test_a_tool_of_the_service_is_refused_by_name(kind: str) -> None:
    """The model would never get to use it."""
    error = refuse(TIME, {"type": kind})
    assert error.param == "tools[1].type"
    assert f"'{kind}'" in str(error)
    assert "'function' and 'custom' tools" in str(error)


def test_a_tool_needs_a_name() -> None:
    """Also inside of a namespace."""
    inner = {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": ""}]}
    assert refuse(inner).param == "tools[0].tools[0].name"


def test_a_name_is_one_that_a_model_can_write() -> None:
    """No tokenizer has half of a surrogate pair; the space of a tool is part of its name."""
    for tool in ({**PATCH, "name": "p\ud800"}, {**SPACE, "name": "\udfff"}):
        error = refuse(TIME, tool)
        assert error.code == "invalid_value"
        assert str(error.param).startswith("tools[1]")


def test_a_tool_that_an_item_brings_is_found_by_its_item() -> None:
    """An index into the context would be none into what the client sent last."""
    items = [
        {"type": "message", "role": "user", "content": "hi"},
        {"type": "additional_tools", "tools": [TIME, {"type": "mcp"}]},
        {"type": "message", "role": "user", "content": "hi"},
    ]
    error = refuse(items=items)
    assert error.param == "input"
    place = "'tools[1].type' of the 'additional_tools' item, number 2 from the end of the input"
    assert place in str(error)


def test_no_choice_offers_nothing() -> None:
    """A model that knows of no tool calls none."""
    assert offer(WEATHER, TIME, choice="none") == Offer([], {})


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"type": "function", "name": "time"}, ["time"]),
        ({"type": "custom", "name": "patch"}, ["home.patch"]),
        ({"type": "custom", "name": "home.patch"}, ["home.patch"]),
        ({"type": "function", "name": "weather", "namespace": "home"}, ["home.weather"]),
        ({"type": "namespace", "name": "home"}, ["home.weather", "home.patch"]),
    ],
)
def test_a_named_tool_is_the_only_one_and_a_must(choice: Any, names: list[str]) -> None:
    """By its own name or by the one that the model is told."""
    found = offer(TIME, SPACE, choice=choice)
    assert list(found.names) == names
    assert found.is_required


def test_required_offers_all() -> None:
    """Which one is up to the model."""
    found = offer(TIME, WEATHER, choice="required")
    assert list(found.names) == ["time", "weather"]
    assert found.is_required


@pytest.mark.parametrize(("mode", "is_required"), [("auto", False), ("required", True)])
def test_allowed_tools_are_offered_alone(mode: str, is_required: bool) -> None:
    """In the order of the choice, and each once."""
    entry = {"type": "function", "name": "time"}
    found = offer(
        WEATHER, TIME, choice={"type": "allowed_tools", "mode": mode, "tools": [entry] * 2}
    )
    assert list(found.names) == ["time"]
    assert len(found.tools) == 1
    assert found.is_required is is_required


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "name": "absent"},
        {"type": "custom", "name": "time"},
        {"type": "web_search"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp", "name": "x"}]},
    ],
)
def test_a_choice_of_what_is_not_there_is_refused(choice: Any) -> None:
    """Rather than answered without it."""
    error = refuse(TIME, choice=choice)
    assert error.param == "tool_choice"
    assert "not found in 'tools'" in str(error)


@pytest.mark.parametrize(
    "choice", ["required", {"type": "allowed_tools", "mode": "required", "tools": []}]
)
def test_a_must_needs_tools(choice: Any) -> None:
    """None are offered here, so none can be called."""
    assert refuse(choice=choice).param == "tool_choice"
