"""A turn that is ready to send, and the frame of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws import codec
from pyresponses_ws.errors import RequestTooLargeError
from pyresponses_ws.report import InputMode


@dataclass(frozen=True, kw_only=True)
class TurnRequest:
    """The frame of a turn, and what recovery and reports must know of it."""

    payload: bytes = field(repr=False)
    is_effect_free: bool
    is_warm_up: bool
    previous_response_id: str | None
    #: Bytes of the input's items as JSON.
    input_bytes: int

    @property
    def input_mode(self) -> InputMode:
        """How much of the conversation travels."""
        if self.is_warm_up:
            return "warm"
        return "full" if self.previous_response_id is None else "delta"


def encode_command(command: Mapping[str, Any], *, max_bytes: int) -> bytes:
    """The frame of a command. Raises UsageError for what is no JSON, and RequestTooLargeError."""
    payload = codec.dumps(command)
    if len(payload) > max_bytes:
        raise RequestTooLargeError(
            f"the request has {len(payload):,} bytes, above max_request_bytes ({max_bytes:,}); "
            "send less input, or refer to files by id"
        )
    return payload
