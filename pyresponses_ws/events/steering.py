"""Events about input that joins a running response: steering, and the beta's injection."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.events.base import Event
from pyresponses_ws.items.families import ResponseInputItem
from pyresponses_ws.model import WireModel

__all__ = [
    "InjectError",
    "RequiredInput",
    "ResponseInjectCreatedEvent",
    "ResponseInjectFailedEvent",
    "ResponseSteerAcceptedEvent",
    "ResponseSteerFailedEvent",
    "ResponseSteerPendingEvent",
    "SteerError",
    "SteerRejection",
    "SteerTicket",
]


class SteerTicket(WireModel):
    """A steer that the server has taken: its id, and the response that it steers."""

    id: str
    previous_response_id: str


class ResponseSteerAcceptedEvent(Event):
    """The server owns a steer; it is not applied yet."""

    type: Literal["response.steer.accepted"] = "response.steer.accepted"
    steer: SteerTicket


class RequiredInput(WireModel):
    """What the client must send before a steer can go on: a stub of an input item."""

    type: Literal[
        "function_call_output",
        "custom_tool_call_output",
        "computer_call_output",
        "shell_call_output",
        "apply_patch_call_output",
        "tool_search_output",
        "mcp_approval_response",
    ]
    approval_request_id: str | None = None
    call_id: str | None = None
    execution: Literal["client"] | None = None
    name: str | None = None


class ResponseSteerPendingEvent(Event):
    """A steer waits for the client; comes after ``response.completed``."""

    type: Literal["response.steer.pending"] = "response.steer.pending"
    reason: Literal["waiting_for_required_input"] | str
    required_input: list[RequiredInput]
    steer: SteerTicket


class SteerError(WireModel):
    """Why a steer was refused."""

    type: Literal["invalid_request_error"] = "invalid_request_error"
    code: (
        Literal[
            "response_not_found",
            "invalid_input",
            "steering_not_supported",
            "too_many_pending_steers",
            "response_already_completed",
            "response_not_active",
            "successor_creation_failed",
        ]
        | str
    )
    message: str


class SteerRejection(WireModel):
    """A refused steer with its input; no id if it was refused at once."""

    id: str | None = None
    input: str | list[ResponseInputItem]
    previous_response_id: str


class ResponseSteerFailedEvent(Event):
    """A steer was refused; its input may be sent again in a create."""

    type: Literal["response.steer.failed"] = "response.steer.failed"
    error: SteerError
    steer: SteerRejection


class ResponseInjectCreatedEvent(Event):
    """Injected input was committed; beta."""

    type: Literal["response.inject.created"] = "response.inject.created"
    response_id: str


class InjectError(WireModel):
    """Why injected input was refused."""

    code: Literal["response_already_completed", "response_not_found"] | str
    message: str


class ResponseInjectFailedEvent(Event):
    """Injected input was refused; beta."""

    type: Literal["response.inject.failed"] = "response.inject.failed"
    error: InjectError
    input: list[ResponseInputItem]
    response_id: str
