"""The base of wire objects: presence, names, hand-built objects, copies."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any, Literal

import pytest

from pyresponses_ws.events import Event, ResponseTextDeltaEvent, UnknownEvent
from pyresponses_ws.items import (
    CompoundFilter,
    EasyInputMessage,
    FunctionTool,
    ImageGenerationCall,
    Response,
    ResponseFunctionToolCall,
    ResponseInputText,
    ResponseUsage,
    UnknownItem,
)
from pyresponses_ws.model import WireModel, nested_of, plain, slots_of, tags_of


def test_absent_null_and_unknown_are_told_apart() -> None:
    """All three read, and only what came is given back."""
    item = EasyInputMessage.from_dict({"role": "user", "phase": None, "mood": {"a": [1]}})
    assert (item.id, item.content, item.phase) == (None, None, None)  # type: ignore[comparison-overlap]
    assert item.mood == {"a": [1]}  # type: ignore[attr-defined]
    assert item.to_dict() == {"role": "user", "phase": None, "mood": {"a": [1]}}


def test_a_name_that_nobody_knows_is_an_attribute_error() -> None:
    """Typing mistakes are not None."""
    item = EasyInputMessage(role="user", content="hi")
    with pytest.raises(AttributeError, match="'EasyInputMessage' has no attribute 'rolle'"):
        item.rolle  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(item, "rolle")


def test_none_means_not_given_where_a_field_is_optional() -> None:
    """It is left out; a required field that may be null is sent as null."""
    call = ImageGenerationCall(id="ig_1", status="completed", result=None, size=None)
    assert call.to_dict() == {
        "id": "ig_1",
        "type": "image_generation_call",
        "status": "completed",
        "result": None,
    }


def test_an_attribute_set_to_none_is_null_and_deleted_is_absent() -> None:
    """Both can be said after construction."""
    item = EasyInputMessage(role="user", content="hi")
    item.phase = None
    assert item.to_dict()["phase"] is None
    del item.phase
    assert "phase" not in item.to_dict()


@pytest.mark.parametrize(
    ("values", "message"),
    [({"role": "user"}, r"needs \['content'\]"), ({"role": "user", "content": "", "x": 1}, "'x'")],
)
def test_wrong_fields_are_type_errors(values: dict[str, Any], message: str) -> None:
    """As for any dataclass."""
    with pytest.raises(TypeError, match=message):
        EasyInputMessage(**values)
    with pytest.raises(TypeError):
        EasyInputMessage("user", "hi")  # type: ignore[misc]


def test_equality_is_class_and_content() -> None:
    """Not identity, not the order of keys; and such objects cannot be hashed."""
    wire = {"role": "user", "content": "hi"}
    one = EasyInputMessage.from_dict(wire)
    assert one == EasyInputMessage.from_dict(dict(reversed(wire.items())))
    assert one != EasyInputMessage(role="user", content="hi")  # which has a type
    assert one != UnknownItem.from_dict(wire)
    assert one != wire
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_equality_does_not_ask_how_an_object_was_built() -> None:
    """Of wire objects, of dicts, of tuples: the wire content counts."""
    part = {"type": "input_text", "text": "hi"}
    typed = EasyInputMessage(role="user", content=[ResponseInputText(text="hi")])
    assert typed == EasyInputMessage(role="user", content=[part])  # type: ignore[list-item]
    assert typed == EasyInputMessage(role="user", content=(part,))  # type: ignore[arg-type]
    assert typed == EasyInputMessage.from_dict(typed.to_dict())
    assert typed != EasyInputMessage(role="user", content=[])


def test_repr_shows_what_is_there() -> None:
    """Present keys, unknown ones too."""
    item = ResponseInputText.from_dict({"text": "hi", "x-new": 1})
    assert repr(item) == "ResponseInputText(text='hi', x-new=1)"


def test_copies_are_independent() -> None:
    """deepcopy and pickle share nothing; to_dict and from_dict neither."""
    tool = FunctionTool(name="f", parameters={"properties": {}})
    wire = tool.to_dict()
    twins = [copy.deepcopy(tool), pickle.loads(pickle.dumps(tool)), FunctionTool.from_dict(wire)]
    wire["parameters"]["properties"]["x"] = 1
    for twin in twins:
        assert twin == tool
        assert twin.parameters is not tool.parameters
    assert tool.parameters == {"properties": {}}


def test_dataclass_functions_work() -> None:
    """fields, is_dataclass, replace and asdict, on classes and on instances."""
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    event = Event.from_dict({"type": "x", "sequence_number": 4})
    assert dataclasses.is_dataclass(ResponseUsage)
    assert dataclasses.replace(event, stream_id="a").to_dict() == {
        "type": "x",
        "sequence_number": 4,
        "stream_id": "a",
    }
    assert dataclasses.asdict(event) == {"type": "x", "sequence_number": 4, "stream_id": None}
    assert {"output_tokens", "total_tokens"} <= {f.name for f in dataclasses.fields(ResponseUsage)}
    assert ResponseUsage.from_dict(usage).total_tokens == 3


def test_json_text_goes_both_ways() -> None:
    """to_json and from_json of dataclasses-json use our codec."""
    call = ResponseFunctionToolCall(name="é", call_id="c", arguments="{}", async_=False)
    assert json.loads(call.to_json()) == call.to_dict()
    assert ResponseFunctionToolCall.from_json(call.to_json()) == call


@pytest.mark.parametrize("source", [None, 3, "text", [("a", 1)]])
def test_from_dict_needs_a_mapping(source: Any) -> None:
    """Anything else is a TypeError that names the class."""
    with pytest.raises(TypeError, match="ResponseUsage"):
        ResponseUsage.from_dict(source)


def test_the_turns_report_is_no_wire_content() -> None:
    """A Response carries it beside the wire object; a key of that name is not lost."""
    response = Response.from_dict({"id": "r", "report": "wire", "_report": 1, "output_text": "t"})
    assert response.report is None
    response.report = object()  # type: ignore[assignment]
    assert response.report is not None
    assert response.output_text == ""
    assert response.to_dict() == {"id": "r", "report": "wire", "_report": 1, "output_text": "t"}
    assert response == Response.from_dict(response.to_dict())


def test_a_class_may_hold_itself() -> None:
    """Filters inside filters are typed at every level."""
    leaf = {"type": "eq", "key": "a", "value": 1}
    wire = {"type": "and", "filters": [leaf, {"type": "or", "filters": [leaf]}]}
    typed = CompoundFilter.from_dict(wire)
    inner = typed.filters[1]
    assert isinstance(inner, CompoundFilter)
    assert isinstance(inner.filters[0], WireModel)
    assert typed.to_dict() == wire


def test_plain_takes_foreign_objects_apart() -> None:
    """Objects with to_dict become JSON inside hand-built ones."""

    class Foreign:
        def to_dict(self) -> dict[str, Any]:
            return {"deep": (ResponseInputText(text="hi"),)}

    item = EasyInputMessage(role="user", content=[Foreign()])  # type: ignore[list-item]
    text = {"type": "input_text", "text": "hi"}
    assert item.to_dict()["content"] == [{"deep": [text]}]
    assert plain({1, 2}) == {1, 2}


def test_users_may_extend_the_vocabulary() -> None:
    """A subclass is a dataclass too, with nested objects and maps of them."""

    class Extended(UnknownEvent):
        type: Literal["x.extended", "x.other"] = "x.extended"
        parts: dict[str, ResponseInputText] | list[ResponseInputText]

    part = {"type": "input_text", "text": "hi"}
    for parts in ({"a": part}, [part]):
        event = Extended.from_dict({"parts": parts})
        first = (
            next(iter(event.parts.values())) if isinstance(event.parts, dict) else event.parts[0]
        )
        assert isinstance(first, ResponseInputText)
    assert Extended.from_dict({"parts": 3}).parts == 3  # type: ignore[comparison-overlap]
    assert tags_of(Extended) == ("x.extended", "x.other")
    assert tags_of(WireModel) == ()


def test_slots_follow_the_declaration() -> None:
    """The order in which a hand-built object is written."""
    assert [slot.key for slot in slots_of(ResponseTextDeltaEvent)][:4] == [
        "type",
        "sequence_number",
        "stream_id",
        "content_index",
    ]
    assert [key for key, _ in nested_of(ResponseTextDeltaEvent)] == ["logprobs"]
