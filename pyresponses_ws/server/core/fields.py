"""The settings of a create, field by field: types, ranges and lengths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.rules import (
    ARRAY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    TEXT_OR_ARRAY,
    TEXT_OR_OBJECT,
    Rule,
    Shape,
    check,
    one_of,
    required,
)

#: The service compacts no context shorter than this (the SDK's types say).
MIN_COMPACT_THRESHOLD = 1_000

#: Pairs of metadata, and characters of a key and of a value (the API reference says).
_METADATA_PAIRS = 16
_METADATA_KEY = 64
_METADATA_VALUE = 512

#: What the create may hold at its top. Other fields pass unread.
_FIELDS = Shape(
    {
        "access_programs": OBJECT,
        "background": BOOLEAN,
        "context_management": ARRAY,
        "generate": BOOLEAN,
        "image": OBJECT,
        "include": ARRAY,
        "input": TEXT_OR_ARRAY,
        "instructions": STRING,
        # The floor of 16 was reported from the live service.
        "max_output_tokens": replace(INTEGER, least=16),
        "max_tool_calls": replace(INTEGER, least=0),
        "metadata": replace(OBJECT, longest=_METADATA_PAIRS),
        "model": STRING,
        "moderation": OBJECT,
        "parallel_tool_calls": BOOLEAN,
        "previous_response_id": STRING,
        "prompt": OBJECT,
        "prompt_cache_key": STRING,
        "prompt_cache_options": OBJECT,
        "prompt_cache_retention": STRING,
        "reasoning": OBJECT,
        "safety_identifier": STRING,
        "service_tier": STRING,
        "store": BOOLEAN,
        "stream": BOOLEAN,
        "stream_options": OBJECT,
        "temperature": replace(NUMBER, least=0, greatest=2),
        "text": OBJECT,
        "tool_choice": TEXT_OR_OBJECT,
        "tools": ARRAY,
        "top_logprobs": replace(INTEGER, least=0, greatest=20),
        "top_p": replace(NUMBER, least=0, greatest=1),
        "truncation": one_of("auto", "disabled"),
        "user": STRING,
    }
)

#: What the objects among them may hold.
_NESTED = {
    "moderation": Shape({"model": required(STRING), "policy": OBJECT}),
    "prompt": Shape({"id": required(STRING), "version": STRING, "variables": OBJECT}),
    "prompt_cache_options": Shape(
        {
            "comparison_response_id": STRING,
            "mode": one_of("implicit", "explicit"),
            "prewarm": BOOLEAN,
            "ttl": one_of("30m", "12h"),
        }
    ),
    "reasoning": Shape(
        {
            # Efforts and summaries grow with the models, and nothing here depends on them.
            "context": STRING,
            "effort": STRING,
            "generate_summary": STRING,
            # Seen live: null is refused here, though leaving it out is not.
            "mode": Rule(kinds=(str,), expected="one of 'standard' or 'pro'", refuses_null=True),
            "summary": STRING,
        }
    ),
    "stream_options": Shape({"include_obfuscation": BOOLEAN}),
    "text": Shape({"format": OBJECT, "verbosity": one_of("low", "medium", "high")}),
}

_FORMAT = Shape({"type": required(one_of("text", "json_schema", "json_object"))})
_JSON_SCHEMA = Shape(
    {
        "name": required(STRING),
        "schema": required(OBJECT),
        "description": STRING,
        "strict": BOOLEAN,
    }
)
_COMPACTION = Shape(
    {
        "type": required(one_of("compaction")),
        "compact_threshold": replace(INTEGER, least=MIN_COMPACT_THRESHOLD),
    }
)


def check_settings(settings: dict[str, Any]) -> None:
    """Check every known field but ``input`` and ``tools`` in depth. Raises BadRequestError.

    Nulls at the top must be gone already.
    """
    _FIELDS.check("", settings)
    for name in _NESTED.keys() & settings.keys():
        _NESTED[name].check(name, settings[name])
    _check_format(settings.get("text", {}).get("format"))
    _check_metadata(settings.get("metadata", {}))
    _check_context_management(settings.get("context_management", []))
    for index, name in enumerate(settings.get("include", [])):
        check(f"include[{index}]", name, STRING)


def _check_format(shape: dict[str, Any] | None) -> None:
    if shape is None:
        return
    _FORMAT.check("text.format", shape)
    if shape["type"] == "json_schema":
        _JSON_SCHEMA.check("text.format", shape)


def _check_metadata(metadata: dict[str, Any]) -> None:
    for key, value in metadata.items():
        if len(key) > _METADATA_KEY:
            # The key itself is too long to be part of a path.
            raise errors.too_long("metadata", len(key), _METADATA_KEY)
        check(f"metadata.{key}", value, replace(STRING, longest=_METADATA_VALUE))


def _check_context_management(entries: list[Any]) -> None:
    for index, entry in enumerate(entries):
        path = f"context_management[{index}]"
        check(path, entry, OBJECT)
        _COMPACTION.check(path, entry)
