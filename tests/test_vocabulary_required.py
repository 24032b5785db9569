"""What a hand-built object must be given is what the schema requires, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any

from pyresponses_ws.commands import COMMANDS
from pyresponses_ws.events import EVENTS
from pyresponses_ws.items import ITEMS, Response
from pyresponses_ws.model import Slot, WireModel, slots_of
from tests.support.wire_classes import class_for, first_tag, hints_by_key
from tests.support.wire_strategies import (
    COMMAND_MODELS,
    EVENT_MODELS,
    SCHEMA,
    fields_of,
    inner_of,
    members_of,
)

ITEM_UNIONS = ("ResponseOutputItem", "ResponseInputItem", "ResponseItem_stored")

#: Required by the schema and left open here, because servers were seen to leave them out: numbers
#: in request errors, parts of errors, log probabilities of deltas, the action of a search that
#: has only begun.
TOLERATED = {
    ("*", "sequence_number"),
    ("ErrorBody", "message"),
    ("ErrorBody", "type"),
    ("ResponseErrorEvent", "error"),
    ("ResponseFunctionWebSearch", "action"),
    ("ResponseTextDeltaEvent", "logprobs"),
    ("ResponseTextDoneEvent", "logprobs"),
}
#: Nullable, but always there: the schema has one mark for "may be absent" and "may be null".
NULLABLE = {
    ("ImageGenerationCall", "result"),
    ("ImageGenerationError", "code"),
    ("ImageGenerationError", "param"),
    ("ResponseCodeInterpreterToolCall", "code"),
    ("ResponseCodeInterpreterToolCall", "outputs"),
}


def constants_of(model: str, key: str) -> set[str]:
    """Return the constants that a field of the schema allows."""
    texts = [field.type for field in fields_of(model) if field.name == key]
    members = [member for text in texts for member in members_of(text)]
    return {member.strip('"') for member in members if member.startswith('"')}


def models_in(text: str) -> Iterator[str]:
    """Yield the models inside a type of the schema."""
    for member in members_of(text):
        if inner := inner_of(member):
            yield from models_in(inner)
        elif member in SCHEMA["models"]:
            yield member


def class_of(model: str, hint: Any) -> type[WireModel]:
    tag, role = (first_tag(constants_of(model, key)) for key in ("type", "role"))
    cls = class_for(hint, tag=tag, role=role)
    assert cls is not None, model
    return cls


def walk(model: str, cls: type[WireModel], seen: dict[type[WireModel], set[str]]) -> None:
    """Note which models a class stands for, with all that is inside."""
    if model in seen.setdefault(cls, set()):
        return
    seen[cls].add(model)
    hints = hints_by_key(cls)
    for field in fields_of(model):
        for inner in models_in(field.type):
            walk(inner, class_of(inner, hints[field.name]), seen)


@cache
def models_of_classes() -> dict[type[WireModel], set[str]]:
    """Return every class of the vocabulary with the models of the schema that it stands for."""
    seen: dict[type[WireModel], set[str]] = {}
    roots = [(EVENT_MODELS[kind], EVENTS.class_named(kind)) for kind in EVENT_MODELS]
    roots += [(COMMAND_MODELS[kind], COMMANDS.class_named(kind)) for kind in COMMAND_MODELS]
    names = [name for union in ITEM_UNIONS for name in SCHEMA["unions"][union]]
    roots += [(name, class_of(name, Annotated[Any, ITEMS])) for name in names]
    for model, cls in [*roots, ("Response", Response)]:
        assert cls is not None, model
        walk(model, cls, seen)
    return seen


def is_required(models: set[str], slot: Slot) -> bool:
    """Whether every model demands the field, and no constant can stand in for it."""
    rows = [field for model in models for field in fields_of(model) if field.name == slot.key]
    is_demanded = len(rows) == len(models) and not any(field.optional for field in rows)
    return is_demanded and slot.default not in constants_of(next(iter(models)), slot.key)


def differing(*, ours: bool) -> set[tuple[str, str]]:
    """Return the fields that are required (or not) here, and the other way round there."""
    return {
        (cls.__name__, slot.key)
        for cls, models in models_of_classes().items()
        for slot in slots_of(cls)
        if slot.required is ours and is_required(models, slot) is not ours
    }


def test_what_the_schema_requires_is_required_here() -> None:
    """A field left out by hand is told by us, not by a 400 of the service."""
    lax = differing(ours=False)
    assert {each for each in lax if ("*", each[1]) not in TOLERATED} == {
        each for each in TOLERATED if each[0] != "*"
    }


def test_nothing_else_is_required_here() -> None:
    """What the schema lets be absent may be absent."""
    assert differing(ours=True) == NULLABLE


def test_every_model_is_compared() -> None:
    """The walk reaches the depths: hundreds of models, and every class of events and items."""
    seen = models_of_classes()
    assert len({model for models in seen.values() for model in models}) > 390
    assert {EVENTS.class_named(tag) for tag in EVENT_MODELS} <= seen.keys()
