"""Text to objects and back: the only JSON on the wire path.

Reading uses orjson where it is installed (the ``fast`` extra), else the standard library, with
the same results: what orjson refuses is read again by the standard library (a lone surrogate, when
an emoji was split over two deltas), and so is what holds an integer that orjson cannot hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

from pyresponses_ws.commands import COMMANDS
from pyresponses_ws.errors import ProtocolError, UsageError
from pyresponses_ws.events.base import Event, UnknownEvent
from pyresponses_ws.events.table import EVENTS
from pyresponses_ws.items.families import ITEMS
from pyresponses_ws.model import Decoder, WireModel, build, foreign_json, nested_of, plain

if TYPE_CHECKING:
    from pyresponses_ws.items.families import ResponseItem
    from pyresponses_ws.items.response import Response

__all__ = [
    "MAX_DEPTH",
    "decode_command",
    "decode_event",
    "decode_item",
    "decode_response",
    "dumps",
    "loads",
    "loads_json",
    "loads_orjson",
    "parse_event",
    "parse_events",
]

#: Levels of nesting that are read and written. The standard library gives up after about 1,000
#: levels less the caller's own stack, orjson after 1,024, and a copy takes two frames a level.
#: Real messages have some ten levels, JSON schemas in them a few more.
MAX_DEPTH = 128

#: From here on orjson makes an integer a float.
_HUGE = 2.0**63


def _import_orjson() -> Any:
    """Return the optional module, or None."""
    try:
        import orjson
    except ImportError:
        return None
    return orjson


_orjson = _import_orjson()

_ATOMS = frozenset({str, int, bool, type(None)})

_new = object.__new__


# ---------------------------------------------------------------- reading


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _read_float(text: str) -> float:
    """Read a float. Raises ValueError for one beyond all floats, which could not be written."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_read_float)
_scan = cast(Any, _decoder).scan_once  # the C scanner, without a search for spaces first


def loads_json(text: str | bytes) -> Any:
    """Read JSON by the standard library. Raises ProtocolError."""
    value = _scan_json(text)
    if len(text) > 2 * MAX_DEPTH:  # a bracket opened and one closed for each level
        _holds_huge_float(value)
    return value


def _scan_json(text: str | bytes) -> Any:
    try:
        source = text if isinstance(text, str) else text.decode("utf-8")
        try:
            value, end = _scan(source, 0)
        except StopIteration:
            return _decoder.decode(source)  # leading space, or the proper error
        return value if end == len(source) else _decoder.decode(source)
    except (ValueError, RecursionError) as exc:
        raise _bad_json(text, exc) from exc


def _bad_json(text: str | bytes, exc: Exception) -> ProtocolError:
    shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
    why = "nested too deeply" if isinstance(exc, RecursionError) else str(exc)
    return ProtocolError(f"the peer sent a message that is not valid JSON: {why}", text=shown)


def loads_orjson(text: str | bytes) -> Any:
    """Read JSON by orjson, or by the standard library where orjson's result would differ.

    Raises ProtocolError.
    """
    try:
        value = _orjson.loads(text)
    except ValueError:
        return loads_json(text)
    if type(value) is dict:
        for child in value.values():
            if type(child) not in _ATOMS and (child or type(child) is float):
                break
        else:
            return value  # flat, like most messages: no need to look closer
    return loads_json(text) if _holds_huge_float(value) else value


def _holds_huge_float(value: Any) -> bool:
    """Whether a float may have been an integer. Raises ProtocolError for too much nesting."""
    found = False
    level: Any = [[value]]
    for _ in range(MAX_DEPTH + 1):
        deeper: list[Any] = []
        for parent in level:
            for child in parent.values() if type(parent) is dict else parent:
                if isinstance(child, (dict, list)):
                    deeper.append(child)
                elif type(child) is float and not -_HUGE < child < _HUGE:
                    found = True
        if not deeper:
            return found
        level = deeper
    raise ProtocolError(f"the peer sent a message with more than {MAX_DEPTH} levels of nesting")


#: Reads JSON text: a ``str``, or UTF-8. NaN and Infinity are refused; of equal keys the last one
#: counts. Raises ProtocolError. Tests replace it to choose a reader.
loads = loads_json if _orjson is None else loads_orjson


# ---------------------------------------------------------------- typing

_known: dict[str, tuple[type[Event], tuple[tuple[str, Decoder], ...]]] = {}


def parse_event(source: str | bytes | Mapping[str, Any]) -> Event:
    """Make an event of a server's message, as text or as a JSON object, which is copied.

    An unknown ``type`` makes an UnknownEvent; values of unexpected kinds stay plain JSON.
    Raises ProtocolError for anything that is no JSON object with a string as ``type``.
    """
    try:
        if type(source) is str or isinstance(source, (str, bytes)):
            return decode_event(loads(source))
        return decode_event(_copied(source))
    except RecursionError as exc:
        raise ProtocolError("an event that is nested too deeply, or contains itself") from exc


