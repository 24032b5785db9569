"""Events of the model's reasoning, its summary, and of compaction."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.events.base import Event
from pyresponses_ws.items.content import SummaryText

__all__ = [
    "ResponseCompactionCompactingEvent",
    "ResponseReasoningSummaryPartAddedEvent",
    "ResponseReasoningSummaryPartDoneEvent",
    "ResponseReasoningSummaryTextDeltaEvent",
    "ResponseReasoningSummaryTextDoneEvent",
    "ResponseReasoningTextDeltaEvent",
    "ResponseReasoningTextDoneEvent",
]


class ResponseReasoningTextDeltaEvent(Event):
    """More reasoning in clear."""

    type: Literal["response.reasoning_text.delta"] = "response.reasoning_text.delta"
    content_index: int
    delta: str
    item_id: str
    obfuscation: str | None = None
    output_index: int


class ResponseReasoningTextDoneEvent(Event):
    """The whole text of a piece of reasoning."""

    type: Literal["response.reasoning_text.done"] = "response.reasoning_text.done"
    content_index: int
    item_id: str
    output_index: int
    text: str


class ResponseReasoningSummaryPartAddedEvent(Event):
    """A part of the summary has begun."""

    type: Literal["response.reasoning_summary_part.added"] = "response.reasoning_summary_part.added"
    item_id: str
    output_index: int
    part: SummaryText
    summary_index: int


class ResponseReasoningSummaryPartDoneEvent(Event):
    """A part of the summary is complete, or was cut if ``status`` says so."""

    type: Literal["response.reasoning_summary_part.done"] = "response.reasoning_summary_part.done"
    item_id: str
    output_index: int
    part: SummaryText
    status: Literal["incomplete"] | None = None
    summary_index: int


class ResponseReasoningSummaryTextDeltaEvent(Event):
    """More text of the summary."""

    type: Literal["response.reasoning_summary_text.delta"] = "response.reasoning_summary_text.delta"
    delta: str
    item_id: str
    obfuscation: str | None = None
    output_index: int
    summary_index: int


class ResponseReasoningSummaryTextDoneEvent(Event):
    """The whole text of a part of the summary."""

    type: Literal["response.reasoning_summary_text.done"] = "response.reasoning_summary_text.done"
    item_id: str
    output_index: int
    summary_index: int
    text: str


class ResponseCompactionCompactingEvent(Event):
    """The server has begun to summarise the conversation."""

    type: Literal["response.compaction.compacting"] = "response.compaction.compacting"
    item_id: str
    output_index: int
