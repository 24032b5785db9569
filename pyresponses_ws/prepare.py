"""From the arguments of a call to the frame that travels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyresponses_ws import codec
from pyresponses_ws._protocol.recovery import is_effect_free
from pyresponses_ws._runtime.request import TurnRequest, encode_command
from pyresponses_ws.errors import ConfigError, UsageError


def prepare_turn(
    turn: Mapping[str, Any], *, max_bytes: int, lane: str | None = None
) -> TurnRequest:
    """Build the ``response.create`` of a turn.

    None means "not given"; ``extra_body`` is merged last; ``stream`` is implied by the protocol and
    dropped. Raises ConfigError, UsageError for what cannot be JSON (naming the path), and
    RequestTooLargeError; nothing is sent then.
    """
    command = {"type": "response.create", **_wire_fields(turn)}
    if lane is not None:
        command["stream_id"] = lane
    payload = encode_command(command, max_bytes=max_bytes)
    rest = codec.dumps({key: value for key, value in command.items() if key != "input"})
    return TurnRequest(
        payload=payload,
        # The input as it is: it may add tools, and a copy of a long history would cost too much.
        is_effect_free=is_effect_free(
            {**codec.loads(rest.decode()), "input": command.get("input")}
        ),
        is_warm_up=command.get("generate") is False,
        previous_response_id=command.get("previous_response_id"),
        input_bytes=len(payload) - len(rest),
    )


def _wire_fields(turn: Mapping[str, Any]) -> dict[str, Any]:
    extra = turn.get("extra_body") or {}
    if not isinstance(extra, Mapping):
        raise ConfigError(f"extra_body must be a mapping, got {type(extra).__name__}")
    given = {key: value for key, value in turn.items() if value is not None and key != "extra_body"}
    fields = {**given, **extra}
    fields.pop("stream", None)
    if fields.pop("background", None):
        raise UsageError("background=True is not possible over WebSocket; leave it out")
    if "model" in fields and not fields["model"]:
        raise ConfigError("model is empty; name one, for example model='gpt-6-astra'")
    if "stream_id" in fields:
        raise UsageError("stream_id is chosen by the client; use client.connect().lane(name)")
    return fields
