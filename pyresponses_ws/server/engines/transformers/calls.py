"""Tool calls as families of models write them: what stands between the markers, read.

Each reader takes the text of one stretch and returns its calls, or None if they are malformed. The
arguments stay the text that the model wrote wherever that is JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json.decoder import JSONDecoder
from typing import Any, NoReturn

from pyresponses_ws.server.engines.transformers.surrogates import has_surrogate
from pyresponses_ws.server.engines.transformers.tools import ToolNames


@dataclass(frozen=True)
class ParsedCall:
    """One call: the tool's name as the model wrote it, and an object of arguments as JSON."""

    name: str
    arguments: str


Calls = list[ParsedCall] | None

#: What JSON takes for white space.
SPACE = " \t\r\n"

#: The keys that families have for the arguments.
_ARGUMENTS = ("arguments", "parameters")

#: A name before its arguments, the number of the call and a mark between them or not.
_NAMED = re.compile(r"\s*([^\s\[{]+)\s*(?:\[CALL_ID\][^\[{]*)?(?:\[ARGS\])?")

#: What reading JSON raises: it is malformed, or nested too deep, or a number is too long.
_UNREADABLE = (ValueError, RecursionError)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_STRICT = JSONDecoder(parse_constant=_refuse_constant)
#: Takes line breaks inside strings, which small models forget to escape.
_LENIENT = JSONDecoder(parse_constant=_refuse_constant, strict=False)


def read_json_calls(text: str, names: ToolNames) -> Calls:
    """Read ``{"name": ..., "arguments": {...}}``, or a list of such objects, and nothing else."""
    text = text.strip(SPACE)
    try:
        calls, end = _read_list(text) if text.startswith("[") else _read_call(text, 0)
    except _UNREADABLE:
        return None
    return calls if end == len(text) else None


def read_known_calls(text: str, names: ToolNames) -> Calls:
    """Read as ``read_json_calls`` does, but only calls of tools that are on offer.

    Where no marker tells a call from an answer in JSON, the name must.
    """
    calls = read_json_calls(text, names)
    is_known = calls is not None and all(call.name in names for call in calls)
    return calls if is_known else None


def read_named_calls(text: str, names: ToolNames) -> Calls:
    """Read ``NAME[CALL_ID]ID[ARGS]{...}``, or what ``read_json_calls`` reads, as Mistral writes."""
    found = _NAMED.match(text)
    if found is None:
        return read_json_calls(text, names)
    return _read_named(found[1], text[found.end() :])


def _read_named(name: str, arguments: str) -> Calls:
    raw = arguments.strip(SPACE)
    try:
        return [ParsedCall(_check_name(name), _as_object(_LENIENT.decode(raw), raw))]
    except _UNREADABLE:
        return None


def find_named_value(text: str, start: int) -> int | None:
    """Return where what ``read_named_calls`` reads ends; None if it is broken or unfinished."""
    found = _NAMED.match(text, start)
    return find_value(text, start if found is None else found.end())


def find_value(text: str, start: int) -> int | None:
    """Return where the JSON value from ``start`` on ends; None if it is broken or unfinished."""
    try:
        return _LENIENT.raw_decode(text, skip_space(text, start))[1]
    except _UNREADABLE:
        return None


def is_inside_string(text: str) -> bool:
    """Say whether JSON that is cut off here ends inside one of its strings."""
    return re.sub(r"\\.", "", text, flags=re.DOTALL).count('"') % 2 == 1


def skip_space(text: str, start: int) -> int:
    """Return the place of what comes after white space."""
    while text[start : start + 1] in SPACE and start < len(text):
        start += 1
    return start


def _read_list(text: str) -> tuple[list[ParsedCall], int]:
    calls: list[ParsedCall] = []
    place, wanted = 0, "["
    while _expect(text, place, wanted) != "]":
        found, end = _read_call(text, skip_space(text, place + 1))
        calls += found
        place, wanted = skip_space(text, end), ",]"
    return calls, place + 1


def _read_call(text: str, start: int) -> tuple[list[ParsedCall], int]:
    """Read an object that is a call, and say where it ends.

    Raises ValueError or RecursionError if it is none.
    """
    members: dict[str, tuple[Any, str]] = {}
    place = skip_space(text, start)
    for key, value, raw, end in _read_members(text, place):
        members[key] = value, raw
        place = end
    name = members.get("name", (None, ""))[0]
    value, raw = next((members[key] for key in _ARGUMENTS if key in members), (None, ""))
    call = ParsedCall(_check_name(name), _as_object(value, raw))
    return [call], skip_space(text, place) + 1


def _read_members(text: str, start: int) -> Iterator[tuple[str, Any, str, int]]:
    """Yield key, value, text of the value and its end for each member of a whole object."""
    mark, wanted = start, "{"
    while _expect(text, mark, wanted) != "}":
        key, end = _LENIENT.raw_decode(text, skip_space(text, mark + 1))
        if not isinstance(key, str):
            raise ValueError("a key is no string")
        colon = skip_space(text, end)
        _expect(text, colon, ":")
        first = skip_space(text, colon + 1)
        value, last = _LENIENT.raw_decode(text, first)
        yield key, value, text[first:last], last
        mark, wanted = skip_space(text, last), ",}"


