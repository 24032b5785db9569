"""The offline engine: answers by fixed rules, so that every run says the same.

The last user message decides. Outputs of tools after it are quoted; else a tool that it names is
called; else it is echoed, as JSON where ``text.format`` asks for JSON. A document for a schema is
made as the arguments of a call are: its required properties, from the user's words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.server.engines.arguments import make_arguments, make_document, next_quoted
from pyresponses_ws.server.engines.base import (
    CallDelta,
    CancelToken,
    CutDelta,
    Delta,
    EngineRequest,
    TextDelta,
    UsageDelta,
)
from pyresponses_ws.server.engines.choice import choose_tool

Item = dict[str, Any]


class EchoEngine:
    """See ``run``. ``delta_delay`` seconds pass before each delta of output."""

    def __init__(self, *, delta_delay: float = 0.0) -> None:
        self._delta_delay = delta_delay

    def models(self) -> Sequence[str]:
        """Return the one name to list; every name is accepted and echoed."""
        return ("echo",)

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        """Yield the answer word by word, then the usage; each piece counts as a token."""
        limit = request.settings.get("max_output_tokens")
        pieces = 0
        is_cut = False
        for delta in _answer(request) if request.generate else ():
            if is_cut := limit is not None and pieces >= limit:
                break
            if cancel.wait(self._delta_delay) if self._delta_delay else cancel.is_set():
                return
            pieces += 1
            yield delta
        yield UsageDelta(input_tokens=count_input(request), output_tokens=pieces)
        if is_cut:
            yield CutDelta("max_output_tokens")


@dataclass(frozen=True)
class Situation:
    """The last user text and the outputs of tools that came after it."""

    text: str
    outputs: Sequence[Item]


def _answer(request: EngineRequest) -> Iterator[Delta]:
    """Yield by the first rule that applies: outputs are quoted, a tool is called, words echoed."""
    situation = read_situation(request.items)
    if situation.outputs:
        quoted = _quote_outputs(request.items, situation.outputs)
        return _say(request, quoted, words=quoted)
    tool = choose_tool(request.tools, request.tool_choice, situation.text)
    if tool is not None:
        return _call(tool, situation.text)
    echo = f"You said: {situation.text}" if situation.text else "You said nothing."
    return _say(request, echo, words=situation.text)


def read_situation(items: Sequence[Item]) -> Situation:
    """Read the end of a context, from the last user message on."""
    outputs: list[Item] = []
    for item in reversed(items):
        if item.get("role") == "user":
            return Situation(text_of(item.get("content", "")), outputs[::-1])
        if str(item.get("type", "")).endswith("_output"):
            outputs.append(item)
    return Situation("", outputs[::-1])


def _quote_outputs(items: Sequence[Item], outputs: Iterable[Item]) -> str:
    names = {str(item.get("call_id")): item["name"] for item in items if item.get("name")}
    lines = (
        f"{names.get(str(item.get('call_id')), 'The tool')} returned: {_quote(item.get('output'))}"
        for item in outputs
    )
    return "\n".join(lines)


def _quote(output: object) -> str:
    """Return the text of an output; one without any, as of a shell, as JSON."""
    text = text_of(output)
    return text if text or not output else json.dumps(output, ensure_ascii=False)


def _call(tool: Item, text: str) -> Iterator[Delta]:
    namespace = tool.get("namespace")
    if tool["type"] == "custom":
        yield CallDelta(name=tool["name"], kind="custom", namespace=namespace)
        pieces = cut_words(next_quoted(text) or text)
    else:
        yield CallDelta(name=tool["name"], namespace=namespace)
        pieces = cut_json(make_arguments(tool, text))
    for piece in pieces:
        yield CallDelta(piece)


def _say(request: EngineRequest, text: str, *, words: str) -> Iterator[Delta]:
    """Yield ``text``, or JSON made of ``words`` where the request's ``text.format`` asks for it."""
    wanted = _object(_object(request.settings.get("text")).get("format"))
    if wanted.get("type") == "json_schema":
        pieces = cut_json(make_document(wanted.get("schema"), words))
    elif wanted.get("type") == "json_object":
        pieces = cut_json(json.dumps({"answer": text}, ensure_ascii=False))
    else:
        pieces = cut_words(text)
    return (TextDelta(piece) for piece in pieces)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def cut_json(text: str) -> list[str]:
    """Cut JSON into words and what is between them."""
    return re.findall(r"\w+|\W+", text)


def cut_words(text: str) -> list[str]:
    """Cut a text into words, each with the white space before it, as models do."""
    return re.findall(r"\s*\S+|\s+", text)


def text_of(content: object) -> str:
    """Return the text of a message's content or of a tool's output, whatever its shape."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, (text_of(part) for part in content)))
    if isinstance(content, dict):
        return text_of(content.get("text", ""))
    return ""


def count_input(request: EngineRequest) -> int:
    """Estimate the tokens of the context: one for four characters, and one an item."""
    texts = [request.instructions or "", *(str(tool) for tool in request.tools)]
    texts += [_text_of_item(item) for item in request.items]
    return sum(1 + len(text) // 4 for text in texts if text)


def _text_of_item(item: Item) -> str:
    parts = (item.get(key) for key in ("content", "arguments", "input", "output"))
    return " ".join(text_of(part) for part in parts if part is not None)
