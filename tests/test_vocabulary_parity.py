"""Whatever the installed official package knows, we know: a newer one shows up as a red test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import openai.types.responses as official
import pytest
from openai.types.responses.responses_client_event import ResponsesClientEvent
from openai.types.responses.responses_server_event import ResponsesServerEvent
from pydantic import BaseModel

from pyresponses_ws.commands import COMMANDS
from pyresponses_ws.events import EVENTS
from pyresponses_ws.items import ITEMS, TOOLS, Response, ResponseUsage
from pyresponses_ws.model import Family, WireModel
from tests.support.wire_classes import class_for, first_tag, hints_by_key, leaves, literals

UNIONS = {
    "server events": (ResponsesServerEvent, EVENTS),
    "stream events": (official.ResponseStreamEvent, EVENTS),
    "client events": (ResponsesClientEvent, COMMANDS),
    "output items": (official.ResponseOutputItem, ITEMS),
    "input items": (official.ResponseInputItem, ITEMS),
    "stored items": (official.ResponseItem, ITEMS),
    "tools": (official.Tool, TOOLS),
}
#: Model names change by the week, and any string is one.
OPEN_FIELDS = {"model"}


def official_models(hint: Any) -> list[type[BaseModel]]:
    return [leaf for leaf in leaves(hint) if isinstance(leaf, type) and issubclass(leaf, BaseModel)]


def tag_of(model: type[BaseModel], key: str) -> Any:
    """Return the value of ``type`` or ``role`` that a model goes by."""
    field = model.model_fields.get(key)
    return first_tag(literals(field.annotation)) if field else None


def ours_of(model: type[BaseModel], hint: Any) -> type[WireModel] | None:
    """Find the class among those of our annotation that stands for an official model."""
    return class_for(hint, tag=tag_of(model, "type"), role=tag_of(model, "role"))


def lacking(theirs: type[BaseModel], ours: type[WireModel], seen: set[Any]) -> Iterator[str]:
    """Yield the fields and values of an official model, and of all inside, that we lack."""
    if (theirs, ours) in seen:
        return
    seen.add((theirs, ours))
    by_key = hints_by_key(ours)
    for name, field in theirs.model_fields.items():
        key = field.alias or name
        place = f"{theirs.__name__}.{key} -> {ours.__name__}"
        if key not in by_key:
            yield f"{place}: no field"
            continue
        yield from lacking_in(field.annotation, by_key[key], place, seen)
        if key not in OPEN_FIELDS and not (literals(field.annotation) <= literals(by_key[key])):
            has_family = any(isinstance(leaf, Family) for leaf in leaves(by_key[key]))
            if not has_family:
                yield f"{place}: lacks {literals(field.annotation) - literals(by_key[key])}"


def lacking_in(theirs: Any, ours: Any, place: str, seen: set[Any]) -> Iterator[str]:
    """Compare the models inside one field."""
    for model in official_models(theirs):
        cls = ours_of(model, ours)
        if cls is None:
            yield f"{place}: no class for {model.__name__}"
        else:
            yield from lacking(model, cls, seen)


@pytest.mark.parametrize("name", UNIONS)
def test_no_member_of_a_union_is_lacking(name: str) -> None:
    """Each event, item and tool has a class, each of its fields an attribute, at any depth."""
    union, family = UNIONS[name]
    assert len(official_models(union)) > 1
    assert list(lacking_in(union, Annotated[Any, family], name, set())) == []


@pytest.mark.parametrize(
    ("theirs", "ours"), [(official.Response, Response), (official.ResponseUsage, ResponseUsage)]
)
def test_no_field_of_the_response_is_lacking(theirs: Any, ours: Any) -> None:
    """The Response and its usage, at any depth."""
    assert list(lacking(theirs, ours, set())) == []


def test_events_have_the_official_names() -> None:
    """The names are those of the SSE union, and of the WebSocket union where SSE has no type."""
    names = {}
    for union in (ResponsesServerEvent, official.ResponseStreamEvent):
        names.update({tag_of(model, "type"): model.__name__ for model in official_models(union)})
    ours = {tag: EVENTS.class_named(tag) for tag in names}
    assert {tag: cls.__name__ for tag, cls in ours.items() if cls} == names


def test_the_comparison_sees_what_is_lacking() -> None:
    """A new field is caught, and so is a new model inside a known field."""

    class Inner(BaseModel):
        type: Literal["inner"]

    class Usage(BaseModel):
        input_tokens: int
        brand_new: int
        output_tokens_details: Inner | official.ResponseUsage

    found = list(lacking(Usage, ResponseUsage, set()))
    assert any("brand_new -> ResponseUsage: no field" in each for each in found)
    assert any("input_tokens -> OutputTokensDetails: no field" in each for each in found)
    assert any("Inner.type -> OutputTokensDetails: no field" in each for each in found)


def test_the_comparison_goes_deep() -> None:
    """Hundreds of official models are compared, not only the members of the unions."""
    seen: set[Any] = set()
    for union, family in UNIONS.values():
        assert list(lacking_in(union, Annotated[Any, family], "", seen)) == []
    assert len({theirs for theirs, _ in seen}) > 400
