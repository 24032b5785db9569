"""How families of models mark reasoning and calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyresponses_ws.server.engines.transformers.markup import (
    CallMarkup,
    Markup,
    Taken,
    find_markup,
    sees_bare_call,
)
from pyresponses_ws.server.engines.transformers.tools import ToolName

NAMES = {"f": ToolName("f")}

#: By family: a telling piece of its chat template, and a call of f with {"a": 1} as it writes it.
FAMILIES = {
    "qwen": (
        r'For each call return <tool_call>\n{"name": <function-name>}\n</tool_call>',
        '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>',
    ),
    "qwen coder": (
        r"<tool_call>\n<function=example>\n<parameter=p>\n</parameter></function></tool_call>",
        "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>",
    ),
    "glm": (
        r"<tool_call>{name}\n<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value></tool_call>",
        "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>",
    ),
    "mistral": (
        "{{- '[TOOL_CALLS]' + name + '[CALL_ID]' + id + '[ARGS]' + arguments }}",
        '[TOOL_CALLS]f[CALL_ID]123456789[ARGS]{"a": 1}',
    ),
    "mistral with a list": (
        "{{- '[TOOL_CALLS] [' }}{%- if tool_call.id|length != 9 %}",
        '[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}, "id": "123456789"}]',
    ),
    "gemma": (
        "{{- '<|tool_call>call:' + name + '{' }}...{{- '}<tool_call|>' }}",
        "<|tool_call>call:f{a:1}<tool_call|>",
    ),
    "function gemma": (
        "<start_function_call>call: ... <end_function_call>",
        "<start_function_call>call:f{a:1}<end_function_call>",
    ),
    "phi": (
        "{{ '<|tool_call|>' ~ calls ~ '<|/tool_call|>' }}",
        '<|tool_call|>[{"name": "f", "arguments": {"a": 1}}]<|/tool_call|>',
    ),
    "granite": (
        "{{ '<|tool_call|>' ~ calls }}",
        '<|tool_call|>[{"name": "f", "arguments": {"a": 1}}]',
    ),
    "llama": (
        """{{- "<|python_tag|>" }}... {"name": function name, "parameters": dictionary}""",
        '<|python_tag|>{"name": "f", "parameters": {"a": 1}}',
    ),
    "gpt-oss": (
        "<|channel|>commentary to=functions.f <|constrain|>json<|message|>",
        'to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|>',
    ),
}


def calls_of(template: str | None, *tokens: str) -> CallMarkup:
    """Return the markup of calls that a template and tokens tell."""
    calls = find_markup(template=template, tokens=tokens).calls
    assert calls is not None
    return calls


def taken(calls: CallMarkup, text: str, *, is_final: bool = False) -> tuple[int, list[Any]] | None:
    """Take the first stretch of ``text``; return its length, and the calls in it decoded."""
    found = calls.take(text, NAMES, is_final=is_final)
    if found is None:
        return None
    return found.length, [(call.name, json.loads(call.arguments)) for call in found.calls]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_template_tells_the_markup_of_its_family(family: str) -> None:
    """Up to the closing marker a call may still come; what follows it is not part of it."""
    template, call = FAMILIES[family]
    calls = calls_of(template)
    assert taken(calls, f"{call} and more") == (len(call), [("f", {"a": 1})])
    assert all(taken(calls, call[:end]) is None for end in range(len(calls.begin), len(call)))


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_that_was_begun_can_be_finished(family: str) -> None:
    """What demands a call is the beginning of one, by its name or not."""
    calls = calls_of(FAMILIES[family][0])
    rest = FAMILIES[family][1][len(calls.begin) :]
    for name in (None, "f"):
        forced = calls.force(name)
        assert forced == forced.rstrip(" ")
        assert (calls.begin in forced) is not calls.is_bare
    written = "".join(calls.force("f").rpartition(calls.begin)[2].split())
    told = "".join(rest.split()).replace("[CALL_ID]123456789", "")
    assert told.startswith(written)


def test_a_name_in_json_is_escaped() -> None:
    """Names of custom tools are free."""
    assert calls_of("<tool_call>").force('a"b').endswith('"name": "a\\"b", "arguments":')


@pytest.mark.parametrize(
    ("token", "begin"),
    [("<tool_call>", "<tool_call>"), ("[TOOL_CALLS]", "[TOOL_CALLS]"), ("<|python_tag|>", None)],
)
def test_tokens_tell_where_the_template_does_not(token: str, begin: str | None) -> None:
    """A template may only pass on what the model wrote."""
    assert calls_of(None, token).begin == (begin or token)
    assert calls_of("{{ messages }}", token).begin == (begin or token)


def test_the_template_counts_before_the_tokens() -> None:
    """Tokens may be left over from the model that this one was trained from."""
    assert calls_of("[TOOL_CALLS]", "<tool_call>").begin == "[TOOL_CALLS]"


@pytest.mark.parametrize(
    ("template", "tokens", "think"),
    [
        ("{{ content.split('</think>')[-1] }}", (), ("<think>", "</think>")),
        (None, ("<think>", "</think>"), ("<think>", "</think>")),
        ("[THINK]a[/THINK]", (), ("[THINK]", "[/THINK]")),
        (None, ("<|channel>", "<channel|>"), ("<|channel>thought\n", "<channel|>")),
        (None, ("<|channel|>",), ("<|channel|>analysis<|message|>", "<|end|>")),
        ("{{ messages }}", (), None),
        ("<|channel|>analysis<|message|>", (), ("<|channel|>analysis<|message|>", "<|end|>")),
        ("<|user|>{{ content }}<|end|>", ("<|end|>",), None),
        (None, (), None),
    ],
)
def test_reasoning_is_marked(template: str | None, tokens: Any, think: Any) -> None:
    """By tokens or in the template; most models do not reason."""
    assert find_markup(template=template, tokens=tokens).think == think


def test_a_plain_model_has_no_markup() -> None:
    """Then everything is text."""
    assert find_markup(template="{{ messages }}", tokens=()) == Markup()


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ("raise_exception('Conversation roles must alternate user/assistant/...')", "alternates"),
        ("raise_exception('This model only supports single tool-calls at once!')", "is_single"),
        ("{#- We assume max 1 tool call per message -#}", "is_single"),
        ("raise_exception('Tool call IDs should be alphanumeric strings with length 9!')", None),
    ],
)
def test_a_template_says_what_it_refuses(template: str, field: str | None) -> None:
    """In the words of its errors."""
    found = find_markup(template=template, tokens=())
    assert getattr(found, field or "has_short_ids") is True
    assert [found.alternates, found.is_single, found.has_short_ids].count(True) == 1


@pytest.mark.parametrize(
    ("token", "is_kept"),
    [
        ("<tool_call>", True),
        ("</think>", True),
        ("<|im_end|>", False),
        ("</s>", False),
        (" ", False),
        ("", False),
    ],
)
def test_tokens_of_the_markup_are_kept(token: str, is_kept: bool) -> None:
    """Those that end turns, or fill them up, are none of the reader's business."""
    assert find_markup(template="<tool_call></think>", tokens=()).keeps(token) is is_kept


