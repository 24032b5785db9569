"""What a local model writes, as deltas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.server.engines.base import CallDelta, Delta, ReasoningDelta, TextDelta
from pyresponses_ws.server.engines.transformers.markup import Markup, find_markup
from pyresponses_ws.server.engines.transformers.output import OutputReader, Start, start_answer
from pyresponses_ws.server.engines.transformers.tools import ToolName

TOOLS = {
    "f": ToolName("f"),
    "home.f": ToolName("f", "home"),
    "patch": ToolName("patch", is_custom=True),
}
TEMPLATES = {
    "hermes": "<tool_call></think>",
    "xml": "<tool_call><function=</think>",
    "mistral": "[TOOL_CALLS][ARGS][/THINK]",
    "llama": "<|python_tag|></think>",
    "gemma": "<|tool_call><tool_call|><|channel>thought",
    "granite": "<|tool_call|>",
    "gpt-oss": "<|channel|>analysis<|message|>",
    "plain": "",
}
MARKUPS = {name: find_markup(template=text, tokens=()) for name, text in TEMPLATES.items()}
HERMES = MARKUPS["hermes"]
CALL = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'


def make(markup: Markup = HERMES, **options: Any) -> OutputReader:
    """Make a reader with the tools above."""
    return OutputReader(markup, **{"tools": TOOLS, **options})


def joined(deltas: Iterable[Delta]) -> list[tuple[str, str]]:
    """Return what the deltas say, those of one item joined: kind or tool, and text."""
    items: list[tuple[str, str]] = []
    for delta in deltas:
        assert isinstance(delta, TextDelta | ReasoningDelta | CallDelta)
        kind = "text" if isinstance(delta, TextDelta) else "reasoning"
        if isinstance(delta, CallDelta):
            kind = f"{delta.namespace or ''}/{delta.kind}/{delta.name}" if delta.name else ""
        is_named = isinstance(delta, CallDelta) and delta.name is not None
        if items and kind in ("", items[-1][0]) and not is_named:
            items[-1] = items[-1][0], items[-1][1] + delta.text
        else:
            items.append((kind, delta.text))
    return items


def read(*pieces: str, markup: Markup = HERMES, **options: Any) -> list[tuple[str, str]]:
    """Return what an answer in these pieces says."""
    reader = make(markup, **options)
    deltas = [delta for piece in pieces for delta in reader.feed(piece)]
    return joined([*deltas, *reader.finish()])


def test_text_goes_out_as_it_comes() -> None:
    """White space waits for what follows it."""
    reader = make()
    assert reader.feed("Hello") == [TextDelta("Hello")]
    assert reader.feed(" ") == []
    assert reader.feed("you,\n") == [TextDelta(" you,")]
    assert reader.feed("a<b") == [TextDelta("\na<b")]
    assert reader.feed(" \n") == []
    assert reader.finish() == [TextDelta(" \n")]


@pytest.mark.parametrize("piece", ["<", "<t", "<tool_call", "<th", "x <thin"])
def test_only_what_may_be_a_marker_is_held(piece: str) -> None:
    """And only as long as it may be."""
    reader = make()
    said = reader.feed(piece)
    assert joined(said) == ([("text", "x")] if piece[0] == "x" else [])
    assert reader.feed("!") == [TextDelta(f"{piece}!".removeprefix("x"))]


def test_white_space_in_text_is_kept() -> None:
    """Code depends on it; only at the head of an answer it says nothing."""
    text = "def f():\n\n\treturn 1  \n"
    assert read(f"\n \n{text}") == [("text", text)]
    assert read(" \n ") == []


def test_a_call_goes_out_when_it_is_closed() -> None:
    """With its name first and the arguments in pieces, as the model wrote them."""
    reader = make()
    text = CALL.replace("1", '"' + "x" * 40 + '"')
    assert reader.feed(text[:-1]) == []
    name, *pieces = reader.feed(">")
    assert name == CallDelta(name="f")
    assert len(pieces) > 1
    assert joined([name, *pieces]) == [("/function/f", '{"a": "' + "x" * 40 + '"}')]


def test_white_space_around_calls_is_no_text() -> None:
    """Models put line breaks between the parts of an answer."""
    call = ("/function/f", '{"a": 1}')
    assert read(f"\n{CALL}\n\n{CALL}\n") == [call, call]
    assert read(f"Wait. \n{CALL}\n Done.") == [("text", "Wait."), call, ("text", "Done.")]


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call> broken </tool_call>",
        "A \n<tool_call>\nbroken\n</tool_call>\n B",
        '<tool_call>{"name": "f", "arguments": {"a": 1}',
        '<tool_call>{"name": "f", "arguments": {"a": "x</tool_call>',
        "ends with <tool_",
        "stray </tool_call> and </think>",
        "<tool_call></tool_call><tool_call>",
    ],
)
def test_what_is_no_call_is_text(text: str) -> None:
    """All of it, once, with its white space."""
    assert read(text) == [("text", text)]
    assert read(*text) == [("text", text)]


def test_a_whole_call_behind_a_broken_one_is_called() -> None:
    """The model has tried again."""
    call = ("/function/f", '{"a": 1}')
    assert read(f"<tool_call>oops{CALL}") == [("text", "<tool_call>oops"), call]
    assert read(f"<tool_call>oops</tool_call>{CALL}")[1:] == [call]


def test_reasoning_is_content() -> None:
    """The white space around it belongs to the markers."""
    reader = make()
    assert not reader.in_reasoning
    assert reader.feed("<think>\nLet me") == [ReasoningDelta("Let me", kind="content")]
    assert reader.in_reasoning
    assert reader.feed(" see.\n</think>\n\n") == [ReasoningDelta(" see.", kind="content")]
    assert not reader.in_reasoning
    assert reader.feed("42") == [TextDelta("42")]


def test_reasoning_that_is_never_closed_stays_reasoning() -> None:
    """The answer was cut off in it."""
    assert read("<think>\nI \n") == [("reasoning", "I \n")]
    assert read("<think>I </thin") == [("reasoning", "I </thin")]


def test_a_call_inside_of_reasoning_is_only_thought_of() -> None:
    """It counts where it is made."""
    assert read(f"<think>{CALL}</think>") == [("reasoning", CALL)]


def test_empty_reasoning_is_none() -> None:
    """Some templates teach models to skip it so."""
    assert read("<think>\n\n</think>\n\nHi") == [("text", "Hi")]


@pytest.mark.parametrize("prefix", ["<think>", "<think>\n"])
def test_a_prompt_may_open_the_reasoning(prefix: str) -> None:
    """The model then only closes it."""
    reader = make(prefix=prefix)
    assert reader.in_reasoning
    assert joined(reader.feed("So.\n</think>\n\n42")) == [("reasoning", "So."), ("text", "42")]


def test_a_prompt_may_begin_a_call() -> None:
    """It is read with what the model adds, and comes out as text with it if that is no call."""
    prefix = '<tool_call>\n{"name": "'
    rest = 'f", "arguments": {}}</tool_call>'
    assert read(rest, prefix=prefix) == [("/function/f", "{}")]
    assert read("f!", prefix=prefix) == [("text", f"{prefix}f!")]


def test_names_lead_back_to_the_tools() -> None:
    """To a namespace too; a name that nobody knows is the client's to judge."""
    calls = [CALL.replace('"f"', f'"{name}"') for name in ("home.f", "unknown")]
    assert [kind for kind, _ in read(*calls)] == ["home/function/f", "/function/unknown"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input": "a\\nb"}', "a\nb"),
        ('{"input": "\\ud83d"}', "\N{REPLACEMENT CHARACTER}"),
        ('{"patch": "x"}', "x"),
        ('{"input": 5}', '{"input": 5}'),
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 2}'),
        ("{}", "{}"),
    ],
)
def test_a_custom_tool_gets_its_input(arguments: str, text: str) -> None:
    """Decoded; what the model has called otherwise is found if there is nothing else."""
    call = f'<tool_call>{{"name": "patch", "arguments": {arguments}}}</tool_call>'
    assert read(call) == [("/custom/patch", text)]


