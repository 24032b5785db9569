"""Which class stands for a model: what the tests of the vocabulary's completeness share."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pyresponses_ws.model import Family, WireModel, slots_of


def leaves(hint: Any) -> Iterator[Any]:
    """Yield the classes, literals and families inside an annotation."""
    origin = get_origin(hint)
    if origin is Annotated:
        yield from (each for each in hint.__metadata__ if isinstance(each, Family))
        yield from leaves(hint.__origin__)
    elif origin is Literal:
        yield hint
    elif origin in (Union, types.UnionType, list, dict):
        for inner in get_args(hint):
            yield from leaves(inner)
    else:
        yield hint


def literals(hint: Any) -> set[Any]:
    """Return every constant that an annotation allows."""
    return {
        value for leaf in leaves(hint) if get_origin(leaf) is Literal for value in leaf.__args__
    }


def first_tag(tags: set[Any]) -> Any:
    """Return the value of ``type`` or ``role`` that a model goes by; None without one."""
    return "user" if "user" in tags else next(iter(sorted(tags)), None)


def class_for(hint: Any, *, tag: Any, role: Any) -> type[WireModel] | None:
    """Find the class among those of our annotation that has this ``type`` and ``role``."""
    classes = []
    for leaf in leaves(hint):
        if isinstance(leaf, Family) and tag is not None:
            wire = {"type": tag, "role": role, "content": []}
            return leaf.class_of(wire) if tag in leaf.tags else None
        if isinstance(leaf, type) and issubclass(leaf, WireModel):
            classes.append(leaf)
    tagged = [each for each in classes if tag in literals(get_type_hints(each).get("type", str))]
    return tagged[0] if tagged else classes[0] if len(classes) == 1 else None


def hints_by_key(cls: type[WireModel]) -> dict[str, Any]:
    """Return the annotation of each field, by its wire key."""
    hints = get_type_hints(cls, include_extras=True)
    return {slot.key: hints[slot.name] for slot in slots_of(cls)}
