"""What the HTTP side of the API answers with, where it is no Response."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.items.families import ResponseItem
from pyresponses_ws.items.response_details import ImageSettings
from pyresponses_ws.items.usage import ResponseUsage
from pyresponses_ws.model import WireModel

__all__ = ["CompactedResponse", "ResponseItemList"]


class CompactedResponse(WireModel):
    """A conversation made short: the window with which a new chain starts.

    ``output`` is the messages that stay and one ``compaction`` item. Send all of it, unpruned, as
    the start of the next ``input``; ``id`` is no parent, so ``previous_response_id`` does not take
    it (guide, "compaction"). ``usage`` is what the compaction itself cost.
    """

    id: str
    created_at: float
    object: Literal["response.compaction"] = "response.compaction"
    output: list[ResponseItem]
    usage: ResponseUsage | None = None
    image: ImageSettings | None = None


class ResponseItemList(WireModel):
    """One page of the items that a stored response had as its input.

    ``first_id`` and ``last_id`` are None on an empty page.
    """

    object: Literal["list"] = "list"
    data: list[ResponseItem]
    first_id: str | None = None
    has_more: bool
    last_id: str | None = None