def test_without_tools_nothing_is_a_call() -> None:
    """And nothing is held back for one."""
    reader = make(tools={})
    assert reader.feed(CALL[:20]) == [TextDelta(CALL[:20])]
    assert read(CALL, tools={}) == [("text", CALL)]


def test_without_parallel_calls_the_first_ends_the_answer() -> None:
    """Nothing more is wanted of the model, and nothing more comes out."""
    reader = make(is_parallel=False)
    assert joined(reader.feed(f"Hm. {CALL} more {CALL}")) == [
        ("text", "Hm."),
        ("/function/f", '{"a": 1}'),
    ]
    assert reader.is_finished
    assert reader.feed("more") == []
    assert reader.finish() == []


def test_of_a_list_of_calls_the_first_counts_then_too() -> None:
    """Although all of them came at once."""
    text = '[TOOL_CALLS][{"name": "f"}, {"name": "f", "arguments": {"a": 1}}]'
    assert read(text, markup=MARKUPS["mistral"]) == [
        ("/function/f", "{}"),
        ("/function/f", '{"a": 1}'),
    ]
    assert read(text, markup=MARKUPS["mistral"], is_parallel=False) == [("/function/f", "{}")]


def test_a_finished_reader_says_nothing_more() -> None:
    """However often it is asked."""
    reader = make()
    reader.feed("a <")
    assert joined(reader.finish()) == [("text", " <")]
    assert reader.is_finished
    assert reader.finish() == reader.feed("b") == []


