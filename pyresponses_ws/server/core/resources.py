"""What the routes of stored responses answer: the pages of input items, and what a query may say.

Listed as a response's input is the whole context that its turn saw, history included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.kinds import Item
from pyresponses_ws.server.core.rules import INTEGER, check, one_of

_ORDER = one_of("asc", "desc")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}

#: The limits of the API reference.
_MAX_LIMIT = 100
_DEFAULT_LIMIT = 20


@dataclass(frozen=True, kw_only=True)
class PageQuery:
    """Which input items to list."""

    after: str | None = None
    limit: int = _DEFAULT_LIMIT
    is_ascending: bool = False


def parse_page_query(query: Mapping[str, str]) -> PageQuery:
    """Read the query of a list. Raises the 400 that names the parameter."""
    order = query.get("order", "desc")
    check("order", order, _ORDER)
    limit = _parse_integer("limit", query.get("limit", str(_DEFAULT_LIMIT)))
    if limit < 1:
        raise errors.below_minimum("limit", limit, 1)
    if limit > _MAX_LIMIT:
        raise errors.above_maximum("limit", limit, _MAX_LIMIT)
    return PageQuery(after=query.get("after"), limit=limit, is_ascending=order == "asc")


def check_retrieve_query(query: Mapping[str, str]) -> None:
    """Refuse what a stored response cannot be read with. Raises BadRequestError.

    Only responses that run in the background can be streamed again, and none does here.
    """
    if _parse_boolean("stream", query.get("stream", "false")):
        message = "'stream' is not supported here: this response did not run in the background."
        raise errors.bad_request(message, param="stream")
    if "starting_after" in query:
        _parse_integer("starting_after", query["starting_after"])
        message = "'starting_after' needs 'stream', which is not supported here."
        raise errors.bad_request(message, param="starting_after")
    _parse_boolean("include_obfuscation", query.get("include_obfuscation", "true"))


def make_page(items: Sequence[Item], query: PageQuery) -> dict[str, Any]:
    """Return one page of items with ids, oldest first. Raises the 400 of an unknown ``after``."""
    listed = items if query.is_ascending else items[::-1]
    start = 0
    if query.after is not None:
        start = 1 + _index_of(listed, query.after)
    data = [as_listed(item) for item in listed[start : start + query.limit]]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(listed) > start + len(data),
    }


def deleted(response_id: str) -> dict[str, Any]:
    """Return the answer to a DELETE."""
    return {"id": response_id, "object": "response", "deleted": True}


def as_listed(item: Item) -> Item:
    """Return an item as the service lists it: a message has a status and parts."""
    if item["type"] != "message":
        return item
    content = item.get("content")
    if isinstance(content, str):
        kind = "output_text" if item.get("role") == "assistant" else "input_text"
        extra: Item = {"annotations": []} if kind == "output_text" else {}
        content = [{"type": kind, "text": content, **extra}]
    return {**item, "content": content, "status": item.get("status") or "completed"}


def _index_of(items: Sequence[Item], item_id: str) -> int:
    for index, item in enumerate(items):
        if item["id"] == item_id:
            return index
    raise errors.unknown_cursor(item_id)


def _parse_integer(name: str, text: str) -> int:
    # Nine digits are more than any of these may be, and int() of a million takes seconds.
    if not (text.lstrip("-").isascii() and text.lstrip("-").isdigit() and len(text) < 10):
        raise errors.invalid_type(name, INTEGER.expected, text)
    try:
        return int(text)
    except ValueError:  # More than one sign.
        raise errors.invalid_type(name, INTEGER.expected, text) from None


def _parse_boolean(name: str, text: str) -> bool:
    if text not in _TRUTH:
        raise errors.invalid_value(name, text, "'true' and 'false'")
    return _TRUTH[text]
