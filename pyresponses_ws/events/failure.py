"""The ``error`` event in all its shapes, and events about the connection itself."""

from __future__ import annotations

from typing import Any, Literal

from pyresponses_ws.events.base import Event
from pyresponses_ws.items.response_details import Misalignment
from pyresponses_ws.model import WireModel

__all__ = [
    "ErrorBody",
    "KeepaliveEvent",
    "ResponseErrorEvent",
    "ResponseMetadataEvent",
    "ResponseUnlistedErrorEvent",
]


class ErrorBody(WireModel):
    """What went wrong. ``detail`` is what one backend sends instead of a message."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    detail: Any = None
    headers: dict[str, str] | None = None
    misalignment: Misalignment | None = None


class ResponseErrorEvent(Event):
    """A request was refused, or a running response broke off. Ends the turn.

    Live, the facts are in ``error``, with ``status`` where a request was refused. The documented
    SSE event is flat: ``code``, ``message`` and ``param`` on the event itself. Both are accepted;
    the shape that did not come reads as None.
    """

    type: Literal["error"] = "error"
    code: str | None = None
    error: ErrorBody | None = None
    headers: dict[str, str] | None = None
    message: str | None = None
    param: str | None = None
    status: int | None = None
    status_code: int | None = None


class ResponseUnlistedErrorEvent(Event):
    """A ``response.error``; in no schema and never observed, but other clients expect it."""

    type: Literal["response.error"] = "response.error"
    code: str | None = None
    error: ErrorBody | None = None
    message: str | None = None
    param: str | None = None


class KeepaliveEvent(Event):
    """Nothing new; fills long silences, and takes a sequence number (observed live)."""

    type: Literal["keepalive"] = "keepalive"


class ResponseMetadataEvent(Event):
    """Facts for the transport, such as routing tokens; one backend's."""

    type: Literal["response.metadata"] = "response.metadata"
    headers: dict[str, str] | None = None
    metadata: dict[str, Any] | None = None
    response_id: str | None = None
