"""Values that the echo engine finds in the user's text for a JSON schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pyresponses_ws.server.engines.choice import name_parts

Schema = dict[str, Any]

#: Straight and curly double quotes, back-ticks, and single quotes that are no apostrophe.
_QUOTED = re.compile(r'"([^"]+)"|“([^”]+)”|`([^`]+)`|(?<!\w)\'([^\']+)\'(?!\w)')

#: Something with a slash, a file name with an extension, or a lone dot or two.
_PATH = re.compile(
    r"[\w.~\-]*(?:/[\w.~\-]*)+|[\w\-]+(?:\.[\w\-]+)*\.[A-Za-z]\w*|(?<!\S)\.{1,2}(?!\S)"
)

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\w)")
_WORD = re.compile(r"[^\W\d_]\w*(?:-\w+)*")

#: Characters of a number that count; Python refuses to convert thousands of digits.
_MAX_DIGITS = 300
#: Levels of a value and values in it; what is beyond is null. Arbitrary, but definitions that each
#: require the next one twice would double the work with every level.
_MAX_DEPTH = 32
_MAX_VALUES = 2000


def make_arguments(tool: dict[str, Any], text: str) -> str:
    """Return the arguments of a function call as JSON: its required properties only."""
    schema = tool.get("parameters")
    filler = _Filler(text, tool_name=tool["name"], root=schema)
    return to_json(filler.fill_object(_as_schema(schema), 0))


def make_document(schema: object, text: str) -> str:
    """Return a JSON document for a schema of ``text.format``; an enumeration is kept to."""
    filler = _Filler(text, root=schema, is_exact=True)
    return to_json(filler.fill(_as_schema(schema), 0))


def to_json(value: Any) -> str:
    """Return compact JSON, letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def next_quoted(text: str) -> str | None:
    """Return the first quoted string of a text."""
    return next(_quoted(text), None)


def _quoted(text: str) -> Iterator[str]:
    for match in _QUOTED.finditer(text):
        yield next(group for group in match.groups() if group is not None)


class _Filler:
    """Hands out the quoted strings and the numbers of a text, each once."""

    def __init__(
        self, text: str, *, tool_name: str = "", root: object, is_exact: bool = False
    ) -> None:
        self._text = text
        self._tool_name = tool_name
        self._definitions = _definitions(_as_schema(root))
        self._is_exact = is_exact
        self._left = _MAX_VALUES
        # References that are being filled, so that one which needs itself comes to an end.
        self._open: list[str] = []
        self._strings = _quoted(text)
        self._numbers = (match.group() for match in _NUMBER.finditer(text))

    def fill_object(self, schema: Schema, depth: int) -> dict[str, Any]:
        """Fill the required properties, in the order in which they are required."""
        properties = _as_schema(schema.get("properties"))
        required = (name for name in _as_list(schema.get("required")) if isinstance(name, str))
        return {name: self.fill(_as_schema(properties.get(name)), depth + 1) for name in required}

    def fill(self, schema: Schema, depth: int) -> Any:
        """Return a value for a schema; None for one that cannot be filled, or not without end."""
        if depth > _MAX_DEPTH or not self._left:
            return None
        self._left -= 1
        before = len(self._open)
        resolved = self._resolve(schema)
        value = None if resolved is None else self._fill_resolved(resolved, depth)
        del self._open[before:]
        return value

    def _fill_resolved(self, schema: Schema, depth: int) -> Any:
        if "const" in schema:
            return schema["const"]
        value = self._fill_kind(_kind_of(schema), schema, depth)
        choices = _as_list(schema.get("enum"))
        return choices[0] if self._is_exact and choices and value not in choices else value

    def _fill_kind(self, kind: str, schema: Schema, depth: int) -> Any:
        if kind == "object":
            return self.fill_object(schema, depth)
        if kind in ("integer", "number"):
            return self._fill_number(schema, is_integer=kind == "integer")
        constants: dict[str, Any] = {"boolean": False, "array": [], "null": None}
        return constants[kind] if kind in constants else self._fill_string(schema)

    def _fill_string(self, schema: Schema) -> Any:
        quoted = next(self._strings, None)
        if quoted is not None:
            return quoted
        if choices := _as_list(schema.get("enum")):
            return choices[0]
        path = _PATH.search(self._text)
        if path is not None:
            return path.group().rstrip(".") or path.group()
        return self._last_capitalised() or self._text

    def _last_capitalised(self) -> str | None:
        """Return the last capitalised word that neither starts the text nor names the tool."""
        taken = set(name_parts(self._tool_name))
        start = len(self._text) - len(self._text.lstrip())
        words = [
            match.group()
            for match in _WORD.finditer(self._text)
            if match.group()[0].isupper() and match.start() != start
        ]
        return next((word for word in reversed(words) if word.lower() not in taken), None)

    def _fill_number(self, schema: Schema, *, is_integer: bool) -> Any:
        text = next(self._numbers, None)
        if text is None:
            return schema.get("minimum", 0)
        # Whole numbers stay exact, whatever their length; int() limits that to a few thousand.
        whole, _, fraction = text[:_MAX_DIGITS].partition(".")
        return int(whole) if is_integer or not fraction else float(f"{whole}.{fraction}")

    def _resolve(self, schema: Schema) -> Schema | None:
        """Follow local references and the first branches of unions; None if they go round."""
        for _ in range(_MAX_DEPTH):
            if isinstance(reference := schema.get("$ref"), str):
                if reference in self._open:
                    return None
                self._open.append(reference)
                schema = _as_schema(self._definitions.get(reference.rpartition("/")[2]))
            elif branches := _branches(schema):
                schema = _as_schema(branches[0])
            else:
                break
        return schema


def _definitions(root: Schema) -> dict[str, Any]:
    """Return what references can name: the definitions, under either key, and the root as #."""
    return {"#": root, **_as_schema(root.get("definitions")), **_as_schema(root.get("$defs"))}


def _branches(schema: Schema) -> list[Any]:
    keys = ("anyOf", "oneOf", "allOf")
    return next((found for key in keys if (found := _as_list(schema.get(key)))), [])


def _as_schema(value: object) -> Schema:
    """Return an object, or an empty schema for anything else: clients send what they like."""
    return value if isinstance(value, dict) else {}


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _kind_of(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "string"
    return str(kind)
