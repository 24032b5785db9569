"""A turn that is ready to send."""

from __future__ import annotations

from dataclasses import dataclass, field

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