def test_tokens_inside_calls_are_kept_too() -> None:
    """Without them the call could not be read."""
    mistral = find_markup(template="[TOOL_CALLS][ARGS]", tokens=())
    gemma = find_markup(template=None, tokens=("<|tool_call>", "<tool_call|>", "<|channel>"))
    assert mistral.keeps("[CALL_ID]")
    assert gemma.keeps('<|"|>')
    assert gemma.keeps("<|channel>")
    assert not find_markup(template="", tokens=()).keeps("<think>")


HERMES = calls_of("<tool_call>")


def test_a_closing_marker_inside_a_string_closes_nothing() -> None:
    """Who writes about markup may quote it."""
    call = '<tool_call>{"name": "f", "arguments": {"a": "</tool_call>"}}</tool_call>'
    assert taken(HERMES, call[:60]) is None
    assert taken(HERMES, call) == (len(call), [("f", {"a": "</tool_call>"})])


@pytest.mark.parametrize(
    ("template", "call"),
    [
        (
            "<tool_call><function=",
            "<tool_call><function=f><parameter=a></tool_call></parameter></function></tool_call>",
        ),
        (
            "<tool_call><arg_key>",
            "<tool_call>f<arg_key>a</arg_key><arg_value></tool_call></arg_value></tool_call>",
        ),
        (
            "<start_function_call>",
            "<start_function_call>call:f{a:<escape><end_function_call><escape>}<end_function_call>",
        ),
    ],
)
def test_a_closing_marker_inside_a_bare_value_closes_nothing(template: str, call: str) -> None:
    """Each family has its own marks around values."""
    calls = calls_of(template)
    assert taken(calls, call) == (len(call), [("f", {"a": calls.end})])


def test_a_string_that_never_ends_is_given_up() -> None:
    """At the end of the answer, or after so many closing markers that it cannot be a string."""
    broken = '<tool_call>{"name": "f</tool_call>'
    assert taken(HERMES, f"{broken} more") is None
    assert taken(HERMES, f"{broken} more", is_final=True) == (len(broken), [])
    assert taken(HERMES, broken + "</tool_call>" * 16) == (len(broken), [])


def test_a_broken_call_ends_at_its_closing_marker() -> None:
    """Or where another one begins, which may be whole."""
    assert taken(HERMES, "<tool_call> no </tool_call> more") == (27, [])
    whole = '<tool_call>{"name": "f"}</tool_call>'
    assert taken(HERMES, f"<tool_call> no {whole}") == (15, [])
    assert taken(HERMES, whole) == (len(whole), [("f", {})])


def test_an_open_call_is_text_at_the_end() -> None:
    """Half of a call calls nothing."""
    text = '<tool_call>{"name": "f", "arguments": {}}'
    assert taken(HERMES, text) is None
    assert taken(HERMES, text, is_final=True) == (len(text), [])


def test_a_value_without_a_closing_marker_ends_itself() -> None:
    """Whatever it then turns out to be."""
    llama = calls_of("<|python_tag|>")
    assert taken(llama, '<|python_tag|>{"x": 1} y') == (22, [])
    assert taken(llama, '<|python_tag|>{"name": "unknown"} y') == (33, [("unknown", {})])
    assert taken(llama, "<|python_tag|>print(1)") is None
    assert taken(llama, "<|python_tag|>print(1)", is_final=True) == (22, [])


def test_a_bare_call_must_name_a_tool() -> None:
    """An answer in JSON is an answer."""
    llama = calls_of("<|python_tag|>")
    assert taken(llama, '{"name": "f", "parameters": {}}; x') == (31, [("f", {})])
    assert taken(llama, '{"name": "Bob", "age": 5} x') == (25, [])
    assert llama.take('{"name": "f"', NAMES, is_final=True) == Taken(12)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("", None),
        ("{", None),
        ('{ "na', None),
        ('{\n "name" : ', True),
        ('{"type": "function", ', True),
        ('{"type": "text"', False),
        ('{"answer"', False),
        ("Hello", False),
        ("[1]", False),
    ],
)
def test_a_bare_call_is_seen_by_its_first_key(text: str, verdict: bool | None) -> None:
    """None while it could be one: only then is text held back."""
    assert sees_bare_call(text) is verdict
