"""How families of models mark reasoning and tool calls, told by their chat templates.

Facts come from the families' published chat templates. A template that names the markers decides;
the added tokens tell for models whose template only passes on what the model wrote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from pyresponses_ws.server.engines.transformers.calls import (
    SPACE,
    Calls,
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
from pyresponses_ws.server.engines.transformers.tools import ToolNames

#: Closing markers that may stand inside one value before it is taken for broken; arbitrary, and
#: there so that a model that repeats itself costs little.
_ENDS_INSIDE = 16

_Reader = Callable[[str, ToolNames], Calls]


@dataclass(frozen=True)
class Taken:
    """How many characters were read, as these calls, or as plain text if there are none."""

    length: int
    calls: tuple[ParsedCall, ...] = ()


@dataclass(frozen=True)
class CallMarkup:
    """How a family writes calls: ``begin``, what ``read`` understands, and ``end``.

    Without ``end``, ``find_end`` tells where what comes after ``begin`` is over.
    """

    begin: str
    end: str
    read: _Reader
    #: What the answer begins with so that it can only be a call; ``naming`` has ``%s`` for the name
    #: of the one tool. Neither ends in a space, which tokenizers put at the head of the next token.
    opening: str
    naming: str
    #: Says whether a closing marker behind this text is part of a value.
    is_inside: Callable[[str], bool] = is_inside_string
    find_end: Callable[[str, int], int | None] = find_value
    #: Whether a message that begins with an object of JSON may be a call without ``begin``.
    is_bare: bool = False
    #: Other tokens between ``begin`` and ``end``.
    inner: tuple[str, ...] = ()
    #: Marks that say nothing to a reader: heads and ends of the parts of an answer.
    around: tuple[str, ...] = ()

    @property
    def closers(self) -> tuple[str, ...]:
        """Texts without which no call ends."""
        return (self.end,) if self.end else ("}", "]")

    def take(self, text: str, names: ToolNames, *, is_final: bool) -> Taken | None:
        """Read the stretch that ``text`` begins with; None while more of it may come."""
        return (self._take_tagged if self.end else self._take_value)(text, names, is_final)

    def _take_tagged(self, text: str, names: ToolNames, is_final: bool) -> Taken | None:
        first = place = text.find(self.end, len(self.begin))
        for _ in range(_ENDS_INSIDE):
            if place < 0:
                break
            body, end = text[len(self.begin) : place], place + len(self.end)
            if calls := self.read(body, names):
                return Taken(end, tuple(calls))
            if not self.is_inside(body):
                return self._give_up(text, first)
            place = text.find(self.end, end)
        return self._give_up(text, first) if is_final or place >= 0 else None

    def _give_up(self, text: str, first: int) -> Taken:
        """Return what is text after all: up to another ``begin``, or else the ``end``."""
        if first < 0:
            return Taken(len(text))
        again = text.rfind(self.begin, 1, first)
        return Taken(again if again > 0 else first + len(self.end))

    def _take_value(self, text: str, names: ToolNames, is_final: bool) -> Taken | None:
        is_marked = text.startswith(self.begin)
        start = len(self.begin) if is_marked else 0
        end = self.find_end(text, start)
        if end is None:
            return Taken(len(text)) if is_final else None
        read = self.read if is_marked else read_known_calls
        return Taken(end, tuple(read(text[start:end], names) or ()))

    def force(self, name: str | None = None) -> str:
        """Return the beginning of an answer that has to be a call, of the tool if it is named."""
        if name is None:
            return self.opening
        return self.naming % (json.dumps(name)[1:-1] if '"%s"' in self.naming else name)


@dataclass(frozen=True)
class Markup:
    """How a model marks reasoning and calls, and what its template cannot take."""

    #: What opens reasoning, and what closes it.
    think: tuple[str, str] | None = None
    calls: CallMarkup | None = None
    #: Whether user and assistant must take turns.
    alternates: bool = False
    #: Whether one message of the assistant holds one call at most.
    is_single: bool = False
    #: Whether ids of calls must be nine letters and digits.
    has_short_ids: bool = False
    #: Every text that tells reasoning or calls from the rest.
    marks: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        calls = self.calls
        texts = () if calls is None else (calls.begin, calls.end, *calls.inner, *calls.around)
        marks = tuple(text for text in (*(self.think or ()), *texts) if text)
        object.__setattr__(self, "marks", marks)

    def keeps(self, token: str) -> bool:
        """Say whether a special token is part of the markup, so that the reader must see it."""
        return bool(token.strip()) and any(token in mark for mark in self.marks)


def sees_bare_call(text: str) -> bool | None:
    """Say whether a message that begins so is an object with a name; None while it may be."""
    compact = "".join(char for char in text[:256] if char not in SPACE)
    if any(compact.startswith(head) for head in _BARE):
        return True
    return None if any(head.startswith(compact) for head in _BARE) else False


_BARE = ('{"name":', '{"type":"function"')


def find_markup(*, template: str | None, tokens: Container[str]) -> Markup:
    """Tell the markup from a chat template's text and the tokenizer's added tokens.

    The first row of the table whose marks are all in the template, else the first whose marks are
    all tokens. Thread-safe.
    """
    text = template or ""
    in_text = (calls for marks, calls in _CALLS if all(mark in text for mark in marks))
    in_tokens = (calls for marks, calls in _CALLS if all(mark in tokens for mark in marks))
    think = (pair for sign, token, pair in _THINK if sign in text or token in tokens)
    return Markup(
        think=next(think, None),
        calls=next(in_text, None) or next(in_tokens, None),
        alternates="must alternate" in text,
        is_single=any(words in text for words in _ONE_CALL),
        has_short_ids="length 9" in text,
    )


#: What templates say that take only one call a message: Llama's and that of gpt-oss.
_ONE_CALL = ("single tool-calls", "max 1 tool call per message")


def _make_is_inside(opening: str, closing: str) -> Callable[[str], bool]:
    return lambda text: text.count(opening) > text.count(closing)


def _make_is_quoted(quote: str) -> Callable[[str], bool]:
    return lambda text: text.count(quote) % 2 == 1


def _make_list(begin: str, end: str) -> CallMarkup:
    """Make the markup of a list of calls, in JSON, behind a token."""
    return CallMarkup(
        begin=begin,
        end=end,
        read=read_json_calls,
        opening=begin + '[{"name": "',
        naming=begin + '[{"name": "%s", "arguments":',
    )


def _make_gemma(begin: str, end: str, quote: str) -> CallMarkup:
    return CallMarkup(
        begin=begin,
        end=end,
        read=make_gemma_reader(quote),
        opening=begin + "call:",
        naming=begin + "call:%s{",
        is_inside=_make_is_quoted(quote),
        inner=(quote,),
    )


_HERMES = CallMarkup(
    begin="<tool_call>",
    end="</tool_call>",
    read=read_json_calls,
    opening='<tool_call>\n{"name": "',
    naming='<tool_call>\n{"name": "%s", "arguments":',
)
_QWEN_XML = CallMarkup(
    begin="<tool_call>",
    end="</tool_call>",
    read=read_xml_calls,
    opening="<tool_call>\n<function=",
    naming="<tool_call>\n<function=%s>\n",
    is_inside=_make_is_inside("<parameter=", "</parameter>"),
)
_GLM = CallMarkup(
    begin="<tool_call>",
    end="</tool_call>",
    read=read_pair_calls,
    opening="<tool_call>",
    naming="<tool_call>%s\n",
    is_inside=_make_is_inside("<arg_value>", "</arg_value>"),
    inner=("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
)
_MISTRAL = CallMarkup(
    begin="[TOOL_CALLS]",
    end="",
    read=read_named_calls,
    opening="[TOOL_CALLS]",
    naming="[TOOL_CALLS]%s[ARGS]",
    find_end=find_named_value,
    inner=("[CALL_ID]", "[ARGS]"),
)
_MISTRAL_LIST = CallMarkup(
    begin="[TOOL_CALLS]",
    end="",
    read=read_named_calls,
    opening='[TOOL_CALLS][{"name": "',
    naming='[TOOL_CALLS][{"name": "%s", "arguments":',
    find_end=find_named_value,
)
_LLAMA = CallMarkup(
    begin="<|python_tag|>",
    end="",
    read=read_json_calls,
    opening='{"name": "',
    naming='{"name": "%s", "parameters":',
    is_bare=True,
)
_HARMONY = CallMarkup(
    begin="to=functions.",
    end="<|call|>",
    read=read_harmony_calls,
    opening="<|channel|>commentary to=functions.",
    naming="<|channel|>commentary to=functions.%s <|constrain|>json<|message|>",
    inner=("<|constrain|>",),
    around=(
        *("<|start|>assistant", "<|channel|>commentary", "<|channel|>final", "<|message|>"),
        *("<|end|>", "<|return|>"),
    ),
)

#: Rows: what must be there, and the markup of the calls. The more special row comes first.
_CALLS: tuple[tuple[tuple[str, ...], CallMarkup], ...] = (
    (("<tool_call>", "<function="), _QWEN_XML),
    (("<tool_call>", "<arg_key>"), _GLM),
    (("<tool_call>",), _HERMES),
    (("[TOOL_CALLS]", "[ARGS]"), _MISTRAL),
    (("[TOOL_CALLS]",), _MISTRAL_LIST),
    (("<|tool_call>", "<tool_call|>"), _make_gemma("<|tool_call>", "<tool_call|>", '<|"|>')),
    (
        ("<start_function_call>",),
        _make_gemma("<start_function_call>", "<end_function_call>", "<escape>"),
    ),
    (("<|tool_call|>", "<|/tool_call|>"), _make_list("<|tool_call|>", "<|/tool_call|>")),
    (("<|tool_call|>",), _make_list("<|tool_call|>", "")),
    (("<|python_tag|>",), _LLAMA),
    (("<|channel|>", "<|message|>"), _HARMONY),
)

#: Rows: what of reasoning stands in a template, a token of it, and the marks around it. Templates
#: often know its end only, where they cut it out of earlier answers.
_THINK = (
    ("</think>", "<think>", ("<think>", "</think>")),
    ("[/THINK]", "[THINK]", ("[THINK]", "[/THINK]")),
    ("<|channel>thought", "<|channel>", ("<|channel>thought\n", "<channel|>")),
    ("<|channel|>analysis", "<|channel|>", ("<|channel|>analysis<|message|>", "<|end|>")),
)
