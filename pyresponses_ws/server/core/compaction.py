"""Compaction: a long context made short, so that the conversation can go on.

The guide: ``POST /v1/responses/compact`` returns a window, the user's messages and one
``compaction`` item, with which a new chain starts; with ``context_management``, or with a
``compaction_trigger`` in the input, a turn ends with such an item and is continued from there. What
the service puts into the item is encrypted; here it is a summary, packed so that nobody takes it
for text.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pyresponses_ws.server.core.calls import open_calls
from pyresponses_ws.server.core.ids import Ids
from pyresponses_ws.server.core.kinds import Item, call_key
from pyresponses_ws.server.core.request import CreateRequest
from pyresponses_ws.server.core.resources import as_listed
from pyresponses_ws.server.core.response import make_usage
from pyresponses_ws.server.engines.base import UsageDelta

#: How the service's encrypted contents begin (observed live).
_PREFIX = "gAAAAA"

#: Characters of a summary: some 1,000 tokens, the least that the service compacts at all.
_MAX_SUMMARY = 4_000

#: Characters of one item in it; arbitrary.
_MAX_LINE = 200

#: Bytes that an item may unpack to; more is no summary of ours but a bomb.
_MAX_UNPACKED = 64 * 1024

_KEPT_ROLES = frozenset({"user", "developer", "system"})


def needs_compaction(request: CreateRequest, tokens: int, output: Sequence[Item] = ()) -> bool:
    """Say whether a turn with a context of ``tokens`` must end in a compaction.

    A trigger always counts. A threshold waits for a turn whose ``output`` leaves the client nothing
    to answer, since a client may drop all that comes before the compaction, its calls too.
    """
    if any(item["type"] == "compaction_trigger" for item in request.input):
        return True
    entries = request.settings.get("context_management", ())
    thresholds = (entry.get("compact_threshold") for entry in entries)
    is_over = any(limit is not None and tokens >= limit for limit in thresholds)
    return is_over and not open_calls(output)


def compact(items: Sequence[Item], item_id: str) -> tuple[Item, ...]:
    """Return the window of a context: messages of user, developer and system, then the rest as one.

    Calls that wait for an answer stay, and so do compactions that are not ours.
    """
    kept, dropped = _split(items, lambda item: _is_kept(item) or _is_foreign(item))
    return (*kept, make_compaction(dropped, item_id))


def compact_turn(items: Sequence[Item], item_id: str) -> tuple[Item, ...]:
    """Return what a turn that compacts its whole context is continued from.

    The compaction comes first and stands for everything, messages too; what cannot be put into it
    follows.
    """
    kept, dropped = _split(items, _is_foreign)
    return (make_compaction(dropped, item_id), *kept)


def make_compaction(items: Iterable[Item], item_id: str) -> Item:
    """Return the item that stands for others."""
    content = _pack("\n".join(_summarise(items))[-_MAX_SUMMARY:])
    return {"id": item_id, "type": "compaction", "encrypted_content": content}


def expand(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return a context as engines read it: summaries are developer messages, triggers are gone.

    A compaction that is not ours is left out, since nobody here can read it.
    """
    return tuple(read for item in items for read in _read(item))


def make_compacted(
    items: Sequence[Item], *, instructions: str | None, ids: Ids, now: float
) -> dict[str, Any]:
    """Return the CompactedResponse that ``POST /v1/responses/compact`` answers with."""
    response_id = ids.new("resp", now)
    window = compact(items, ids.new("cmp", now))
    named = [{**item, "id": item.get("id") or ids.new_for(item, now)} for item in window]
    read = count_tokens(items) + len(instructions or "") // 4
    written = count_tokens(window[-1:])
    return {
        "id": response_id,
        "created_at": int(now),
        "object": "response.compaction",
        "output": [as_listed(item) for item in named],
        "usage": make_usage(UsageDelta(input_tokens=read, output_tokens=written)),
    }


def count_tokens(items: Iterable[Item]) -> int:
    """Estimate the tokens of items: one for four characters, and one an item."""
    return sum(1 + len(_text_of(_said(item))) // 4 for item in items)


class OpenCompaction:
    """A compaction while it streams: added, compacting, done, with another content in the last.

    The order follows the transcripts; the contents of ``added`` and ``done`` differ live too.
    """

    def __init__(self, item: Item) -> None:
        self._final = item
        self.item: Item = {**item, "encrypted_content": _pack("")}

    def open(self) -> Iterator[dict[str, Any]]:
        yield {"type": "response.output_item.added", "item": self.item}
        yield {"type": "response.compaction.compacting", "item_id": self.item["id"]}

    def add(self, text: str) -> Iterator[dict[str, Any]]:
        raise ValueError("a compaction takes no pieces")

    def close(self, status: str) -> Iterator[dict[str, Any]]:
        self.item = self._final
        yield {"type": "response.output_item.done", "item": self.item}


def _split(items: Sequence[Item], is_kept: Callable[[Item], bool]) -> tuple[list[Item], list[Item]]:
    """Return what stays, open calls included, and what goes."""
    waiting = open_calls(items)
    kept: list[Item] = []
    dropped: list[Item] = []
    for item in items:
        stays = is_kept(item) or call_key(item) in waiting
        (kept if stays else dropped).append(item)
    return kept, dropped


def _is_kept(item: Item) -> bool:
    return item["type"] == "message" and item.get("role") in _KEPT_ROLES


def _is_foreign(item: Item) -> bool:
    return item["type"] == "compaction" and _unpack(item) is None


def _read(item: Item) -> Iterator[Item]:
    if item["type"] == "compaction":
        summary = _unpack(item)
        if summary:
            text = f"Summary of the conversation so far: {summary}"
            content = [{"type": "input_text", "text": text}]
            yield {"type": "message", "role": "developer", "content": content}
    elif item["type"] != "compaction_trigger":
        yield item


def _summarise(items: Iterable[Item]) -> Iterator[str]:
    """Yield a line an item; what was summarised before stays as it is."""
    for item in items:
        kind, text = item["type"], _text_of(_said(item))
        if kind == "compaction":
            yield _unpack(item) or ""
        elif kind == "message":
            yield _cut(f"{item.get('role')}: {text}")
        elif kind.endswith("_call"):
            yield _cut(f"called {item.get('name') or kind}: {text}")
        elif kind.endswith("_output"):
            yield _cut(f"returned: {text}")


def _cut(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}..."


def _said(item: Item) -> list[Any]:
    """Return what an item says, whatever its kind calls it."""
    if item["type"] == "compaction":
        return [_unpack(item)]
    return [item.get(key) for key in ("content", "arguments", "input", "output", "summary")]


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = [value.get("text"), value.get("refusal")]
    if isinstance(value, list):
        return " ".join(text for part in value if (text := _text_of(part)))
    return ""


def _pack(summary: str) -> str:
    data = zlib.compress(json.dumps({"summary": summary}).encode())
    return _PREFIX + base64.urlsafe_b64encode(data).decode()


def _unpack(item: Item) -> str | None:
    """Return the summary of a compaction, or None if it is not ours or damaged."""
    content = item.get("encrypted_content")
    if not isinstance(content, str) or not content.startswith(_PREFIX):
        return None
    try:
        data = base64.b64decode(content[len(_PREFIX) :], altchars=b"-_", validate=True)
        summary = json.loads(zlib.decompressobj().decompress(data, _MAX_UNPACKED))["summary"]
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, RecursionError):
        return None
    return summary if isinstance(summary, str) else None
