"""Where in its input a client finds what a local model cannot read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Characters of a client's own words that an error returns.
_LONGEST = 64


def describe_item(item: Mapping[str, Any], from_end: int) -> str:
    """Return words for an item of a context: its type, its name if it has one, and its place.

    The last item is number 1. From the front there may be a history that only the server has.
    """
    name = item.get("call_id") or item.get("id")
    told = f" '{name[:_LONGEST]}'" if isinstance(name, str) else ""
    kind = str(item.get("type") or "message")[:_LONGEST]
    return f"the '{kind}' item{told}, number {from_end} from the end of the input"
