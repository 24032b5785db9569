"""How the model shall write its text."""

from __future__ import annotations

from typing import Any, Literal

from pyresponses_ws.guards import renamed
from pyresponses_ws.model import WireModel

__all__ = [
    "ResponseFormatJSONObject",
    "ResponseFormatText",
    "ResponseFormatTextConfig",
    "ResponseFormatTextJSONSchemaConfig",
    "ResponseTextConfig",
]


class ResponseFormatText(WireModel):
    """Plain text."""

    type: Literal["text"] = "text"


class ResponseFormatTextJSONSchemaConfig(WireModel):
    """JSON of a schema; the wire's ``schema`` is the attribute ``schema_``."""

    type: Literal["json_schema"] = "json_schema"
    description: str | None = None
    name: str
    schema_: dict[str, Any] = renamed("schema")
    strict: bool | None = None


class ResponseFormatJSONObject(WireModel):
    """Any JSON object; the older way."""

    type: Literal["json_object"] = "json_object"


ResponseFormatTextConfig = (
    ResponseFormatText | ResponseFormatTextJSONSchemaConfig | ResponseFormatJSONObject
)


class ResponseTextConfig(WireModel):
    """Format and length of the text."""

    format: ResponseFormatTextConfig | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
