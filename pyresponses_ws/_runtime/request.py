"""A turn that is ready to send."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class TurnRequest:
    """The frame of a turn, and what recovery and reports must know of it."""

    payload: bytes = field(repr=False)
    is_effect_free: bool
    is_warm_up: bool
    previous_response_id: str | None
    #: Bytes of the input's items as JSON.
    input_bytes: int
