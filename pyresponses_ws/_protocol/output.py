"""The output of one response, put together from its events.

Pieces are told apart by ``output_index`` alone, never by id: some proxies give an item another id
in each event. Any set-up event may be missing, any ``done`` too; a ``done`` beats the deltas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws._protocol.tree import Path, Sparse, Text, freeze, get, merge, put
from pyresponses_ws.codec import decode_item
from pyresponses_ws.model import WireModel, plain


@dataclass(frozen=True)
class _Target:
    """What a delta appends to: ``path`` in an item of ``item_type``, ``...`` being its place."""

    item_type: str
    path: tuple[Any, ...]
    #: Attribute of the event that holds the place, if the path has one.
    place: str | None = None
    #: Attribute of the ``done`` event that holds the whole.
    whole: str = "text"
    #: The part to make up when its set-up event is missing.
    blank: Mapping[str, Any] = field(default_factory=dict)

    def path_of(self, event: Any) -> Path:
        place = 0 if self.place is None else _place(getattr(event, self.place, None), 0)
        return tuple(place if step is ... else step for step in self.path)


_OUTPUT_TEXT = {"type": "output_text", "annotations": [], "text": ""}

#: By the type of the delta, without its ``.delta``.
_TARGETS = {
    "response.output_text": _Target(
        "message", ("content", ..., "text"), "content_index", blank=_OUTPUT_TEXT
    ),
    "response.refusal": _Target(
        "message",
        ("content", ..., "refusal"),
        "content_index",
        whole="refusal",
        blank={"type": "refusal", "refusal": ""},
    ),
    "response.reasoning_text": _Target(
        "reasoning",
        ("content", ..., "text"),
        "content_index",
        blank={"type": "reasoning_text", "text": ""},
    ),
    "response.reasoning_summary_text": _Target(
        "reasoning",
        ("summary", ..., "text"),
        "summary_index",
        blank={"type": "summary_text", "text": ""},
    ),
    "response.function_call_arguments": _Target("function_call", ("arguments",), whole="arguments"),
    "response.custom_tool_call_input": _Target("custom_tool_call", ("input",), whole="input"),
    "response.mcp_call_arguments": _Target("mcp_call", ("arguments",), whole="arguments"),
    "response.code_interpreter_call_code": _Target(
        "code_interpreter_call", ("code",), whole="code"
    ),
    "response.apply_patch_call_operation_diff": _Target(
        "apply_patch_call", ("operation", "diff"), whole="diff"
    ),
    "response.shell_call_command": _Target(
        "shell_call", ("action", "commands", ...), "command_index", whole="command"
    ),
}

#: What a made-up item has beside its type.
_BLANK_ITEMS: dict[str, dict[str, Any]] = {
    "message": {"role": "assistant", "content": []},
    "reasoning": {"summary": []},
}


class _Closed(list[Any]):
    """Takes the deltas of what is done already, and keeps none of them."""

    def append(self, _delta: Any) -> None:
        """Drop it."""


_CLOSED = _Closed()


class _Entry:
    """One output item, as far as it has come."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self.tree = tree
        #: The item of ``output_item.done``; everything else is history then.
        self.item: Any = None
        self._texts: dict[Path, Text] = {}
        #: Paths whose ``done`` has come.
        self._closed: set[Path] = set()
        #: The typed item of the last look, or None when its shape changed since.
        self._seen: Any = None

    def is_closed(self, path: Path) -> bool:
        is_over = any(path[:length] in self._closed for length in range(1, len(path) + 1))
        return is_over or self.item is not None

    def put(self, path: Path, value: Any) -> None:
        if not self.is_closed(path):
            put(self.tree, path, value)
            self._seen = None

    def begin(self, path: Path, value: Any) -> None:
        """Take a set-up event, which may come after the pieces that it announces."""
        self.put(path, merge(value, get(self.tree, path)))

    def end(self, path: Path, value: Any) -> None:
        """Take a ``done``: what had grown under the path no longer counts."""
        self.put(path, value)
        self._closed.add(path)
        size = len(path)
        self._texts = {where: t for where, t in self._texts.items() if where[:size] != path}

    def begin_item(self, wire: dict[str, Any]) -> None:
        self.tree = merge(wire, self.tree)
        self._seen = None

    def text(self, path: Path, blank: Mapping[str, Any]) -> Text:
        """Return the growing text at ``path``, starting from what a set-up event put there."""
        text = self._texts.get(path)
        if text is None or get(self.tree, path) is not text:
            if blank and get(self.tree, path[:-1]) is None:
                self.put(path[:-1], dict(blank))
            begun = get(self.tree, path)
            text = self._texts[path] = Text(begun if isinstance(begun, str) else "")
            self.put(path, text)
        return text

    def look(self) -> Any:
        """Return the typed item of now; the same object until something changes."""
        if self.item is not None:
            return self.item
        if self._seen is None or any(text.tail for text in self._texts.values()):
            self._seen = decode_item(freeze(self.tree))
        return self._seen

    def settle(self, status: str) -> Any:
        """Return the item for a response that is over, so that it is not left in progress."""
        if self.item is None and self.tree.get("status") == "in_progress":
            self.put(("status",), status)
        return self.look()


