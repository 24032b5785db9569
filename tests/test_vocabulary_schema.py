"""Every type of the schema, with generated values: nothing lost, nothing added, all of it typed."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyresponses_ws.codec import decode_command, decode_event, decode_item, dumps, loads
from pyresponses_ws.events import EVENTS, UnknownEvent
from pyresponses_ws.items import ITEMS, Response, UnknownItem
from pyresponses_ws.model import WireModel, slots_of
from tests.support.wire_strategies import (
    COMMAND_MODELS,
    EVENT_MODELS,
    SCHEMA,
    Wire,
    fields_of,
    inner_of,
    members_of,
    wires,
)

ITEM_MODELS = sorted(
    {*SCHEMA["unions"]["ResponseOutputItem"], *SCHEMA["unions"]["ResponseInputItem"]}
    | {*SCHEMA["unions"]["ResponseItem_stored"]}
)
SEEDS = st.integers(0, 2**32 - 1)


def untyped(text: str, wire: Any, value: Any, path: str = "") -> list[str]:
    """Return the places where the schema knows a model and the decoded value is none."""
    members = members_of(text)
    inner = [each for member in members if (each := inner_of(member))]
    models = [each for each in members if each in SCHEMA["models"]]
    if isinstance(wire, list) and inner:
        pairs = enumerate(zip(wire, value, strict=True))
        return [bad for n, (w, v) in pairs for bad in untyped(inner[0], w, v, f"{path}[{n}]")]
    if isinstance(wire, dict) and models:
        return missing_in(models, wire, value, path)
    if isinstance(wire, dict) and inner:
        return [bad for k in wire for bad in untyped(inner[0], wire[k], value[k], f"{path}.{k}")]
    return []


def missing_in(models: list[str], wire: dict[str, Any], value: Any, path: str) -> list[str]:
    """Look into one object, once it is found which of the models it is."""
    if not isinstance(value, WireModel):
        return [] if any(set(wire) <= {"free", "type"} for _ in models) else [path]
    found = [untyped_fields(name, wire, value, path) for name in models if fits(name, wire)]
    return min(found, key=len, default=[f"{path}: no model"])


def untyped_fields(model: str, wire: dict[str, Any], value: WireModel, path: str) -> list[str]:
    """Look into the fields of one object."""
    return [
        bad
        for field in fields_of(model)
        if field.name in wire
        for bad in untyped(
            field.type, wire[field.name], value.__dict__[field.name], f"{path}.{field.name}"
        )
    ]


def fits(model: str, wire: dict[str, Any]) -> bool:
    """Whether an object has the keys and the tags of a model."""
    required = {field.name for field in fields_of(model) if not field.optional}
    tags = [field for field in fields_of(model) if field.name in ("type", "role")]
    return required <= set(wire) and all(
        field.name not in wire
        or "string" in members_of(field.type)
        or wire[field.name] is None
        or f'"{wire[field.name]}"' in members_of(field.type)
        for field in tags
    )


@pytest.mark.parametrize("kind", sorted(EVENT_MODELS))
def test_every_event_keeps_all_that_came(kind: str) -> None:
    """to_dict gives back the wire's JSON, and every model in it is typed."""
    for seed in range(25):
        wire = Wire(seed).model(EVENT_MODELS[kind])
        event = decode_event(copy.deepcopy(wire))
        assert type(event) is EVENTS.class_named(kind)
        assert dumps(event.to_dict()) == dumps(wire)
        assert untyped(EVENT_MODELS[kind], wire, event) == []


@pytest.mark.parametrize("model", ITEM_MODELS)
def test_every_item_keeps_all_that_came(model: str) -> None:
    """Items of both directions and as they are stored."""
    for seed in range(25):
        wire = Wire(seed).model(model)
        item = decode_item(copy.deepcopy(wire))
        assert not isinstance(item, UnknownItem)
        assert dumps(item.to_dict()) == dumps(wire)
        assert untyped(model, wire, item) == []


@pytest.mark.parametrize("kind", sorted(COMMAND_MODELS))
def test_every_command_keeps_all_that_was_sent(kind: str) -> None:
    """A server reads what a client says with the same classes."""
    for seed in range(100):
        wire = Wire(seed).model(COMMAND_MODELS[kind])
        command = decode_command(copy.deepcopy(wire))
        assert isinstance(command, WireModel)
        assert dumps(command) == dumps(wire)
        assert untyped(COMMAND_MODELS[kind], wire, command) == []


@given(wires("Response"))
@settings(max_examples=150, deadline=None)
def test_from_dict_undoes_to_dict(wire: dict[str, Any]) -> None:
    """A Response travels through a dict and comes out equal."""
    response = Response.from_dict(wire)
    assert Response.from_dict(response.to_dict()) == response
    assert dumps(response.to_dict()) == dumps(wire)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_every_field_reads(seed: int) -> None:
    """A present key reads as its value, an absent one as None, an unknown one as plain JSON."""
    wire = Wire(seed).event()
    event = decode_event(copy.deepcopy(wire))
    declared = {slot.key: slot for slot in slots_of(type(event))}
    for key, value in event.__dict__.items():
        assert getattr(event, declared[key].name if key in declared else key) is value
    for slot in declared.values():
        if slot.key not in wire:
            assert getattr(event, slot.name) is None


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_copies_are_equal_and_independent(seed: int) -> None:
    """Pickle and deepcopy keep class, values and key order."""
    event = decode_event(Wire(seed).event())
    for twin in (pickle.loads(pickle.dumps(event)), copy.deepcopy(event)):
        assert twin == event
        assert dumps(twin) == dumps(event)
        assert twin.__dict__ is not event.__dict__


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_what_was_decoded_can_be_built_by_hand(seed: int) -> None:
    """Fields that were read go into the constructor; only explicit nulls fall away."""
    event = decode_event(Wire(seed, extras=False).event())
    values = {slot.name: getattr(event, slot.name) for slot in slots_of(type(event))}
    rebuilt = type(event)(**values)
    required = {slot.key for slot in slots_of(type(event)) if slot.required}
    for key, value in event.__dict__.items():
        assert rebuilt.__dict__.get(key) == value
    assert {key for key, value in rebuilt.__dict__.items() if value is None} <= required


def test_the_schema_is_complete_here() -> None:
    """62 events, 28 output items and 33 input items have a class each."""
    assert len(EVENT_MODELS) == 62
    assert set(EVENT_MODELS) <= EVENTS.tags
    items = [SCHEMA["unions"][name] for name in ("ResponseOutputItem", "ResponseInputItem")]
    assert [len(models) for models in items] == [28, 33]
    tags = {
        tag.strip('"')
        for model in ITEM_MODELS
        for field in fields_of(model)
        if field.name == "type"
        for tag in members_of(field.type)
    }
    assert tags == ITEMS.tags


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_an_unknown_type_loses_nothing(seed: int) -> None:
    """An event from the future keeps its keys, and reads."""
    wire = {**Wire(seed).event(), "type": "response.from_the_future"}
    event = decode_event(loads(dumps(wire)))
    assert type(event) is UnknownEvent
    assert event.to_dict() == wire
    assert list(event.to_dict()) == list(wire)
