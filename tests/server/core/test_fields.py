"""The settings of a create: types, ranges and lengths, in the service's words."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.core.fields import check_settings


def refuse(**fields: Any) -> BadRequestError:
    """Return the error of settings."""
    with pytest.raises(BadRequestError) as caught:
        check_settings(fields)
    return caught.value


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"max_output_tokens": 15}, "integer_below_min_value", "max_output_tokens"),
        ({"max_output_tokens": 16.0}, "invalid_type", "max_output_tokens"),
        ({"temperature": 2.5}, "decimal_above_max_value", "temperature"),
        ({"temperature": -1}, "integer_below_min_value", "temperature"),
        ({"top_p": 2}, "integer_above_max_value", "top_p"),
        ({"top_logprobs": 21}, "integer_above_max_value", "top_logprobs"),
        ({"metadata": {"a": 1}}, "invalid_type", "metadata.a"),
        ({"metadata": {"a": None}}, "invalid_type", "metadata.a"),
        ({"metadata": {"a": "x" * 513}}, "string_above_max_length", "metadata.a"),
        ({"metadata": {"x" * 65: ""}}, "string_above_max_length", "metadata"),
        ({"reasoning": {"effort": 5}}, "invalid_type", "reasoning.effort"),
        ({"text": {"verbosity": "loud"}}, "invalid_value", "text.verbosity"),
        ({"text": {"format": {}}}, "missing_required_parameter", "text.format.type"),
        ({"text": {"format": {"type": "xml"}}}, "invalid_value", "text.format.type"),
        ({"prompt_cache_options": {"ttl": "1h"}}, "invalid_value", "prompt_cache_options.ttl"),
        ({"prompt_cache_options": {"prewarm": 1}}, "invalid_type", "prompt_cache_options.prewarm"),
        ({"prompt_cache_options": {"mode": "x"}}, "invalid_value", "prompt_cache_options.mode"),
        ({"context_management": ["x"]}, "invalid_type", "context_management[0]"),
        ({"moderation": {}}, "missing_required_parameter", "moderation.model"),
        ({"prompt": {"id": 5}}, "invalid_type", "prompt.id"),
        ({"include": [None]}, "invalid_type", "include[0]"),
    ],
)
def test_a_wrong_setting_is_named(fields: dict[str, Any], code: str, param: str) -> None:
    """Each is a 400 with its code and the path of what is wrong."""
    error = refuse(**fields)
    assert (error.status, error.code, error.param) == (400, code, param)


def test_too_many_pairs_of_metadata() -> None:
    """16 are the most."""
    check_settings({"metadata": {str(number): "" for number in range(16)}})
    error = refuse(metadata={str(number): "" for number in range(17)})
    assert error.code == "object_above_max_properties"
    assert "at most 16" in str(error)


def test_a_number_out_of_range_tells_the_limit() -> None:
    """What was expected and what came."""
    assert str(refuse(max_output_tokens=3)) == (
        "Invalid 'max_output_tokens': integer below minimum value. "
        "Expected a value >= 16, but got 3 instead."
    )


def test_null_is_refused_where_it_was_seen_to_be() -> None:
    """The words are those of the transcript; leaving the mode out is fine, and so is no effort."""
    check_settings({"reasoning": {"effort": None}})
    error = refuse(reasoning={"effort": "low", "mode": None})
    assert (error.code, error.param) == ("invalid_type", "reasoning.mode")
    assert str(error) == (
        "Invalid type for 'reasoning.mode': expected one of 'standard' or 'pro', "
        "but got null instead."
    )


def test_a_schema_needs_a_name_and_itself() -> None:
    """Structured output without a schema would answer with anything."""
    shape = {"type": "json_schema", "name": "n", "schema": {}}
    check_settings({"text": {"format": shape}})
    for key in ("name", "schema"):
        rest = {name: value for name, value in shape.items() if name != key}
        assert refuse(text={"format": rest}).param == f"text.format.{key}"


def test_a_compaction_has_a_least_threshold() -> None:
    """The service compacts no context of fewer than 1,000 tokens."""
    check_settings({"context_management": [{"type": "compaction", "compact_threshold": 1000}]})
    error = refuse(context_management=[{"type": "compaction", "compact_threshold": 999}])
    assert error.param == "context_management[0].compact_threshold"


def test_the_bounds_themselves_are_fine() -> None:
    """Each range holds both its ends."""
    for fields in (
        {"max_output_tokens": 16, "temperature": 2, "top_p": 1, "top_logprobs": 20},
        {"temperature": 0.0, "top_p": 0, "top_logprobs": 0, "metadata": {"k" * 64: "v" * 512}},
    ):
        check_settings(fields)
        assert refuse(**fields, model=5).param == "model"