class Output:
    """Collects the output items of one response. Events that make no sense change nothing."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        #: Where the deltas go, by type, ``output_index`` and place as they stand in the event.
        self.tails: dict[tuple[Any, ...], list[Any]] = {}

    @property
    def has_begun(self) -> bool:
        """True when something of an item has arrived."""
        return bool(self._entries)

    def items(self) -> list[Any]:
        """Return every item as it is now, in the order of ``output_index``."""
        return [self._entries[index].look() for index in sorted(self._entries)]

    def finished(self) -> list[Any]:
        """Return the items whose ``output_item.done`` has come."""
        return [each.item for _, each in sorted(self._entries.items()) if each.item is not None]

    def unfinished(self) -> list[Any]:
        """Return the others, with what has come of them."""
        return [each.look() for _, each in sorted(self._entries.items()) if each.item is None]

    def settle(self, status: str) -> list[Any]:
        """Return every item for the final response; ``status`` is for those without a ``done``."""
        return [self._entries[index].settle(status) for index in sorted(self._entries)]

    def open_tail(self, event: Any, place: Any) -> None:
        """Take the first delta of a text, and find out where the next ones go."""
        target = _TARGETS[event.type.removesuffix(".delta")]
        entry = self.entry(event, target.item_type)
        path = target.path_of(event)
        tail = _CLOSED if entry.is_closed(path) else entry.text(path, target.blank).tail
        tail.append(event.delta)
        if type(event.output_index) is int and (place is None or type(place) is int):
            self.tails[event.type, event.output_index, place] = tail

    def close_tails(self, event: Any) -> None:
        """Make the deltas of this item find their place anew, something being done now."""
        index = event.output_index
        for key in [key for key in self.tails if key[1] == index]:
            del self.tails[key]

    def entry(self, event: Any, item_type: str) -> _Entry:
        """Return the entry of the event's item, made up if nothing of it has come yet."""
        index = event.output_index
        if type(index) is not int:
            index = self._current_index()
        if index not in self._entries:
            tree = {"type": item_type, "status": "in_progress", **_BLANK_ITEMS.get(item_type, {})}
            item_id = getattr(event, "item_id", None)
            self._entries[index] = _Entry(tree if item_id is None else {"id": item_id, **tree})
        return self._entries[index]

    def _current_index(self) -> int:
        """Return where an event belongs that does not say it: the item that is being written."""
        last = max(self._entries, default=0)
        is_over = last in self._entries and self._entries[last].item is not None
        return last + 1 if is_over else last

    def add_item(self, event: Any) -> None:
        """Take ``output_item.added``."""
        if not isinstance(event.item, WireModel):
            return
        index = event.output_index
        if type(index) is not int:
            index = max(self._entries, default=-1) + 1
        entry = self._entries.setdefault(index, _Entry({}))
        if entry.item is None:
            entry.begin_item(event.item.to_dict())
            self.close_tails(event)

    def finish_item(self, event: Any) -> None:
        """Take ``output_item.done``."""
        if isinstance(event.item, WireModel):
            self.entry(event, "").item = event.item
            self.close_tails(event)


def _place(value: Any, otherwise: int) -> int:
    """Return an index of an event, or ``otherwise`` where a server leaves it out."""
    return value if type(value) is int else otherwise


# ------------------------------------------------------- one function for each shape of delta
# They run once for every delta, so the place of the text is looked up and nothing else is done.


def _append_content(output: Output, event: Any) -> None:
    try:
        output.tails[event.type, event.output_index, event.content_index].append(event.delta)
    except (KeyError, TypeError):
        output.open_tail(event, event.content_index)


def _append_summary(output: Output, event: Any) -> None:
    try:
        output.tails[event.type, event.output_index, event.summary_index].append(event.delta)
    except (KeyError, TypeError):
        output.open_tail(event, event.summary_index)


