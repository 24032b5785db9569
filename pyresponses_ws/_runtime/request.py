"""A turn that is ready to send, and the frame of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws import codec
from pyresponses_ws.errors import RequestTooLargeError
from pyresponses_ws.report import InputMode

#: Fields that mean something over WebSocket only, or that HTTP says in another way.
WEBSOCKET_FIELDS = frozenset({"type", "stream_id", "generate", "client_metadata"})

_FRAME_START = b'{"type":"response.create"'


@dataclass(frozen=True, kw_only=True)
class TurnRequest:
    """The frame of a turn, and what recovery and reports must know of it."""

    payload: bytes = field(repr=False)
    model: str | None
    is_effect_free: bool
    is_warm_up: bool
    previous_response_id: str | None
    #: Bytes of the input's items as JSON.
    input_bytes: int
    #: It may travel over HTTP: there, a warm-up would generate.
    allows_http: bool
    #: It is too large for a frame, so only HTTP is left.
    is_too_large: bool = False
    #: It has fields that must not travel over HTTP.
    has_websocket_fields: bool = False

    @property
    def input_mode(self) -> InputMode:
        """How much of the conversation travels."""
        if self.is_warm_up:
            return "warm"
        return "full" if self.previous_response_id is None else "delta"

    def http_body(self) -> bytes:
        """The same turn as the body of a streaming POST."""
        if not self.has_websocket_fields:
            return b'{"stream":true' + self.payload.removeprefix(_FRAME_START)
        fields = codec.loads(self.payload.decode())
        kept = {key: value for key, value in fields.items() if key not in WEBSOCKET_FIELDS}
        return codec.dumps({"stream": True, **kept})


def encode_command(command: Mapping[str, Any], *, max_bytes: int) -> bytes:
    """The frame of a command. Raises UsageError for what is no JSON, and RequestTooLargeError."""
    payload = codec.dumps(command)
    if len(payload) > max_bytes:
        raise too_large_error(len(payload), max_bytes)
    return payload


def too_large_error(size: int, limit: int) -> RequestTooLargeError:
    """The error for a frame that the service would refuse."""
    return RequestTooLargeError(
        f"the request has {size:,} bytes, above max_request_bytes ({limit:,}); send less input, "
        'or refer to files by id (a turn of the client\'s own may go over HTTP: transport="auto")'
    )
