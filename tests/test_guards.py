"""What a wire key may be called: anything, without harm."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import pickle

import pytest

from pyresponses_ws.codec import parse_event
from pyresponses_ws.events import ResponseTextDeltaEvent
from pyresponses_ws.items import (
    ResponseFormatTextJSONSchemaConfig,
    ResponseFunctionToolCall,
    ResponseUsage,
)

#: What the standard library and dataclasses-json call on an instance.
METHODS = ("to_dict", "from_dict", "to_json", "from_json", "schema", "__reduce_ex__")
DELTA = {"type": "response.output_text.delta", "delta": "x"}


@pytest.mark.parametrize("name", [*METHODS, "__class__", "__dict__", "__deepcopy__"])
def test_a_key_cannot_hide_a_method(name: str) -> None:
    """It is kept, and the method still works; so do pickle and deepcopy."""
    wire = {**DELTA, name: "from the wire"}
    event = parse_event(json.dumps(wire))
    assert event.to_dict() == wire
    assert getattr(event, name) != "from the wire"
    assert type(event).from_dict(event.to_dict()) == event
    assert copy.deepcopy(event) == pickle.loads(pickle.dumps(event)) == copy.copy(event) == event


@pytest.mark.parametrize("name", ["__dataclass_fields__", "__eq__", "__repr__", "_name", "self"])
def test_a_key_cannot_break_the_machinery(name: str) -> None:
    """Names that Python looks up on the class, and those of our own."""
    wire = {**DELTA, name: "from the wire"}
    event = parse_event(json.dumps(wire))
    assert event == parse_event(wire)
    assert name in repr(event)
    assert dataclasses.replace(event, delta="y").delta == "y"
    assert "delta" in {field.name for field in dataclasses.fields(event)}


def test_a_method_cannot_be_overwritten() -> None:
    """An assignment that would do nothing is an error."""
    event = ResponseTextDeltaEvent.from_dict(DELTA)
    with pytest.raises(AttributeError, match="'to_dict'"):
        event.to_dict = None  # type: ignore[method-assign, assignment]


def test_a_key_that_is_a_keyword_has_an_underscore() -> None:
    """``async`` reads and writes as ``async_``."""
    call = ResponseFunctionToolCall(name="f", call_id="c", arguments="{}", async_=True)
    assert call.to_dict()["async"] is True
    assert ResponseFunctionToolCall.from_dict(call.to_dict()).async_ is True
    del call.async_
    assert call.async_ is None
    assert "async" not in call.to_dict()
    with pytest.raises(AttributeError):
        del call.async_


def test_a_key_that_is_a_method_has_an_underscore() -> None:
    """``schema`` is the mixin's, so the field is ``schema_``, and required."""
    config = ResponseFormatTextJSONSchemaConfig(name="n", schema_={"type": "object"})
    assert config.to_dict() == {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    assert callable(config.schema)
    with pytest.raises(TypeError, match="schema_"):
        ResponseFormatTextJSONSchemaConfig(name="n")  # type: ignore[call-arg]


def test_methods_keep_their_documentation() -> None:
    """Guarding does not take the docstring away."""
    assert inspect.getdoc(ResponseUsage.to_dict)
    assert inspect.getdoc(ResponseUsage.from_dict)