def test_bare_calls_stand_in_a_row() -> None:
    """Llama puts a semicolon between them, and no marker before any."""
    call = '{"name": "f", "parameters": {"a": 1}}'
    reader = make(MARKUPS["llama"])
    first, second = joined(reader.feed(f"\n{call}")), joined(reader.feed(f"; {call}"))
    assert first == second == [("/function/f", '{"a": 1}')]


def test_an_answer_in_json_is_no_bare_call() -> None:
    """Nor is an object behind other words."""
    llama = MARKUPS["llama"]
    assert make(llama).feed('{"answer"') == [TextDelta('{"answer"')]
    for text in ('{"name": "Bob", "age": 5}!', 'So: {"name": "f"}', '{"name": "f', "{"):
        assert read(text, markup=llama) == [("text", text)]


def test_gpt_oss_answers_in_channels() -> None:
    """Their heads and ends are markup, and no part of what is said."""
    answer = (
        "<|channel|>analysis<|message|>Weather?<|end|>"
        "<|start|>assistant<|channel|>commentary<|message|>I look.<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>"
        '{"a": 1}<|call|>'
    )
    expected = [("reasoning", "Weather?"), ("text", "I look."), ("/function/f", '{"a": 1}')]
    assert read(answer, markup=MARKUPS["gpt-oss"]) == expected
    other = ' to=functions.f<|channel|>commentary json<|message|>{"a": 1}<|call|>'
    assert read(other, markup=MARKUPS["gpt-oss"]) == expected[2:]
    final = (
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hi"
    )
    assert read(final, markup=MARKUPS["gpt-oss"], tools={}) == [
        ("reasoning", "Hm."),
        ("text", "Hi"),
    ]


@pytest.mark.parametrize(
    ("rendered", "prefill", "start"),
    [
        ("<|im_start|>assistant\n", "", Start("", "")),
        ("<|im_start|>assistant\n", "<tool_call>", Start("<tool_call>", "<tool_call>")),
        ("assistant\n<think>\n", "", Start("", "<think>")),
        ("assistant<think>", "", Start("", "<think>")),
        ("<think>\n", "<tool_call>", Start("\n</think>\n\n<tool_call>", "<tool_call>")),
        ("<think>\n\n</think>\n\n", "", Start("", "")),
    ],
)
def test_an_answer_begins_where_the_prompt_ends(rendered: str, prefill: str, start: Start) -> None:
    """A call cannot begin inside of reasoning, so that reasoning is closed for it."""
    assert start_answer(rendered, prefill, HERMES) == start


