"""Reasoning, compaction and changes of settings: items that carry the state of a chain."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.items.content import ReasoningText, SummaryText
from pyresponses_ws.items.shared import ItemStatus, ReasoningEffort
from pyresponses_ws.items.text_format import (
    ResponseFormatJSONObject,
    ResponseFormatText,
    ResponseFormatTextJSONSchemaConfig,
)
from pyresponses_ws.model import WireModel

__all__ = [
    "CompactionTrigger",
    "ConfigurationUpdateReasoning",
    "ConfigurationUpdateText",
    "ResponseCompactionItem",
    "ResponseConfigurationUpdateItem",
    "ResponseReasoningItem",
]


class ResponseReasoningItem(WireModel):
    """The model's reasoning; ``encrypted_content`` lets it be sent back without being stored.

    The value of ``encrypted_content`` in ``output_item.done`` is the one to keep: the one in
    ``output_item.added`` differs (observed live).
    """

    id: str
    type: Literal["reasoning"] = "reasoning"
    status: ItemStatus | None = None
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    summary: list[SummaryText]


class ResponseCompactionItem(WireModel):
    """Stands for the conversation before it."""

    id: str | None = None
    type: Literal["compaction"] = "compaction"
    created_by: str | None = None
    encrypted_content: str


class CompactionTrigger(WireModel):
    """Asks for a compaction at this place of the input."""

    id: str | None = None
    type: Literal["compaction_trigger"] = "compaction_trigger"


class ConfigurationUpdateReasoning(WireModel):
    """The reasoning effort from here on."""

    effort: ReasoningEffort | None = None


class ConfigurationUpdateText(WireModel):
    """The format of the text from here on."""

    format: ResponseFormatText | ResponseFormatTextJSONSchemaConfig | ResponseFormatJSONObject


class ResponseConfigurationUpdateItem(WireModel):
    """Changes effort or format for later responses without touching the cached prefix."""

    id: str | None = None
    type: Literal["configuration_update"] = "configuration_update"
    reasoning: ConfigurationUpdateReasoning | None = None
    text: ConfigurationUpdateText | None = None
