"""Events as servers send them, for the tests of the pure protocol.

They are typed as Any: a test knows which class it has made, and reads its fields.
"""

from __future__ import annotations

from typing import Any

from pyresponses_ws.codec import parse_event


def event(type: str, *, lane: str | None = None, **fields: Any) -> Any:
    """Decode an event of this type, on a lane."""
    named = {} if lane is None else {"stream_id": lane}
    return parse_event({"type": type, **fields, **named})


def lifecycle(
    type: str, response_id: str = "resp_1", *, lane: str | None = None, **fields: Any
) -> Any:
    """Make an event that carries a Response: ``created``, ``completed`` and so on."""
    response = {"id": response_id, "object": "response", **fields}
    return event(f"response.{type}", response=response, lane=lane)


def created(response_id: str = "resp_1", *, lane: str | None = None, **fields: Any) -> Any:
    """Make ``response.created`` with the empty output that it has live."""
    started = {"status": "in_progress", "output": [], **fields}
    return lifecycle("created", response_id, lane=lane, **started)


def completed(response_id: str = "resp_1", *, lane: str | None = None, **fields: Any) -> Any:
    """Make ``response.completed``; without ``output`` unless it is given."""
    return lifecycle("completed", response_id, lane=lane, status="completed", **fields)


def failed(response_id: str = "resp_1", *, lane: str | None = None, **fields: Any) -> Any:
    """Make ``response.failed``."""
    error = {"code": "server_error", "message": "It broke."}
    return lifecycle("failed", response_id, lane=lane, status="failed", error=error, **fields)


def delta(text: str = "x", *, lane: str | None = None, index: int = 0, part: int = 0) -> Any:
    """Make a piece of text."""
    return event(
        "response.output_text.delta",
        lane=lane,
        delta=text,
        item_id=f"msg_{index}",
        output_index=index,
        content_index=part,
    )


def refusal_of_request(
    code: str | None = "invalid_type", *, lane: str | None = None, **fields: Any
) -> Any:
    """Make an ``error`` that answers a request: a status, no sequence number."""
    error = {"type": "invalid_request_error", "code": code, "message": "No.", "param": None}
    return event("error", status=400, error=error, lane=lane, **fields)


def break_off(*, lane: str | None = None, sequence_number: int = 2) -> Any:
    """Make an ``error`` in the middle of a response: a sequence number, no status."""
    error = {"type": "server_error", "code": None, "message": "Sorry."}
    return event("error", error=error, sequence_number=sequence_number, lane=lane)


KEEPALIVE = event("keepalive", sequence_number=1)
LIMIT = refusal_of_request("websocket_connection_limit_reached")
