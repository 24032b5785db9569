"""Tool calls as families of models write them, between the markers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.server.engines.transformers.calls import (
    ParsedCall,
    find_named_value,
    find_value,
    is_inside_string,
    make_gemma_reader,
    read_harmony_calls,
    read_json_calls,
    read_known_calls,
    read_named_calls,
    read_pair_calls,
    read_xml_calls,
)
from pyresponses_ws.server.engines.transformers.tools import ToolName

SCHEMAS: dict[str, Any] = {
    "city": {"type": "string"},
    "days": {"type": "integer"},
    "maybe": {"type": ["string", "null"]},
    "any": {},
}
NAMES = {"f": ToolName("f", properties=SCHEMAS)}
READERS = [
    read_json_calls,
    read_known_calls,
    read_named_calls,
    read_xml_calls,
    read_pair_calls,
    read_harmony_calls,
    make_gemma_reader("<escape>"),
]


def one(calls: list[ParsedCall] | None) -> tuple[str, Any]:
    """Return the name and the decoded arguments of the only call."""
    assert calls is not None
    (call,) = calls
    return call.name, json.loads(call.arguments)


@pytest.mark.parametrize(
    "arguments", ['{"city": "Rome"}', "{}", '{ "a":1.50,"b" : [ {} ] }', '{"x": "\\u00e9"}']
)
def test_arguments_stay_the_text_of_the_model(arguments: str) -> None:
    """Spaces, escapes and digits as they were; the client may compare or cache them."""
    text = f'\n {{"name": "f", "arguments": {arguments} }}\n'
    assert read_json_calls(text, NAMES) == [ParsedCall("f", arguments)]
    swapped = f'{{"id": 3, "parameters": {arguments}, "name": "f"}}'
    assert read_json_calls(swapped, NAMES) == [ParsedCall("f", arguments)]


@pytest.mark.parametrize(
    ("members", "arguments"),
    [
        ('"name": "f"', "{}"),
        ('"name": "f", "arguments": null', "{}"),
        ('"name": "f", "arguments": "{\\"a\\": 1}"', '{"a": 1}'),
        ('"name": "f", "arguments": {"a": "x\ny"}', '{"a": "x\\ny"}'),
        ('"name": "f", "arguments": "{\\"a\\": \\"\\ud800\\"}"', '{"a": "\\ud800"}'),
    ],
)
def test_what_models_get_nearly_right_is_mended(members: str, arguments: str) -> None:
    """No arguments, arguments as a string, a bare line break, half a character."""
    assert read_json_calls(f"{{{members}}}", NAMES) == [ParsedCall("f", arguments)]


def test_a_list_holds_several_calls() -> None:
    """In their order."""
    calls = read_json_calls('[{"name": "f"}, {"name": "g", "arguments": {"a": 1}}]', NAMES)
    assert calls == [ParsedCall("f", "{}"), ParsedCall("g", '{"a": 1}')]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "f",
        '{"name": "f"',
        '{"name": "f"} and more',
        '[{"name": "f"}',
        '[{"name": "f"} {"name": "g"}]',
        '[{"name": "f"}] x',
        '{"name": "f",}',
        '{"name" "f"}',
        '{1: "f"}',
        '{"name": 5}',
        '{"name": ""}',
        '{"name": "\\ud800"}',
        '{"arguments": {}}',
        '{"name": "f", "arguments": [1]}',
        '{"name": "f", "arguments": 5}',
        '{"name": "f", "arguments": "not JSON"}',
        '{"name": "f", "arguments": {"a": NaN}}',
        '{"name": "f", "arguments": ' + "[" * 100_000,
        '{"name": "f", "arguments": {"a": ' + "[" * 99_999 + "]" * 99_999 + "}}",
    ],
)
def test_what_is_no_call_is_none(text: str) -> None:
    """Not even half of one, nor one that is nested too deep to be read."""
    assert read_json_calls(text, NAMES) is None


def test_a_number_too_long_to_be_read_breaks_nothing() -> None:
    """Later Pythons refuse to count so far; that is a call then, or none."""
    text = '{"name": "f", "arguments": {"a": ' + "1" * 5000 + "}}"
    assert read_json_calls(text, NAMES) in (None, [ParsedCall("f", text[27:-1])])


def test_without_a_marker_the_name_must_be_known() -> None:
    """An answer in JSON may have a name too."""
    assert read_known_calls('{"name": "f"}', NAMES) == [ParsedCall("f", "{}")]
    assert read_known_calls('{"name": "Bob", "age": 5}', NAMES) is None
    assert read_known_calls("{", NAMES) is None


@pytest.mark.parametrize(
    "text",
    [
        'f{"a": 1}',
        ' f [ARGS] {"a": 1}',
        'f[ARGS]{"a": 1}',
        'f[CALL_ID]9bQ1x[ARGS]{"a": 1}',
        '[{"name": "f", "arguments": {"a": 1}, "id": "9bQ1x"}]',
        ' {"name": "f", "arguments": {"a": 1}}',
    ],
)
def test_mistral_has_several_ways(text: str) -> None:
    """Each of its tokenizers has its own."""
    assert read_named_calls(text, NAMES) == [ParsedCall("f", '{"a": 1}')]
    assert find_named_value(f"[TOOL_CALLS]{text} tail", 12) == 12 + len(text)


@pytest.mark.parametrize("text", ["f", "f[ARGS]", "f[1]", "f[ARGS]5", 'f{"a": ', "no call", ""])
def test_mistral_without_arguments_is_no_call(text: str) -> None:
    """A name alone could be any word."""
    assert read_named_calls(text, NAMES) is None


@pytest.mark.parametrize(
    "text",
    [
        'f <|constrain|>json<|message|>{"a": 1}',
        'f<|channel|>commentary json<|message|>{"a": 1}',
        'f<|message|>{"a": 1}',
    ],
)
def test_gpt_oss_has_a_head_and_a_message(text: str) -> None:
    """Where the head says who is meant may vary."""
    assert read_harmony_calls(text, NAMES) == [ParsedCall("f", '{"a": 1}')]
    assert read_harmony_calls(text[:-1], NAMES) is None
    assert read_harmony_calls("f", NAMES) is None


XML = """
<function=f>
<parameter=city>
New
York
</parameter>
<parameter=days>
3
</parameter>
</function>
"""


def test_xml_has_values_without_types() -> None:
    """The tool's schema tells a number from its digits; line breaks inside a value stay."""
    assert one(read_xml_calls(XML, NAMES)) == ("f", {"city": "New\nYork", "days": 3})
    assert one(read_xml_calls("<function=g></function>", NAMES)) == ("g", {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<function=f>",
        "<function=></function>",
        "<function= ></function>",
        "<function=f>text</function>",
        "<function=f><parameter=a>1</function>",
        "<function=f></function> more",
    ],
)
def test_broken_xml_is_none(text: str) -> None:
    """Nothing may stand beside the parameters."""
    assert read_xml_calls(text, NAMES) is None


