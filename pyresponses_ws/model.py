"""The base of every wire object, and how plain JSON becomes typed objects.

An instance's ``__dict__`` *is* the JSON object that came over the wire: the same keys in the same
order, absent ones absent, unknown ones kept. So decoding a flat event costs one assignment,
``to_dict`` has nothing to restore, and an unknown key reads as an attribute by itself. Two things
follow from it, and this module takes care of both:

* A wire key must not hide a method. Instance attributes win over methods, but not over data
  descriptors, so what may not be hidden is one (:mod:`~pyresponses_ws.guards`).
* A wire key may be no attribute name, or the name of a method. Such a field is spelt with a
  trailing underscore and finds its key through a descriptor (``renamed``).
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from dataclasses_json import DataClassJsonMixin

from pyresponses_ws.guards import ClassValue, Renamed, guarded, renamed

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_options: Any) -> Callable[[type], type]:
        """Do nothing: the real one speaks to type checkers only, and is no part of Python 3.10."""
        return lambda cls: cls


M = TypeVar("M", bound="WireModel")

_SCALARS = frozenset({str, int, float, bool, type(None)})

#: Turns a value of plain JSON, which it may reuse, into its typed form. Never raises: a value of
#: an unexpected kind stays what it is.
Decoder = Callable[[Any], Any]


class Slot(NamedTuple):
    """How one field is set by hand: its names, and what is left out when not given."""

    name: str
    key: str
    default: Any
    required: bool


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(renamed,))
class WireModel(DataClassJsonMixin):
    """A JSON object with known fields; the base of events, items and commands.

    Subclasses are keyword-only dataclasses without saying so. As attributes, absent fields read as
    None and unknown ones as their plain JSON. Built by hand, None means "not given" for an
    optional field and null for a required one; an attribute set to None later is sent as null,
    and ``del`` makes it absent again. ``==`` compares class and wire content. Not hashable.
    """

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls, **options: Any) -> None:
        """Make the class a dataclass; its ``__init__`` and the rest come from here."""
        super().__init_subclass__(**options)
        dataclass(init=False, eq=False, repr=False, kw_only=True)(cls)
        cls.__dataclass_fields__ = cast(Any, ClassValue(cls.__dataclass_fields__))

    if not TYPE_CHECKING:
        # Type checkers know the fields, and would take these two for "anything goes".

        def __init__(self, **values: Any) -> None:
            _fill(self, values)

        def __getattr__(self, name: str) -> Any:
            if name in type(self).__dataclass_fields__:
                return None
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        # The second comparison is for objects built by hand: of dicts, or of wire objects.
        return bool(self.__dict__ == other.__dict__ or plain(self) == plain(other))

    __hash__ = None  # type: ignore[assignment]  # mutable, like a dict

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in self.__dict__.items())
        return f"{type(self).__name__}({shown})"

    @guarded
    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _restore, (type(self), dict(self.__dict__))

    @guarded
    def __deepcopy__(self: M, memo: dict[int, Any]) -> M:
        from copy import deepcopy

        return _restore(type(self), deepcopy(self.__dict__, memo))

    @guarded
    def to_dict(self, encode_json: bool = False) -> dict[str, Any]:
        """Return the wire's JSON object: its keys, their order, nothing added. Shares nothing."""
        return {key: plain(value) for key, value in self.__dict__.items()}

    @guarded
    @classmethod
    def from_dict(cls: type[M], kvs: Any, *, infer_missing: bool = False) -> M:
        """Build from a JSON object, which is copied. Raises TypeError if it is no mapping.

        Values are not checked: one of an unexpected kind stays plain JSON.
        """
        if not isinstance(kvs, Mapping):
            raise TypeError(f"{cls.__name__}.from_dict needs a mapping, not {type(kvs).__name__}")
        return build(cls, {key: plain(value) for key, value in kvs.items()})

    if not TYPE_CHECKING:
        # The mixin's own, only made impossible to hide.
        to_json = guarded(DataClassJsonMixin.to_json)
        from_json = guarded(classmethod(DataClassJsonMixin.from_json.__func__))

        @guarded
        @classmethod
        def schema(cls, *, infer_missing: bool = False, many: bool = False) -> Any:
            """Return a marshmallow schema that loads and dumps by ``from_dict`` and ``to_dict``."""
            from pyresponses_ws.schema import WireSchema

            return WireSchema(cls, many=many)


