"""From the arguments of a call to the frame that travels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyresponses_ws import codec
from pyresponses_ws._protocol.recovery import is_effect_free
from pyresponses_ws._runtime.request import TurnRequest
from pyresponses_ws.errors import ConfigError, RequestTooLargeError, UsageError


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
    payload = codec.dumps(command)
    if len(payload) > max_bytes:
        raise RequestTooLargeError(
            f"the request has {len(payload):,} bytes, above max_request_bytes ({max_bytes:,}); "
            "send less input, or refer to files by id"
        )
    rest = codec.dumps({key: value for key, value in command.items() if key != "input"})
    return TurnRequest(
        payload=payload,
        is_effect_free=is_effect_free(_plain_effects(command)),
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


def _plain_effects(command: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that decide about effects; all but the input as plain JSON."""
    named = {key: command[key] for key in ("tools", "conversation", "prompt") if key in command}
    plain: dict[str, Any] = codec.loads(codec.dumps(named).decode())
    # The input as it is: it may add tools, and a copy of a long history would cost too much.
    return {**plain, "input": command.get("input")}
