"""Messages in both directions, and references to stored items."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.items.content import InputContent, OutputContent
from pyresponses_ws.items.shared import ItemStatus
from pyresponses_ws.model import WireModel

__all__ = ["EasyInputMessage", "ItemReference", "Phase", "ResponseOutputMessage"]

#: Whether an assistant message is on the way to the answer, or the answer.
Phase = Literal["commentary", "final_answer"]


class EasyInputMessage(WireModel):
    """A message to the model, in the short and the strict form; ``id`` where it is stored."""

    id: str | None = None
    type: Literal["message"] = "message"
    status: ItemStatus | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[InputContent]
    phase: Phase | None = None


class ResponseOutputMessage(WireModel):
    """A message by the model."""

    id: str
    type: Literal["message"] = "message"
    status: ItemStatus
    content: list[OutputContent]
    phase: Phase | None = None
    role: Literal["assistant"] = "assistant"


class ItemReference(WireModel):
    """Stands for an item that the server has stored."""

    type: Literal["item_reference"] = "item_reference"
    id: str
