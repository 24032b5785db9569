"""The arguments that the echo engine finds for a tool."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyresponses_ws.server.engines.arguments import make_arguments, next_quoted


def fill(text: str, *, name: str = "do_it", **properties: Any) -> dict[str, Any]:
    """Return the arguments for a function that requires all of ``properties``."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    arguments: dict[str, Any] = json.loads(
        make_arguments({"name": name, "parameters": schema}, text)
    )
    return arguments


STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('Look for "foo bar" in Paris', "foo bar"),
        ("Look for “foo” now", "foo"),
        ("Look for 'foo' in Bob's file", "foo"),
        ("Read src/main.py in Paris.", "src/main.py"),
        ("Read README.md.", "README.md"),
        ("List the files in .", "."),
        ("Show ../up please", "../up"),
        ("What is the weather in Paris?", "Paris"),
        ("From Oslo to Rome, today", "Rome"),
        ("Paris weather please", "Paris weather please"),
        ("say hello", "say hello"),
    ],
)
def test_a_string_is_found_by_rank(text: str, value: str) -> None:
    """Quoted, else a path, else the last capitalised word but the first one, else all."""
    assert fill(text, a=STRING) == {"a": value}


def test_words_of_the_tools_name_are_no_argument() -> None:
    """A capitalised word that names the tool is passed over."""
    assert fill("In Paris, use Weather", name="get_weather", a=STRING) == {"a": "Paris"}


def test_quoted_strings_are_handed_out_in_order() -> None:
    """Each is used once; then the other ranks follow."""
    found = fill('search "needle" in "docs" of Rome', a=STRING, b=STRING, c=STRING)
    assert found == {"a": "needle", "b": "docs", "c": "Rome"}


def test_an_enumeration_comes_after_the_quotes() -> None:
    """Without a quoted string it is its first value."""
    unit = {"type": "string", "enum": ["celsius", "kelvin"]}
    assert fill("Weather in Paris", a=unit) == {"a": "celsius"}
    assert fill('Weather in "kelvin"', a=unit) == {"a": "kelvin"}


def test_numbers_are_handed_out_in_order() -> None:
    """An integer loses its fraction; without a number left it is the minimum, or 0."""
    number, integer = {"type": "number"}, {"type": "integer"}
    found = fill("from -3 to 4.5 and 7.9", a=number, b=number, c=integer, d=integer)
    assert found == {"a": -3, "b": 4.5, "c": 7, "d": 0}
    assert fill("none in v2", a={"type": "integer", "minimum": 5}) == {"a": 5}


def test_other_types_have_one_value_each() -> None:
    """False, nothing in the array, the constant, the inner object."""
    inner = {"type": "object", "properties": {"n": STRING}, "required": ["n"]}
    found = fill(
        "in Rome",
        a={"type": "boolean"},
        b={"type": "array"},
        c={"const": 5},
        d=inner,
        e={"type": ["null", "string"]},
        f={"type": "null"},
    )
    expected = {"a": False, "b": [], "c": 5, "d": {"n": "Rome"}, "e": "Rome", "f": None}
    assert found == expected


def test_references_and_unions_are_followed() -> None:
    """As the schemas of pydantic have them; one that leads nowhere is a string."""
    schema = {
        "$defs": {"Count": {"type": "integer"}},
        "properties": {"a": {"$ref": "#/$defs/Count"}, "b": {"anyOf": [STRING, {"type": "null"}]}},
        "required": ["a", "b", "c"],
    }
    made = make_arguments({"name": "f", "parameters": schema}, "take 3 to Rome")
    assert json.loads(made) == {"a": 3, "b": "Rome", "c": "Rome"}


def test_a_reference_to_itself_ends() -> None:
    """A value that needs itself is null where it would begin anew."""
    schema = {"$defs": {"A": {"$ref": "#/$defs/A"}}, "properties": {"a": {"$ref": "#/$defs/A"}}}
    made = make_arguments({"name": "f", "parameters": {**schema, "required": ["a"]}}, "hi")
    assert json.loads(made) == {"a": None}


def test_only_required_properties_are_given() -> None:
    """Optional ones stay out; so does everything where there is no schema."""
    schema = {"properties": {"a": STRING, "b": STRING}, "required": ["b"]}
    assert json.loads(make_arguments({"name": "f", "parameters": schema}, "x")) == {"b": "x"}
    assert make_arguments({"name": "f"}, "x") == "{}"
    assert make_arguments({"name": "f", "parameters": None}, "x") == "{}"


def test_an_apostrophe_is_no_quote() -> None:
    """It has letters on both sides, or none of them opens."""
    assert next_quoted("What's Bob's and Al's?") is None