def test_pairs_have_values_without_types() -> None:
    """As GLM writes them: a name, then keys and values."""
    pair = "<arg_key>{}</arg_key>\n<arg_value>{}</arg_value>\n"
    text = "f\n" + pair.format("city", "12") + pair.format("any", "[1, 2]")
    assert one(read_pair_calls(text, NAMES)) == ("f", {"city": "12", "any": [1, 2]})
    assert one(read_pair_calls("f", NAMES)) == ("f", {})
    assert read_pair_calls("some words", NAMES) is None
    assert read_pair_calls("f" + pair.format("a<b", "1"), NAMES) is None
    assert read_pair_calls(" ", NAMES) is None


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("city", "5", "5"),
        ("city", " null ", " null "),
        ("days", "5", 5),
        ("days", "five", "five"),
        ("maybe", "5", "5"),
        ("maybe", "None", None),
        ("maybe", "null", None),
        ("any", "True", True),
        ("any", "False", False),
        ("any", '{"a": 1}', {"a": 1}),
        ("any", "NaN", "NaN"),
        ("other", "1.5", 1.5),
        ("other", "plain words", "plain words"),
        ("other", "", ""),
    ],
)
def test_a_bare_value_is_read_by_its_schema(key: str, text: str, value: Any) -> None:
    """Without one, what reads as JSON is taken for it."""
    call = f"<function=f><parameter={key}>{text}</parameter></function>"
    assert one(read_xml_calls(call, NAMES)) == ("f", {key: value})


def test_gemma_marks_its_strings() -> None:
    """Braces, commas and quotes inside of them are theirs; keys are bare."""
    text = 'call:f{city:<escape>a, {b: "c"}<escape>,n:[1,2],deep:{x-y:true}}'
    values = {"city": 'a, {b: "c"}', "n": [1, 2], "deep": {"x-y": True}}
    assert one(make_gemma_reader("<escape>")(text, NAMES)) == ("f", values)
    assert one(make_gemma_reader("<escape>")(" call:home.f{} ", NAMES)) == ("home.f", {})


@pytest.mark.parametrize(
    "text", ["", "f{}", "call:f", "call:{}", "call:f{a:b}", "call:f{<escape>}"]
)
def test_broken_gemma_is_none(text: str) -> None:
    """Words that are neither keys nor in marks mean nothing."""
    assert make_gemma_reader("<escape>")(text, NAMES) is None


@pytest.mark.parametrize(
    ("text", "is_inside"),
    [
        ('{"a": "b', True),
        ('{"a": "b"', False),
        ('{"a": "\\"', True),
        ('"\\\\"', False),
        ("", False),
    ],
)
def test_a_string_is_open_until_its_quote(text: str, is_inside: bool) -> None:
    """A quote behind a backslash is part of it, unless the backslash is."""
    assert is_inside_string(text) is is_inside


@pytest.mark.parametrize(("text", "end"), [(" {} x", 3), ("[1]]", 3), ("{", None), ("", None)])
def test_the_end_of_a_value_is_found(text: str, end: int | None) -> None:
    """Once it is there."""
    assert find_value(text, 0) == end


PIECES = st.sampled_from(
    [
        *('{"name": ', '"f"', ', "arguments": ', "{", "}", "[", "]", '"', "\\", "a:", ",", "1"),
        *("<function=f>", "</function>", "<parameter=a>", "</parameter>", "f", " ", "\n"),
        *("call:f", "<escape>"),
    ]
)


@given(text=st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join))
@pytest.mark.parametrize("read", READERS)
def test_what_is_read_can_be_sent(read: Any, text: str) -> None:
    """No text breaks a reader, and arguments are always an object that any JSON reader takes."""
    for call in read(text, NAMES) or ():
        assert call.name
        assert isinstance(json.loads(call.arguments.encode()), dict)
