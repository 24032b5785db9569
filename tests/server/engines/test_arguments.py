"""The arguments that the echo engine finds for a tool."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.server.engines.arguments import make_arguments, make_document, next_quoted


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


def test_a_list_that_goes_on_ends_in_null() -> None:
    """As recursive schemas of strict mode have it; the root may be meant, too."""
    following = {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]}
    node = {"properties": {"v": STRING, "next": following}, "required": ["v", "next"]}
    schema = {"$defs": {"N": node}, "$ref": "#/$defs/N"}
    assert json.loads(make_document(schema, "in Rome")) == {"v": "Rome", "next": None}
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}}, "required": ["left"]}
    assert json.loads(make_document(tree, "hi")) == {"left": {"left": None}}


def test_a_reference_may_be_used_twice() -> None:
    """Only one that needs itself ends; definitions have two names in the wild."""
    city = {"type": "object", "properties": {"n": STRING}, "required": ["n"]}
    use = {"$ref": "#/definitions/City"}
    schema = {
        "definitions": {"City": city},
        "properties": {"a": use, "b": {"allOf": [use]}},
        "required": ["a", "b"],
    }
    made = make_document({"type": "object", **schema}, 'from "Rome" to "Oslo"')
    assert json.loads(made) == {"a": {"n": "Rome"}, "b": {"n": "Oslo"}}


def test_definitions_that_double_are_bounded() -> None:
    """Each needs the next one twice: filled to the end that would be a billion values."""
    definitions = {
        f"D{level}": {
            "type": "object",
            "properties": {key: {"$ref": f"#/$defs/D{level + 1}"} for key in "ab"},
            "required": ["a", "b"],
        }
        for level in range(30)
    }
    made = make_document({"$defs": definitions, "$ref": "#/$defs/D0"}, "hi")
    assert len(made) < 100_000


def test_a_document_keeps_to_its_enumerations() -> None:
    """Of whatever type; a quoted string that is none of the values is not used."""
    schema = {
        "type": "object",
        "properties": {
            "unit": {"type": "string", "enum": ["c", "k"]},
            "other": {"enum": ["c", "k"]},
            "size": {"type": "integer", "enum": [1, 2]},
        },
        "required": ["unit", "other", "size"],
    }
    made = make_document(schema, 'weather in "f", "k" or 7')
    assert json.loads(made) == {"unit": "c", "other": "k", "size": 1}


def test_a_document_need_not_be_an_object() -> None:
    """Its schema decides; without one it is the user's words."""
    assert make_document({"type": "array"}, "hi") == "[]"
    assert make_document({"type": "number"}, "take 2.5") == "2.5"
    assert make_document(None, "hi") == '"hi"'


def test_long_numbers_are_no_trouble() -> None:
    """Whole ones stay exact, as far as anybody counts."""
    whole, endless = str(2**64 + 1), "9" * 10_000
    schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
    made = make_arguments(
        {"name": "f", "parameters": {**schema, "required": ["a", "b"]}}, f"{whole} {endless}"
    )
    assert json.loads(made) == {"a": 2**64 + 1, "b": int("9" * 300)}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "required", "enum", "$ref", "$defs", "anyOf", "a"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(schema=JSON)
def test_any_schema_makes_json(schema: Any) -> None:
    """Clients send what they like; nobody has checked it."""
    text = 'the "a" of 3'
    assert isinstance(json.loads(make_arguments({"name": "f", "parameters": schema}, text)), dict)
    made = make_document(schema, text)
    assert json.dumps(json.loads(made), ensure_ascii=False, separators=(",", ":")) == made
