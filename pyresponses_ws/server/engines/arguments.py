"""The arguments that the echo engine gives a tool: found in the user's text by its schema."""

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


def make_arguments(tool: dict[str, Any], text: str) -> str:
    """Return the arguments of a function call as JSON: its required properties only."""
    schema = tool.get("parameters") or {}
    filler = _Filler(text, tool_name=tool["name"], root=schema)
    return json.dumps(filler.fill_object(schema), ensure_ascii=False, separators=(",", ":"))


def next_quoted(text: str) -> str | None:
    """Return the first quoted string of a text."""
    return next(_quoted(text), None)


def _quoted(text: str) -> Iterator[str]:
    for match in _QUOTED.finditer(text):
        yield next(group for group in match.groups() if group is not None)


class _Filler:
    """Hands out the quoted strings and the numbers of a text, each once."""

    def __init__(self, text: str, *, tool_name: str, root: Schema) -> None:
        self._text = text
        self._tool_name = tool_name
        self._root = root
        self._strings = _quoted(text)
        self._numbers = (match.group() for match in _NUMBER.finditer(text))

    def fill_object(self, schema: Schema) -> dict[str, Any]:
        """Fill the required properties, in the order in which they are required."""
        properties = schema.get("properties", {})
        return {name: self._fill(properties.get(name, {})) for name in schema.get("required", ())}

    def _fill(self, schema: Schema) -> Any:
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        kind = _kind_of(schema)
        if kind == "object":
            return self.fill_object(schema)
        if kind in ("integer", "number"):
            return self._fill_number(schema, is_integer=kind == "integer")
        constants: dict[str, Any] = {"boolean": False, "array": [], "null": None}
        return constants[kind] if kind in constants else self._fill_string(schema)

    def _fill_string(self, schema: Schema) -> Any:
        quoted = next(self._strings, None)
        if quoted is not None:
            return quoted
        if schema.get("enum"):
            return schema["enum"][0]
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
        return int(float(text)) if is_integer or "." not in text else float(text)

    def _resolve(self, schema: Schema) -> Schema:
        """Follow a local ``$ref`` or the first branch of a union, to a bounded depth."""
        for _ in range(8):
            if isinstance(reference := schema.get("$ref"), str):
                schema = self._root.get("$defs", {}).get(reference.rpartition("/")[2], {})
            elif branches := schema.get("anyOf") or schema.get("oneOf"):
                schema = branches[0]
            else:
                break
        return schema


def _kind_of(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "string"
    return str(kind)