def _append_command(output: Output, event: Any) -> None:
    try:
        output.tails[event.type, event.output_index, event.command_index].append(event.delta)
    except (KeyError, TypeError):
        output.open_tail(event, event.command_index)


def _append_whole(output: Output, event: Any) -> None:
    try:
        output.tails[event.type, event.output_index, None].append(event.delta)
    except (KeyError, TypeError):
        output.open_tail(event, None)


# ------------------------------------------------------------------------- the rarer events


def _end_text(output: Output, event: Any) -> None:
    target = _TARGETS[event.type.removesuffix(".done")]
    whole = getattr(event, target.whole, None)
    if not isinstance(whole, str):
        return
    entry, path = output.entry(event, target.item_type), target.path_of(event)
    entry.text(path, target.blank)
    entry.end(path, Text(whole))
    output.close_tails(event)
    _keep_extras(entry, path, event)


def _keep_extras(entry: _Entry, path: Path, event: Any) -> None:
    """Keep what else a ``done`` tells: log probabilities, and a name if the item has none."""
    logprobs, name = getattr(event, "logprobs", None), getattr(event, "name", None)
    if logprobs:
        entry.put((*path[:-1], "logprobs"), plain(logprobs))
    if name is not None and entry.tree.get("name") is None:
        entry.put(("name",), name)


def _take_part(output: Output, event: Any) -> None:
    path, part = _part_path(event), plain(event.part)
    if not isinstance(part, dict):
        return
    entry = output.entry(event, "reasoning" if path[0] == "summary" else "message")
    if event.type.endswith(".done"):
        entry.end(path, part)
    else:
        entry.begin(path, part)
    output.close_tails(event)


def _part_path(event: Any) -> Path:
    if "summary" in event.type:
        return ("summary", _place(event.summary_index, 0))
    return ("content", _place(event.content_index, 0))


def _add_annotation(output: Output, event: Any) -> None:
    annotation = plain(event.annotation)
    if not isinstance(annotation, dict):
        return
    entry = output.entry(event, "message")
    part: Path = ("content", _place(event.content_index, 0))
    if get(entry.tree, part) is None:
        entry.put(part, dict(_OUTPUT_TEXT))
    known = get(entry.tree, (*part, "annotations"))
    count = len(known) if isinstance(known, (list, Sparse)) else 0
    place = _place(event.annotation_index, count)
    entry.put((*part, "annotations", place), annotation)


def _begin_command(output: Output, event: Any) -> None:
    path: Path = ("action", "commands", _place(event.command_index, 0))
    output.entry(event, "shell_call").begin(path, event.command)
    output.close_tails(event)


def _append_console(output: Output, event: Any) -> None:
    """Take the output of a hosted command: standard output and error side by side."""
    entry = output.entry(event, "shell_call_output")
    place = _place(event.command_index, 0)
    pieces = plain(event.delta)
    for name in ("stdout", "stderr"):
        path: Path = ("output", place, name)
        if isinstance(pieces, dict) and pieces.get(name) and not entry.is_closed(path):
            entry.text(path, {"stdout": "", "stderr": ""}).tail.append(pieces[name])


def _end_console(output: Output, event: Any) -> None:
    entry = output.entry(event, "shell_call_output")
    whole = plain(event.output)
    for offset, each in enumerate(whole if isinstance(whole, list) else []):
        entry.end(("output", _place(event.command_index, 0) + offset), each)


_Take = Callable[[Output, Any], None]

_APPENDERS: dict[str | None, _Take] = {
    "content_index": _append_content,
    "summary_index": _append_summary,
    "command_index": _append_command,
    None: _append_whole,
}

#: What each event does to the output; events that are absent do nothing to it.
TAKE: dict[str, _Take] = {
    **{f"{name}.delta": _APPENDERS[target.place] for name, target in _TARGETS.items()},
    **dict.fromkeys((f"{name}.done" for name in _TARGETS), _end_text),
    "response.output_item.added": Output.add_item,
    "response.output_item.done": Output.finish_item,
    "response.content_part.added": _take_part,
    "response.content_part.done": _take_part,
    "response.reasoning_summary_part.added": _take_part,
    "response.reasoning_summary_part.done": _take_part,
    "response.output_text.annotation.added": _add_annotation,
    "response.shell_call_command.added": _begin_command,
    "response.shell_call_output_content.delta": _append_console,
    "response.shell_call_output_content.done": _end_console,
}
