"""Events of a whole response and of its items: each carries the object it is about."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.events.base import Event
from pyresponses_ws.items.content import OutputContent
from pyresponses_ws.items.families import ResponseOutputItem
from pyresponses_ws.items.response import Response

__all__ = [
    "ResponseCancelledEvent",
    "ResponseCompletedEvent",
    "ResponseContentPartAddedEvent",
    "ResponseContentPartDoneEvent",
    "ResponseCreatedEvent",
    "ResponseDoneEvent",
    "ResponseFailedEvent",
    "ResponseInProgressEvent",
    "ResponseIncompleteEvent",
    "ResponseOutputItemAddedEvent",
    "ResponseOutputItemDoneEvent",
    "ResponseQueuedEvent",
]


class ResponseCreatedEvent(Event):
    """A response has begun."""

    type: Literal["response.created"] = "response.created"
    response: Response


class ResponseQueuedEvent(Event):
    """A response waits for its turn."""

    type: Literal["response.queued"] = "response.queued"
    response: Response


class ResponseInProgressEvent(Event):
    """The model works on a response."""

    type: Literal["response.in_progress"] = "response.in_progress"
    response: Response


class ResponseCompletedEvent(Event):
    """A response has ended well. Ends the turn."""

    type: Literal["response.completed"] = "response.completed"
    response: Response


class ResponseIncompleteEvent(Event):
    """A response has ended early; ``response.incomplete_details`` says why. Ends the turn."""

    type: Literal["response.incomplete"] = "response.incomplete"
    response: Response


class ResponseFailedEvent(Event):
    """A response has failed; ``response.error`` says why. Ends the turn."""

    type: Literal["response.failed"] = "response.failed"
    response: Response


class ResponseDoneEvent(Event):
    """A response has ended; in no schema, sent by some compatible servers. Ends the turn."""

    type: Literal["response.done"] = "response.done"
    response: Response


class ResponseCancelledEvent(Event):
    """A response was cancelled; in no schema, sent by some compatible servers. Ends the turn."""

    type: Literal["response.cancelled"] = "response.cancelled"
    response: Response


class ResponseOutputItemAddedEvent(Event):
    """An output item has begun; its parts follow."""

    type: Literal["response.output_item.added"] = "response.output_item.added"
    item: ResponseOutputItem
    output_index: int


class ResponseOutputItemDoneEvent(Event):
    """An output item is complete."""

    type: Literal["response.output_item.done"] = "response.output_item.done"
    item: ResponseOutputItem
    output_index: int


class ResponseContentPartAddedEvent(Event):
    """A part of a message or of reasoning has begun."""

    type: Literal["response.content_part.added"] = "response.content_part.added"
    content_index: int
    item_id: str
    output_index: int
    part: OutputContent


class ResponseContentPartDoneEvent(Event):
    """A part of a message or of reasoning is complete."""

    type: Literal["response.content_part.done"] = "response.content_part.done"
    content_index: int
    item_id: str
    output_index: int
    part: OutputContent
