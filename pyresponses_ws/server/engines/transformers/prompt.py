"""A request as the messages and tools that chat templates take.

Templates differ in what they bear, and most read a system message only in front. So all system and
developer texts are joined there, and what a template is known to refuse is avoided where its text
says so: see ``Markup``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core.errors import bad_request
from pyresponses_ws.server.engines.base import EngineRequest
from pyresponses_ws.server.engines.transformers.content import (
    ContentReader,
    Image,
    text_of,
)
from pyresponses_ws.server.engines.transformers.markup import CallMarkup, Markup
from pyresponses_ws.server.engines.transformers.places import describe_item
from pyresponses_ws.server.engines.transformers.tools import Offer, ToolNames, make_offer, show_name

Item = dict[str, Any]
Message = dict[str, Any]

_SYSTEM_ROLES = frozenset({"system", "developer"})

#: Items that say nothing to a chat model, or nothing that the messages around them do not: tools
#: that the service ran itself, changes of settings, and what brings tools along.
_SILENT = frozenset(
    {
        *("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"),
        *("mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response"),
        *("tool_search_call", "tool_search_output", "additional_tools", "configuration_update"),
        *("compaction", "compaction_trigger"),
    }
)

#: Letters and digits of the ids that some templates insist on.
_SHORT_ID = 9


@dataclass(frozen=True)
class Prompt:
    """What the chat template is given, and what it takes to read the answer."""

    # What was said stands in no log.
    messages: list[Message] = field(repr=False)
    #: In the nested form; None where none are offered.
    tools: list[Item] | None = field(repr=False)
    #: What the assistant's turn begins with, where ``tool_choice`` demands a call.
    prefill: str = ""
    #: In the order of the ``{"type": "image"}`` parts.
    images: tuple[Image, ...] = ()
    #: The offered tools by the names that the model is told; for ``OutputReader``.
    names: ToolNames = field(default_factory=dict)


def make_prompt(request: EngineRequest, *, accepts_images: bool, markup: Markup) -> Prompt:
    """Turn a request into what the model is told. Raises BadRequestError. Thread-safe."""
    _check_format(request.settings)
    offer = make_offer(request)
    reader = ContentReader(accepts_images=accepts_images)
    messages = _Conversation(reader, markup).read(request)
    return Prompt(
        messages=messages,
        tools=offer.tools or None,
        prefill=_make_prefill(offer, markup.calls),
        images=tuple(reader.images),
        names=offer.names,
    )


def _check_format(settings: Mapping[str, Any]) -> None:
    """Refuse a promise that nothing here could keep: the model writes what it likes."""
    text = settings.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in (None, "text"):
        message = (
            f"Unsupported value: 'text.format' does not support '{str(kind)[:64]}' with this "
            "server: a local model's output cannot be held to a format. Ask for it in words."
        )
        raise bad_request(message, code="unsupported_value", param="text.format")


def _make_prefill(offer: Offer, calls: CallMarkup | None) -> str:
    if not offer.is_required:
        return ""
    if calls is None:
        message = (
            "Unsupported value: 'tool_choice' cannot demand a call: nothing is known about how "
            "this model writes calls. Use 'auto'."
        )
        raise bad_request(message, code="unsupported_value", param="tool_choice")
    names = list(offer.names)
    return calls.force(names[0] if len(names) == 1 else None)


class _Conversation:
    """Builds the messages of one context, oldest first."""

    def __init__(self, reader: ContentReader, markup: Markup) -> None:
        self._reader = reader
        self._markup = markup
        self._system: list[str] = []
        self._messages: list[Message] = []
        # Reasoning that waits for the message of the assistant that it led to.
        self._reasoning: list[str] = []
        # Names of the tools by the ids of their calls.
        self._names: dict[str, str] = {}
        # Words for the item that is being read.
        self._place = ""

    def read(self, request: EngineRequest) -> list[Message]:
        """Return the messages of a request. Raises BadRequestError."""
        for from_end, item in _without_replaced(request):
            self._place = describe_item(item, from_end)
            self._add(item)
        system = "\n\n".join(text for text in (request.instructions, *self._system) if text)
        head = [self._write("system", system)] if system else []
        messages = [*head, *self._messages]
        if not messages and request.generate:
            message = "The input is empty: there is nothing that a model could answer."
            raise bad_request(message, code="missing_required_parameter", param="input")
        # A warm-up may come before there is anything to say, and no template reads no messages.
        return messages or [self._write("user", "")]

    def _add(self, item: Item) -> None:
        kind = item.get("type") or "message"
        if kind == "message":
            self._add_message(item)
        elif kind == "reasoning":
            texts = (text_of(item.get("content")), text_of(item.get("summary")))
            self._reasoning += [next((text for text in texts if text), "")]
        elif kind in ("function_call", "custom_tool_call"):
            self._add_call(item)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._add_output(item)
        elif kind not in _SILENT:
            raise _unreadable(self._place)

    def _add_message(self, item: Item) -> None:
        role = str(item.get("role"))
        if role in _SYSTEM_ROLES:
            self._system.append(self._read_system(item))
        elif role == "assistant":
            self._append({**self._make(role, item), **self._take_reasoning()})
        else:
            self._reasoning.clear()
            self._append(self._make(role, item))

    def _add_call(self, item: Item) -> None:
        """Add a call to the message before it, if that is the assistant's and takes it."""
        call_id, name = str(item.get("call_id")), str(item.get("name"))
        shown = self._names[call_id] = show_name(name, item.get("namespace"))
        call = {
            "type": "function",
            "id": self._show_id(call_id),
            "function": {"name": shown, "arguments": _read_arguments(item)},
        }
        last = self._messages[-1] if self._messages else {}
        has_room = "tool_calls" not in last or not self._markup.is_single
        if last.get("role") != "assistant" or self._reasoning or not has_room:
            last = {**self._write("assistant", ""), **self._take_reasoning()}
            self._messages.append(last)
        last.setdefault("tool_calls", []).append(call)

    def _add_output(self, item: Item) -> None:
        self._reasoning.clear()
        call_id = str(item.get("call_id"))
        name = {"name": self._names[call_id]} if call_id in self._names else {}
        output = self._make("tool", item, "output")
        self._messages.append({**output, "tool_call_id": self._show_id(call_id), **name})

    def _append(self, message: Message) -> None:
        """Add a message, to the one before it where the template wants the roles to take turns."""
        last = self._messages[-1] if self._messages else {}
        is_next = last.get("role") == message["role"] and "tool_calls" not in last
        if self._markup.alternates and is_next:
            self._messages[-1] = {**last, **message, "content": _join(last, message)}
        else:
            self._messages.append(message)

    def _make(self, role: str, item: Item, key: str = "content") -> Message:
        return {"role": role, "content": self._read(item, key)}

    def _write(self, role: str, text: str) -> Message:
        """Make a message of our own."""
        return {"role": role, "content": self._reader.read(text)}

    def _read(self, item: Item, key: str = "content") -> Any:
        return self._reader.read(item.get(key), path=key, item=self._place)

    def _read_system(self, item: Item) -> str:
        """Return the text of a message that is joined to others, and so must be nothing else."""
        parts = self._read(item)
        if any(part["type"] == "image" for part in parts if isinstance(part, dict)):
            message = (
                f"A system or developer message can hold text only, and {self._place}, holds an "
                "image."
            )
            raise bad_request(message, code="invalid_value", param="input")
        return text_of(parts)

    def _take_reasoning(self) -> dict[str, str]:
        text = "\n".join(text for text in self._reasoning if text)
        self._reasoning.clear()
        return {"reasoning_content": text} if text else {}

    def _show_id(self, call_id: str) -> str:
        """Return the id of a call as the template takes it; its output gets the same."""
        if not self._markup.has_short_ids:
            return call_id
        # As JSON allows any, so do we, half of a surrogate pair too.
        return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:_SHORT_ID]


def _without_replaced(request: EngineRequest) -> Iterator[tuple[int, Item]]:
    """Yield the items but for the system message that the instructions take the place of.

    That is the first one, if nobody has spoken before it. Each has its number from the end.
    """
    is_open = bool(request.instructions)
    for index, item in enumerate(request.items):
        if is_open and item.get("role") == "system":
            is_open = False
            continue
        is_open = is_open and item.get("role") == "developer"
        yield len(request.items) - index, item


def _read_arguments(item: Item) -> Any:
    """Return the arguments as the object that templates expect; broken JSON as the text it is."""
    if item.get("type") == "custom_tool_call":
        return {"input": item.get("input", "")}
    text = item.get("arguments", "")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def _join(first: Message, second: Message) -> Any:
    """Return the contents of two messages as one; both have the form of the same reader."""
    one, other = first["content"], second["content"]
    return one + other if isinstance(one, list) else "\n\n".join(filter(None, (one, other)))


def _unreadable(place: str) -> APIError:
    message = (
        f"Invalid type of {place}. A local model reads items of the types 'message', "
        "'reasoning', 'function_call', 'custom_tool_call' and the outputs of the latter two; "
        "leave this one out."
    )
    return bad_request(message, code="invalid_value", param="input")
