"""The offline engine: answers by fixed rules, so that every run says the same.

The last user message decides. Outputs of tools after it are quoted; else a tool that it names is
called; else it is echoed.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.server.engines.arguments import make_arguments, next_quoted
from pyresponses_ws.server.engines.base import (
    CallDelta,
    CancelToken,
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
        """Yield the answer word by word, then the usage."""
        pieces = 0
        for delta in _answer(request) if request.generate else ():
            if cancel.wait(self._delta_delay) if self._delta_delay else cancel.is_set():
                return
            pieces += 1
            yield delta
        yield UsageDelta(input_tokens=count_input(request), output_tokens=pieces)


@dataclass(frozen=True)
class _Situation:
    """The last user text and the outputs of tools that came after it."""

    text: str
    outputs: Sequence[Item]


def _answer(request: EngineRequest) -> Iterator[Delta]:
    situation = _read(request.items)
    if situation.outputs:
        yield from _say(_quote_outputs(request.items, situation.outputs))
        return
    tool = choose_tool(request.tools, request.tool_choice, situation.text)
    if tool is None:
        yield from _say(f"You said: {situation.text}" if situation.text else "You said nothing.")
    else:
        yield from _call(tool, situation.text)


def _read(items: Sequence[Item]) -> _Situation:
    outputs: list[Item] = []
    for item in reversed(items):
        if item.get("role") == "user":
            return _Situation(text_of(item.get("content", "")), outputs[::-1])
        if str(item.get("type", "")).endswith("_output"):
            outputs.append(item)
    return _Situation("", outputs[::-1])


def _quote_outputs(items: Sequence[Item], outputs: Iterable[Item]) -> str:
    names = {item.get("call_id"): item.get("name") for item in items if "name" in item}
    lines = (
        f"{names.get(item.get('call_id')) or 'The tool'} returned: {text_of(item.get('output'))}"
        for item in outputs
    )
    return "\n".join(lines)


def _call(tool: Item, text: str) -> Iterator[Delta]:
    namespace = tool.get("namespace")
    if tool["type"] == "custom":
        yield CallDelta(name=tool["name"], kind="custom", namespace=namespace)
        pieces = _pieces(next_quoted(text) or text)
    else:
        yield CallDelta(name=tool["name"], namespace=namespace)
        pieces = re.findall(r"\w+|\W+", make_arguments(tool, text))
    for piece in pieces:
        yield CallDelta(piece)


def _say(text: str) -> Iterator[Delta]:
    return (TextDelta(piece) for piece in _pieces(text))


def _pieces(text: str) -> list[str]:
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
