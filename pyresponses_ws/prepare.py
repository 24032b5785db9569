"""From the arguments of a call to the request that travels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyresponses_ws import codec
from pyresponses_ws._protocol.recovery import is_effect_free
from pyresponses_ws._runtime.request import WEBSOCKET_FIELDS, TurnRequest, too_large_error
from pyresponses_ws.config import ClientConfig
from pyresponses_ws.errors import ConfigError, UsageError


def prepare_turn(
    turn: Mapping[str, Any], config: ClientConfig, *, lane: str | None = None, is_pooled: bool
) -> TurnRequest:
    """Build the ``response.create`` of a turn.

    None means "not given"; ``extra_body`` is merged last; ``stream`` is implied by the protocol and
    dropped. ``is_pooled`` turns may go over HTTP where the option ``transport`` lets them. Raises
    ConfigError, UsageError for what cannot be JSON (naming the path), and RequestTooLargeError;
    nothing is sent then.
    """
    fields = _wire_fields(turn, config)
    is_warm_up = _is_warm_up(fields)
    if is_warm_up and is_pooled and config.transport == "http":
        raise ConfigError('transport="http" cannot warm up: over HTTP the turn would generate')
    allows_http = is_pooled and config.transport != "websocket" and not is_warm_up
    command = {"type": "response.create", **fields}
    if lane is not None:
        command["stream_id"] = lane
    payload = codec.dumps(command)
    is_too_large = len(payload) > config.max_request_bytes
    if is_too_large and not allows_http:
        raise too_large_error(len(payload), config.max_request_bytes)
    rest = codec.dumps({key: value for key, value in command.items() if key != "input"})
    model = fields.get("model")
    return TurnRequest(
        payload=payload,
        model=model if isinstance(model, str) else None,
        # The input as it is: it may add tools, and a copy of a long history would cost too much.
        is_effect_free=is_effect_free(
            {**codec.loads(rest.decode()), "input": command.get("input")}
        ),
        is_warm_up=is_warm_up,
        previous_response_id=command.get("previous_response_id"),
        input_bytes=len(payload) - len(rest),
        allows_http=allows_http,
        is_too_large=is_too_large,
        has_websocket_fields=not WEBSOCKET_FIELDS.isdisjoint(fields),
    )


def _wire_fields(turn: Mapping[str, Any], config: ClientConfig) -> dict[str, Any]:
    extra = turn.get("extra_body") or {}
    if not isinstance(extra, Mapping):
        raise ConfigError(f"extra_body must be a mapping, got {type(extra).__name__}")
    refuse_http_options(turn)
    given = {key: value for key, value in turn.items() if value is not None and key != "extra_body"}
    fields = {**given, **extra}
    fields.pop("stream", None)
    if not fields.get("background"):
        fields.pop("background", None)
    elif config.transport != "http":
        raise UsageError(
            'background=True is not possible over WebSocket; leave it out, or use transport="http"'
        )
    if "model" in fields and not fields["model"]:
        raise ConfigError("model is empty; name one, for example model='gpt-6-astra'")
    if "stream_id" in fields:
        raise UsageError("stream_id is chosen by the client; use client.connect().lane(name)")
    return fields


def refuse_http_options(given: Mapping[str, Any]) -> None:
    """Raise UsageError for options of the official package that are about one HTTP request.

    As fields of the body, where unknown names go, they would tell the service a secret header.
    """
    for name, instead in (("extra_headers", "headers"), ("extra_query", "query")):
        if given.get(name) is not None:
            raise UsageError(f"{name} is not possible for one turn: give the client {instead}=")


def _is_warm_up(fields: Mapping[str, Any]) -> bool:
    """``prompt_cache_options.prewarm`` is the newer word for it, and implies the older."""
    cache = fields.get("prompt_cache_options")
    is_prewarm = isinstance(cache, Mapping) and cache.get("prewarm") is True
    return fields.get("generate") is False or is_prewarm
