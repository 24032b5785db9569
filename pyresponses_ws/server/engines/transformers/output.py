"""What a local model writes, as deltas: text, reasoning and whole tool calls.

The text comes in pieces that may be cut anywhere. From the marker of a call on it is held until the
call is whole; anything else goes out as soon as it cannot be the beginning of a marker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from pyresponses_ws.server.engines.base import CallDelta, Delta, ReasoningDelta, TextDelta
from pyresponses_ws.server.engines.transformers.calls import SPACE, ParsedCall
from pyresponses_ws.server.engines.transformers.markup import Markup, sees_bare_call
from pyresponses_ws.server.engines.transformers.surrogates import replace_surrogates
from pyresponses_ws.server.engines.transformers.tools import ToolName, ToolNames

#: Characters of arguments in one delta: some four tokens, as if they had been streamed.
_PIECE = 16


@dataclass(frozen=True)
class Start:
    """How an answer begins before the model writes a token."""

    #: What to put behind the rendered prompt.
    appended: str
    #: The ``prefix`` of the answer's ``OutputReader``.
    prefix: str


def start_answer(rendered: str, prefill: str, markup: Markup) -> Start:
    """Fit a prefill to a rendered prompt that may have opened the reasoning already.

    A call cannot begin inside reasoning, so that a prefill ends what the template has opened.
    """
    think = markup.think
    if think is None or not rendered.rstrip(SPACE).endswith(think[0].rstrip(SPACE)):
        return Start(prefill, prefill)
    if prefill:
        return Start(f"\n{think[1]}\n\n{prefill}", prefill)
    return Start("", think[0])


class _State(Enum):
    TEXT = auto()
    REASONING = auto()
    #: What is held begins with the marker of a call.
    CALL = auto()


class OutputReader:
    """Reads one answer: any number of ``feed``, then ``finish``. Not thread-safe.

    However the text is cut into pieces, the deltas joined are the same. Every character comes out
    once, as text, reasoning or part of a call, but for: the markers, the white space around
    reasoning and calls and at the head of the answer, and all that follows ``is_finished``. What
    begins like a call and is none, or is never closed, comes out as text, its marker included.
    White space waits for what comes next, since a marker may. Never raises.

    ``prefix`` is what of the answer the prompt holds already; it comes out only as part of a call,
    or of what was to be one. Without ``tools`` nothing is a call. A name that is none of theirs is
    still one: the client decides. ``is_parallel`` False ends the answer behind its first call.
    """

    def __init__(
        self, markup: Markup, *, tools: ToolNames, prefix: str = "", is_parallel: bool = True
    ) -> None:
        self._think = markup.think
        self._calls = markup.calls if tools else None
        # Marks that are left out wherever they stand in a text.
        self._around = markup.calls.around if markup.calls else ()
        self._tools = tools
        self._is_parallel = is_parallel
        self._state = _State.TEXT
        # What was fed and is not decided, and how much of it holds no end of a call.
        self._held = ""
        self._searched = 0
        # White space that goes out only if text follows, and whether none is wanted: at a head.
        self._space = ""
        self._is_head = True
        # What besides white space may be left out at a head: the mark between two bare calls.
        self._separator = ""
        #: Whether no more output is wanted.
        self.is_finished = False
        self.feed(prefix)

    @property
    def in_reasoning(self) -> bool:
        """Whether what is fed next belongs to the reasoning."""
        return self._state is _State.REASONING

    def feed(self, text: str) -> list[Delta]:
        """Return what ``text`` made certain; after ``is_finished``, nothing."""
        return self._drain(text, is_final=False)

    def finish(self) -> list[Delta]:
        """Return the rest. The answer is finished afterwards."""
        deltas = self._drain("", is_final=True)
        if self._space and not self._is_head:
            deltas.append(self._make(self._space))
        self._space, self.is_finished = "", True
        return deltas

    def _drain(self, text: str, *, is_final: bool) -> list[Delta]:
        if self.is_finished:
            return []
        self._held += text
        deltas: list[Delta] = []
        while self._held and self._step(deltas, is_final):
            pass
        return deltas

    def _step(self, deltas: list[Delta], is_final: bool) -> bool:
        """Take what is certain from the front of what is held; False if nothing more is."""
        if self._state is _State.CALL:
            return self._take_call(deltas, is_final)
        if self._state is _State.TEXT and self._is_head:
            verdict = self._look_for_bare_call()
            if verdict or (verdict is None and not is_final):
                return bool(verdict)
        return self._take_text(deltas, is_final)

    def _look_for_bare_call(self) -> bool | None:
        """Say whether a call without a marker begins; None while it may."""
        self._held = self._held.lstrip(SPACE + self._separator)
        if self._calls is None or not self._calls.is_bare:
            return False
        verdict = sees_bare_call(self._held)
        if verdict:
            self._enter(_State.CALL)
        return verdict

    def _take_text(self, deltas: list[Delta], is_final: bool) -> bool:
        """Hand out up to the next marker, or up to what may be the beginning of one."""
        marks = self._marks()
        place, mark = _find_first(self._held, marks)
        if mark is None:
            kept = 0 if is_final else _overlap(self._held, marks)
            self._say(self._cut(len(self._held) - kept), deltas)
            return False
        self._say(self._cut(place), deltas)
        if marks[mark] is not _State.CALL:
            self._cut(len(mark))
            self._begin_anew()
        self._enter(marks[mark])
        return True

    def _marks(self) -> dict[str, _State]:
        """Return the markers that count here, and what each leads to."""
        if self._state is _State.REASONING and self._think is not None:
            return {self._think[1]: _State.TEXT}
        marks = dict.fromkeys(self._around, _State.TEXT)
        if self._think is not None:
            marks[self._think[0]] = _State.REASONING
        if self._calls is not None:
            marks[self._calls.begin] = _State.CALL
        return marks

    def _take_call(self, deltas: list[Delta], is_final: bool) -> bool:
        """Hand out a call, or text that only looked like one, once either is certain."""
        calls = self._calls
        assert calls is not None
        news = self._held[self._searched :]
        if not is_final and not any(closer in news for closer in calls.closers):
            return False
        taken = calls.take(self._held, self._tools, is_final=is_final)
        if taken is None:
            self._searched = max(0, len(self._held) - len(calls.end))
            return False
        self._enter(_State.TEXT)
        text = self._cut(taken.length)
        if not taken.calls:
            self._say(text, deltas)
            return True
        deltas += self._call(taken.calls)
        self._begin_anew(";" if calls.is_bare else "")
        return not self.is_finished

    def _call(self, calls: tuple[ParsedCall, ...]) -> Iterator[Delta]:
        if not self._is_parallel:
            calls, self._held, self.is_finished = calls[:1], "", True
        for call in calls:
            yield from _make_call(call, self._tools.get(call.name))

    def _enter(self, state: _State) -> None:
        self._state, self._searched = state, 0

    def _begin_anew(self, separator: str = "") -> None:
        """Drop the white space on both sides of what has just ended."""
        self._space, self._is_head, self._separator = "", True, separator

    def _cut(self, length: int) -> str:
        """Take the first characters of what is held."""
        text, self._held = self._held[:length], self._held[length:]
        return text

    def _say(self, text: str, deltas: list[Delta]) -> None:
        """Hand out text or reasoning, but keep its white space at the end for now."""
        text = text.lstrip(SPACE) if self._is_head else self._space + text
        said = text.rstrip(SPACE)
        self._space = text[len(said) :]
        if said:
            deltas.append(self._make(said))
            self._is_head = False

    def _make(self, text: str) -> Delta:
        if self._state is _State.REASONING:
            return ReasoningDelta(text, kind="content")
        return TextDelta(text)


def _find_first(text: str, marks: Iterable[str]) -> tuple[int, str | None]:
    """Return the place of the first marker in ``text`` and the marker; None if there is none."""
    found = [(place, mark) for mark in marks if (place := text.find(mark)) >= 0]
    return min(found, default=(0, None), key=lambda each: each[0])


def _overlap(text: str, marks: Iterable[str]) -> int:
    """Return the length of the longest end of ``text`` with which a marker may begin."""
    return max((_overlap_one(text, mark) for mark in marks), default=0)


def _overlap_one(text: str, mark: str) -> int:
    lengths = range(min(len(text), len(mark) - 1), 0, -1)
    return next((length for length in lengths if text.endswith(mark[:length])), 0)


def _make_call(call: ParsedCall, tool: ToolName | None) -> Iterator[Delta]:
    """Yield the name, which opens a call, then its arguments or input in pieces."""
    tool = tool or ToolName(call.name)
    kind: Literal["custom", "function"] = "custom" if tool.is_custom else "function"
    yield CallDelta(name=tool.name, kind=kind, namespace=tool.namespace)
    text = _read_input(call.arguments) if tool.is_custom else call.arguments
    for start in range(0, len(text), _PIECE):
        yield CallDelta(text[start : start + _PIECE])


def _read_input(arguments: str) -> str:
    """Return the input of a custom tool: ``input``, or the only argument, or else all of them."""
    values = json.loads(arguments)
    only = next(iter(values.values())) if len(values) == 1 else None
    text = values.get("input", only)
    # One may come out of an escape, and can be sent on no wire.
    return replace_surrogates(text) if isinstance(text, str) else arguments