def _expect(text: str, place: int, wanted: str) -> str:
    found = text[place : place + 1]
    if not found or found not in wanted:
        raise ValueError(f"expected one of {wanted!r}")
    return found


def _check_name(name: object) -> str:
    if not isinstance(name, str) or not name or has_surrogate(name):
        raise ValueError("a call has no name")
    return name


def _as_object(value: Any, raw: str) -> str:
    """Return arguments as the text of an object; some models write them as a string of JSON."""
    if value is None:
        return "{}"
    if isinstance(value, str):
        value, raw = _LENIENT.decode(value), value.strip(SPACE)
    if not isinstance(value, dict):
        raise ValueError("arguments are no object")
    return raw if _is_strict(raw) else dump(value)


def _is_strict(text: str) -> bool:
    """Say whether any reader of JSON takes this text, and any wire."""
    try:
        _STRICT.decode(text)
    except ValueError:
        return False
    return not has_surrogate(text)


def dump(value: object) -> str:
    """Write JSON that can be sent."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if has_surrogate(text) else text


_HARMONY_NAME = re.compile(r"\s*([^\s<]+)")


def read_harmony_calls(text: str, names: ToolNames) -> Calls:
    """Read ``NAME <|constrain|>json<|message|>{...}``, as gpt-oss writes it."""
    head, _, arguments = text.partition("<|message|>")
    found = _HARMONY_NAME.match(head)
    return None if found is None else _read_named(found[1], arguments)


# --- XML, as Qwen3-Coder and GLM write it -------------------------------------------------------

_FUNCTION = re.compile(r"\s*<function=([^>\n]+)>(.*)</function>\s*", re.DOTALL)
_PARAMETER = re.compile(r"\s*<parameter=([^>\n]+)>(.*?)</parameter>", re.DOTALL)
_GLM = re.compile(r"\s*([^\s<]+)(.*)", re.DOTALL)
_CONSTANTS = {"True": True, "False": False, "None": None}
# A key holds no markup: with any text for it, a long broken call would be read for seconds.
_PAIR = re.compile(
    r"\s*<arg_key>([^<]*)</arg_key>\s*<arg_value>(.*?)</arg_value>",
    re.DOTALL,
)


def read_xml_calls(text: str, names: ToolNames) -> Calls:
    """Read ``<function=NAME><parameter=KEY>VALUE</parameter>...</function>``."""
    found = _FUNCTION.fullmatch(text)
    return None if found is None else _read_pairs(found, _PARAMETER, names)


def read_pair_calls(text: str, names: ToolNames) -> Calls:
    """Read ``NAME<arg_key>KEY</arg_key><arg_value>VALUE</arg_value>...``."""
    found = _GLM.fullmatch(text)
    return None if found is None else _read_pairs(found, _PAIR, names)


def _read_pairs(found: re.Match[str], pair: re.Pattern[str], names: ToolNames) -> Calls:
    """Read a name and pairs of keys and bare values; None if there is anything else."""
    name, rest = found[1].strip(), found[2]
    tool = names.get(name)
    kinds = {} if tool is None else tool.properties
    values: dict[str, Any] = {}
    place = 0
    while match := pair.match(rest, place):
        key = match[1].strip()
        values[key] = _as_typed(match[2], kinds.get(key))
        place = match.end()
    if rest[place:].strip() or not name:
        return None
    return [ParsedCall(name, dump(values))]


def _as_typed(text: str, schema: object) -> Any:
    """Read a bare value by its schema: a string as it is, all else as JSON if it is JSON.

    Without a schema that tells, what reads as JSON is taken for it. One line break on either side
    belongs to the markup. Python's spellings of constants come from templates that print values.
    """
    text = text.removeprefix("\n").removesuffix("\n")
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if kind == "string":
        return text
    bare = text.strip()
    try:
        value = _CONSTANTS[bare] if bare in _CONSTANTS else _STRICT.decode(bare)
    except _UNREADABLE:
        return text
    # One of several types, such as a string or null: what else it may be cannot be a string.
    may_be_string = isinstance(kind, list) and "string" in kind
    return text if may_be_string and value is not None else value


# --- Braces with marked strings, as Gemma writes it ---------------------------------------------

_GEMMA = re.compile(r"\s*call:([^\s{]+)\s*(\{.*\})\s*", re.DOTALL)
_BARE_KEY = re.compile(r"([{,]\s*)([A-Za-z_][\w.-]*)(\s*:)")


def make_gemma_reader(quote: str) -> Any:
    """Make the reader of ``call:NAME{key:value,...}`` with strings between two ``quote``."""

    def read(text: str, names: ToolNames) -> Calls:
        found = _GEMMA.fullmatch(text)
        if found is None:
            return None
        try:
            value = _STRICT.decode(_as_json(found[2], quote))
        except _UNREADABLE:
            return None
        return [ParsedCall(found[1], dump(value))]

    return read


def _as_json(text: str, quote: str) -> str:
    """Quote the keys, and the strings as JSON has them; what is inside strings stays."""
    pieces = text.split(quote)
    for index, piece in enumerate(pieces):
        is_string = index % 2 == 1
        pieces[index] = dump(piece) if is_string else _BARE_KEY.sub(r'\1"\2"\3', piece)
    return "".join(pieces)