def test_a_model_that_does_not_reason_opens_nothing() -> None:
    """The marker is a text like any other to it."""
    assert start_answer("<think>", "x", Markup()) == Start("x", "x")


PIECES = {
    "hermes": ["<tool_call>", "</tool_call>", '{"name": "f"', ', "arguments": {"a": "', '"}}'],
    "xml": ["<tool_call>", "</tool_call>", "<function=f>", "</function>", "<parameter=a>"],
    "mistral": ["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "f", "{}", "[THINK]", "[/THINK]"],
    "llama": ["<|python_tag|>", '{"name": "f"', ', "parameters": {', "}}", "}", ";"],
    "gemma": ["<|tool_call>", "<tool_call|>", "call:f{", 'a:<|"|>', '<|"|>', "}", "<|channel>"],
    "granite": ["<|tool_call|>", '[{"name": "f"}', "]", ","],
    "gpt-oss": [
        *("<|start|>assistant", "<|channel|>analysis", "<|message|>", "<|end|>", "<|call|>"),
        *("<|channel|>commentary", " to=functions.", "f", "{}", "<|channel|>final"),
    ],
    "plain": ["<think>", "<tool_call>"],
}
WHOLE = ["<think>", "</think>", CALL, '{"name": "f", "parameters": {}}', "\n", " ", "a", "}", "]"]


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, str, list[int]]:
    """Draw a family, an answer full of its markers, and the places to cut it."""
    family = draw(st.sampled_from(sorted(TEMPLATES)))
    pieces = st.sampled_from(PIECES[family] + WHOLE)
    text = "".join(draw(st.lists(pieces | st.text(max_size=2), max_size=14)))
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=8))
    return family, text, sorted(cuts)


@given(answer=answers(), is_parallel=st.booleans())
def test_where_the_text_is_cut_does_not_matter(
    answer: tuple[str, str, list[int]], is_parallel: bool
) -> None:
    """Whole, in a few pieces or letter by letter, the answer is the same."""
    family, text, cuts = answer
    options = {"markup": MARKUPS[family], "is_parallel": is_parallel}
    whole = read(text, **options)
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]
    assert read(*pieces, **options) == whole
    assert read(*text, **options) == whole


@given(answer=answers())
def test_every_character_is_accounted_for(answer: tuple[str, str, list[int]]) -> None:
    """Without tools the answer is its text and reasoning, less the markers and white space."""
    family, text, _ = answer
    markup = MARKUPS[family]
    marks = (*(markup.think or ()), *(markup.calls.around if markup.calls else ()))
    said = "".join(words for _, words in read(text, markup=markup, tools={}))
    pattern = "|".join([*map(re.escape, marks), r"\s"])
    bare = re.sub(pattern, "", text)
    # A marker that means nothing where it stands, such as the end of no reasoning, is text.
    assert len(re.sub(r"\s", "", said)) >= len(bare)
    assert re.sub(pattern, "", said) == bare


@given(answer=answers())
def test_nothing_is_made_up_or_told_twice(answer: tuple[str, str, list[int]]) -> None:
    """Each piece of text is a piece of the answer, behind the one before it; calls hold JSON."""
    family, text, _ = answer
    reader = make(MARKUPS[family])
    deltas = [*reader.feed(text), *reader.finish()]
    place = 0
    for delta in deltas:
        if isinstance(delta, TextDelta | ReasoningDelta):
            place = text.index(delta.text, place) + len(delta.text)
    calls = [words for kind, words in joined(deltas) if kind.startswith("/function/")]
    assert all(isinstance(json.loads(words), dict) for words in calls)