def _restore(cls: type[M], wire: dict[str, Any]) -> M:
    instance = object.__new__(cls)
    instance.__dict__ = wire
    return instance


def _fill(instance: WireModel, values: dict[str, Any]) -> None:
    """Set the fields of an object built by hand, in the order of their declaration."""
    missing = []
    wire = instance.__dict__
    for name, key, default, required in slots_of(type(instance)):
        value = values.pop(name, default)
        if value is MISSING:
            missing.append(name)
        elif required or value is not None:
            wire[key] = value
    if missing or values:
        problem = f"needs {missing}" if missing else f"has no field {next(iter(values))!r}"
        raise TypeError(f"{type(instance).__name__} {problem}")


@cache
def slots_of(cls: type[WireModel]) -> tuple[Slot, ...]:
    """Return the fields of a class with their wire keys."""
    return tuple(
        Slot(each.name, wire_key(cls, each.name), each.default, each.default is MISSING)
        for each in fields(cls)
    )


def wire_key(cls: type[WireModel], name: str) -> str:
    """Return the wire's name of a field."""
    for base in cls.__mro__:
        declared = base.__dict__.get(name)
        if isinstance(declared, Renamed):
            return declared.key
    return name


def plain(value: Any) -> Any:
    """Copy a value into plain JSON: models become objects, tuples lists; scalars stay."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        return {key: plain(child) for key, child in value.items()}
    if kind is list or kind is tuple:
        return [plain(child) for child in value]
    if isinstance(value, WireModel):
        return {key: plain(child) for key, child in value.__dict__.items()}
    is_foreign = hasattr(kind, "model_dump") or hasattr(kind, "to_dict")
    return plain(foreign_json(value)) if is_foreign else value


def foreign_json(value: Any) -> Any:
    """Return the JSON of another library's object that has ``model_dump`` or ``to_dict``.

    What was not set is left out, since the service takes a null for an error where it means
    nothing; so is what pydantic models of the official package mark as not for the wire.
    """
    if not hasattr(type(value), "model_dump"):
        return value.to_dict()
    excluded = getattr(type(value), "__api_exclude__", None)
    try:
        return value.model_dump(
            mode="json", by_alias=True, exclude_unset=True, exclude=excluded, warnings=False
        )
    except TypeError:  # its own model_dump, with options of its own
        return value.model_dump()


# ---------------------------------------------------------------- decoding


def build(cls: type[M], wire: dict[str, Any]) -> M:
    """Make an instance of ``wire``, which it takes over; nested objects are typed in place."""
    for key, decode in nested_of(cls):
        value = wire.get(key)
        if value is not None:
            wire[key] = decode(value)
    instance = object.__new__(cls)
    instance.__dict__ = wire
    return instance


@cache
def nested_of(cls: type[WireModel]) -> tuple[tuple[str, Decoder], ...]:
    """Return the keys of a class that may hold typed objects, each with its decoder."""
    hints = get_type_hints(cls, include_extras=True)
    pairs = ((slot.key, decoder_of(hints[slot.name])) for slot in slots_of(cls))
    return tuple((key, decode) for key, decode in pairs if decode is not None)


class Family:
    """Wire objects told apart by their ``type``; a class is imported when its first value comes.

    ``homes`` maps a module to the types that live there, each with its class name. ``choose`` is
    asked first, for objects whose ``type`` is not enough; None leaves it to ``type``. Classes are
    given as ``module:Class``. What matches none becomes ``unknown``, or stays a dict.
    """

    def __init__(
        self,
        homes: Mapping[str, Mapping[str, str]],
        *,
        choose: Callable[[dict[str, Any]], str | None] = lambda wire: None,
        unknown: str | None = None,
    ) -> None:
        self._places = {
            tag: f"{module}:{name}" for module, tags in homes.items() for tag, name in tags.items()
        }
        self._choose = choose
        self._unknown = unknown

    @property
    def tags(self) -> frozenset[str]:
        """Every ``type`` that has a class."""
        return frozenset(self._places)

    def class_named(self, tag: str) -> type[WireModel] | None:
        """Return the class of a ``type``, or None."""
        place = self._places.get(tag)
        return None if place is None else _load(place)

    def class_of(self, wire: dict[str, Any]) -> type[WireModel] | None:
        """Return the class of an object, or None for one that stays a dict."""
        tag = wire.get("type")
        place = self._choose(wire) or (self._places.get(tag) if type(tag) is str else None)
        place = place or self._unknown
        return None if place is None else _load(place)

    def decode(self, value: Any) -> Any:
        """Type one value of plain JSON, which is taken over."""
        cls = self.class_of(value) if type(value) is dict else None
        return value if cls is None else build(cls, value)


@cache
def _load(place: str) -> type[WireModel]:
    """Find ``module:Class``, importing the module if that was not done yet.

    Not by importing a loaded one again: that takes the import system's locks, and an import that
    Ctrl-C cut short elsewhere may have left them held.
    """
    module, _, name = place.partition(":")
    found = getattr(sys.modules.get(module), name, None)
    return cast("type[WireModel]", found or getattr(importlib.import_module(module), name))


def decoder_of(hint: Any) -> Decoder | None:
    """Return what types the values of an annotation, or None where plain JSON is all it says."""
    origin = get_origin(hint)
    if origin is Annotated:
        return next((each.decode for each in hint.__metadata__ if isinstance(each, Family)), None)
    if origin is Union or origin is types.UnionType:
        return _union_decoder(get_args(hint))
    if origin is list:
        return _list_decoder(decoder_of(get_args(hint)[0]))
    if origin is dict:
        return _map_decoder(decoder_of(get_args(hint)[1]))
    return _model_decoder(hint) if _is_model(hint) else None


def _is_model(hint: Any) -> bool:
    # In Python 3.10 list[int] is an instance of type, though no class.
    return get_origin(hint) is None and isinstance(hint, type) and issubclass(hint, WireModel)


def _model_decoder(cls: type[WireModel]) -> Decoder:
    def decode(value: Any) -> Any:
        return build(cls, value) if type(value) is dict else value

    return decode


def _list_decoder(decode_one: Decoder | None) -> Decoder | None:
    if decode_one is None:
        return None

    def decode(value: Any) -> Any:
        return [decode_one(each) for each in value] if type(value) is list else value

    return decode


def _map_decoder(decode_one: Decoder | None) -> Decoder | None:
    if decode_one is None:
        return None

    def decode(value: Any) -> Any:
        if type(value) is not dict:
            return value
        return {key: decode_one(each) for key, each in value.items()}

    return decode


def _union_decoder(members: tuple[Any, ...]) -> Decoder | None:
    """Choose by the kind of value, and among several classes by ``type``."""
    models = [each for each in members if _is_model(each)]
    others = [decoder_of(each) for each in members if each not in models]
    by_kind = [each for each in others if each is not None]
    if models:
        by_kind.append(_model_decoder(models[0]) if len(models) == 1 else _tag_decoder(models))
    return _first_decoder(by_kind) if len(by_kind) > 1 else next(iter(by_kind), None)


def _first_decoder(decoders: list[Decoder]) -> Decoder:
    """Let the decoders try in turn until one changes the value."""

    def decode(value: Any) -> Any:
        for each in decoders:
            typed = each(value)
            if typed is not value:
                return typed
        return value

    return decode


def _tag_decoder(models: list[type[WireModel]]) -> Decoder:
    classes = {tag: cls for cls in models for tag in tags_of(cls)}

    def decode(value: Any) -> Any:
        tag = value.get("type") if type(value) is dict else None
        cls = classes.get(tag) if type(tag) is str else None
        return value if cls is None else build(cls, value)

    return decode


def tags_of(cls: type[WireModel]) -> tuple[str, ...]:
    """Return the values of ``type`` that a class declares."""
    hint = get_type_hints(cls).get("type")
    return get_args(hint) if get_origin(hint) is Literal else ()