def _copied(source: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {key: plain(value) for key, value in dict(source).items()}
    except (TypeError, ValueError) as exc:
        raise ProtocolError("an event is a JSON object", text=repr(source)) from exc


def parse_events(texts: Sequence[str], events: list[Event]) -> None:
    """Make an event of each text, as ``parse_event`` does, and append it to ``events``.

    Raises ProtocolError; what stood before the fault is in ``events`` then. One flat loop: the
    calls for each event would cost as much as its typing.
    """
    read, known, new, append = loads, _known, _new, events.append
    for text in texts:
        data = read(text)
        try:
            cls, nested = known[data["type"]]
        except (KeyError, TypeError):
            cls, nested = _look_up(data)
        for key, decode in nested:
            value = data.get(key)
            if value or type(value) is dict:  # an empty array has nothing to type
                data[key] = decode(value)
        event = new(cls)
        event.__dict__ = data
        append(event)


def decode_event(data: dict[str, Any]) -> Event:
    """Make an event of a JSON object, which it takes over. Raises ProtocolError."""
    try:
        cls, nested = _known[data["type"]]
    except (KeyError, TypeError):
        cls, nested = _look_up(data)
    for key, decode in nested:
        value = data.get(key)
        if value or value == {}:  # an empty array has nothing to type, and comes with each delta
            data[key] = decode(value)
    event = _new(cls)
    event.__dict__ = data
    return event


def _look_up(data: Any) -> tuple[type[Event], tuple[tuple[str, Decoder], ...]]:
    """Find the class of an event that is met for the first time, or is unknown."""
    if type(data) is not dict:
        raise ProtocolError("the peer sent JSON that is no object", text=repr(data)) from None
    kind = data.get("type")
    if type(kind) is not str:
        problem = "the peer sent an object whose type is no string"
        raise ProtocolError(problem, text=repr(data)) from None
    cls = cast("type[Event] | None", EVENTS.class_named(kind))
    if cls is None:
        return UnknownEvent, ()
    return _known.setdefault(kind, (cls, nested_of(cls)))


def decode_response(data: dict[str, Any]) -> Response:
    """Make a Response of a JSON object, which it takes over."""
    from pyresponses_ws.items.response import Response

    return build(Response, data)


def decode_item(data: dict[str, Any]) -> ResponseItem:
    """Make an item of either direction of a JSON object, which it takes over."""
    return cast("ResponseItem", ITEMS.decode(data))


def decode_command(data: dict[str, Any]) -> WireModel | dict[str, Any]:
    """Make a command of a client's JSON object, which it takes over; unknown ones stay dicts."""
    return cast("WireModel | dict[str, Any]", COMMANDS.decode(data))


# ---------------------------------------------------------------- writing


class _RefusedError(Exception):
    """A value has no JSON; the path to it grows while the error travels up."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def dumps(value: Any) -> bytes:
    """Write compact JSON as UTF-8, without escapes that are not needed.

    Takes wire objects, and objects with ``model_dump`` or ``to_dict``, at any depth. Raises
    UsageError, which names the place, for NaN and infinities, lone surrogates, keys that are no
    strings, and whatever else has no JSON.
    """
    try:
        checked = _checked(value, 0)
    except _RefusedError as refused:
        place = refused.path.lstrip(".") or "the value"
        raise UsageError(f"{place} cannot be sent as JSON: {refused.reason}") from refused
    if _orjson is not None:
        try:
            return cast(bytes, _orjson.dumps(checked))
        except TypeError:
            pass  # an integer beyond 64 bits
    return _encoder.encode(checked).encode("utf-8")


def _checked(value: Any, depth: int) -> Any:
    """Copy a value into plain JSON that any encoder writes in the same way."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _checked_text(value)
    if value is None or kind is bool or kind is int:
        return value
    if kind is float:
        return _checked_float(value)
    if depth > MAX_DEPTH:
        raise _RefusedError(f"it has more than {MAX_DEPTH} levels of nesting, or contains itself")
    if kind is dict:
        return _checked_object(value, depth)
    if kind is list or kind is tuple:
        return _checked_array(value, depth)
    return _checked(_simplified(value), depth + 1)


def _checked_text(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _RefusedError("it holds a lone surrogate, half of a character") from None
    return text


def _checked_float(number: float) -> float:
    if not math.isfinite(number):
        raise _RefusedError(f"JSON has no {number}")
    return number


def _checked_array(values: Any, depth: int) -> list[Any]:
    index = 0
    array = list(values)
    try:
        for index, each in enumerate(array):
            array[index] = _checked(each, depth + 1)
    except _RefusedError as refused:
        refused.path = f"[{index}]{refused.path}"
        raise
    return array


def _checked_object(pairs: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    wire: dict[str, Any] = {}
    key: Any = None
    try:
        for key, each in pairs.items():
            if not isinstance(key, str):
                raise _RefusedError(f"a key must be a string, not {type(key).__name__}")
            wire[_checked(str.__str__(key), depth)] = _checked(each, depth + 1)
    except _RefusedError as refused:
        refused.path = f".{key}{refused.path}"
        raise
    return wire


def _simplified(value: Any) -> Any:
    """Take one step from an object of some class towards plain JSON."""
    if isinstance(value, WireModel):
        return value.__dict__
    for kind, simpler in ((str, str.__str__), (bool, bool), (int, int), (float, float)):
        if isinstance(value, kind):
            return simpler(value)  # a subclass, such as a member of an enumeration
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple)):
        return list(value)
    return _simplified_foreign(value)


def _simplified_foreign(value: Any) -> Any:
    if hasattr(type(value), "model_dump") or hasattr(type(value), "to_dict"):
        return foreign_json(value)
    raise _RefusedError(f"{type(value).__name__} is no type that JSON has")
