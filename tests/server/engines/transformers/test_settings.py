"""The settings of a create as a local model takes them."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.engines.transformers.settings import GenerationSettings, read_settings


def options(**settings: Any) -> dict[str, Any]:
    """Return the decoding options of a create with these fields."""
    return read_settings(settings).options


def refuse(**settings: Any) -> BadRequestError:
    """Return the error of a create with these fields."""
    with pytest.raises(BadRequestError) as caught:
        read_settings(settings)
    assert caught.value.status == 400
    return caught.value


def refuse_option(**config: Any) -> BadRequestError:
    """Return the error of a create with this ``generation_config``."""
    return refuse(generation_config=config)


def test_nothing_said_leaves_everything_to_the_model() -> None:
    """Nulls say nothing either."""
    silent = GenerationSettings(options={}, seed=None, template={}, is_parallel=True)
    assert read_settings({"model": "m", "input": "hi"}) == silent
    nulls = dict.fromkeys(("temperature", "seed", "generation_config", "parallel_tool_calls"))
    assert read_settings(nulls) == silent


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"temperature": 0.7}, {"do_sample": True, "temperature": 0.7}),
        ({"temperature": 1}, {"do_sample": True, "temperature": 1.0}),
        ({"top_p": 0.9}, {"do_sample": True, "top_p": 0.9}),
        ({"top_p": 1}, {"top_p": 1.0}),
        ({"max_output_tokens": 20}, {"max_new_tokens": 20}),
    ],
)
def test_a_field_becomes_an_option(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """A temperature, or a ``top_p`` that leaves tokens out, has tokens drawn at random."""
    assert options(**fields) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0},
        {"temperature": 0.0, "top_p": 0.5},
        {"temperature": 1e-30},
        {"top_p": 0},
        {"generation_config": {"temperature": 0, "top_k": 5}},
        {"temperature": 0.7, "generation_config": {"do_sample": False, "min_p": 0.1}},
        {"temperature": 0, "generation_config": {"top_p": 0.5}},
    ],
)
def test_no_chance_is_greedy(fields: dict[str, Any]) -> None:
    """What only a draw would need is left out, as it has no effect but a warning."""
    assert options(**fields) == {"do_sample": False}


def test_a_generation_config_overrides_the_fields() -> None:
    """It is the more precise of the two."""
    config = {"temperature": 0.2, "top_k": 5, "top_p": None}
    assert options(temperature=0.9, top_p=0.5, generation_config=config) == {
        "do_sample": True,
        "temperature": 0.2,
        "top_k": 5,
        "top_p": 0.5,
    }


def test_a_generation_config_may_be_a_string_of_json() -> None:
    """That is how `transformers serve` takes it."""
    config = {"min_new_tokens": 400, "max_new_tokens": 400}
    assert options(generation_config=json.dumps(config)) == config
    assert options(generation_config=config) == config


@pytest.mark.parametrize(("field", "option", "limit"), [(30, 20, 20), (20, 30, 20), (20, 20, 20)])
def test_of_two_limits_the_smaller_holds(field: int, option: int, limit: int) -> None:
    """Neither who limits the cost nor who tunes the model gets more than asked for."""
    found = options(max_output_tokens=field, generation_config={"max_new_tokens": option})
    assert found == {"max_new_tokens": limit}


def test_a_least_length_over_the_limit_is_refused() -> None:
    """The two cannot both be kept, whichever of the limits it is."""
    error = refuse(max_output_tokens=16, generation_config={"min_new_tokens": 17})
    assert error.param == "generation_config.min_new_tokens"
    assert str(error) == (
        "Invalid 'generation_config.min_new_tokens': 17 is over the limit of the output, 16 tokens."
    )


@pytest.mark.parametrize(
    "key", ["max_length", "eos_token_id", "cache_implementation", "assistant_model", "x" * 500]
)
def test_an_option_that_is_not_let_through_is_named(key: str) -> None:
    """The error tells what is, and repeats no more of the key than is needed."""
    error = refuse_option(**{key: 1})
    assert error.param == f"generation_config.{key}"[:100]
    assert error.code == "unknown_parameter"
    assert "max_new_tokens, min_new_tokens, min_p" in str(error)


@pytest.mark.parametrize("key", ["num_beams", "num_return_sequences", "num_beam_groups"])
def test_there_is_one_beam_and_one_candidate(key: str) -> None:
    """What is streamed cannot be taken back; saying 1 says nothing."""
    assert options(generation_config={key: 1}) == {}
    assert refuse_option(**{key: 4}).param == f"generation_config.{key}"
    assert refuse_option(**{key: True}).param == f"generation_config.{key}"


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"max_new_tokens": "5"}, "invalid_type"),
        ({"max_new_tokens": True}, "invalid_type"),
        ({"max_new_tokens": 1.5}, "invalid_type"),
        ({"max_new_tokens": 0}, "integer_below_min_value"),
        ({"max_new_tokens": 2**64}, "integer_above_max_value"),
        ({"do_sample": 1}, "invalid_type"),
        ({"temperature": math.nan}, "invalid_type"),
        ({"temperature": math.inf}, "invalid_type"),
        ({"temperature": -1}, "integer_below_min_value"),
        ({"top_p": 1.5}, "decimal_above_max_value"),
        ({"typical_p": 0}, "integer_below_min_value"),
        ({"repetition_penalty": 0.0}, "decimal_below_min_value"),
        ({"stop_strings": [1]}, "invalid_type"),
        ({"stop_strings": [""]}, "invalid_value"),
        ({"stop_strings": ["x" * 65]}, "invalid_value"),
        ({"stop_strings": ["x"] * 9}, "invalid_value"),
    ],
)
def test_a_bad_option_is_named(config: dict[str, Any], code: str) -> None:
    """Nothing that would fail inside the model gets that far."""
    error = refuse_option(**config)
    assert error.param == f"generation_config.{next(iter(config))}"
    assert error.code == code


@pytest.mark.parametrize("value", ["{", "[1]", "3", 3, [], "[" * 100_000])
def test_a_generation_config_is_an_object(value: Any) -> None:
    """A string has to hold one."""
    assert refuse(generation_config=value).param == "generation_config"


@pytest.mark.parametrize(
    "fields",
    [{"temperature": math.nan}, {"temperature": 2.5}, {"top_p": -0.1}, {"max_output_tokens": 0}],
)
def test_a_bad_field_is_named(fields: dict[str, Any]) -> None:
    """Python reads NaN in JSON, and it is under no limit."""
    assert refuse(**fields).param == next(iter(fields))


def test_stop_strings_are_a_list() -> None:
    """One string will do."""
    assert options(generation_config={"stop_strings": "END"}) == {"stop_strings": ["END"]}
    assert options(generation_config={"stop_strings": ["a", "b"]}) == {"stop_strings": ["a", "b"]}


def test_a_text_to_stop_at_is_one_that_a_model_can_write() -> None:
    """No tokenizer has half of a surrogate pair."""
    error = refuse(generation_config={"stop_strings": ["fine", "a\ud800"]})
    assert (error.param, error.code) == ("generation_config.stop_strings", "invalid_value")


@pytest.mark.parametrize("seed", [0, 7, -5, 2**63 - 1])
def test_a_seed_is_any_number_that_torch_takes(seed: int) -> None:
    """It seeds nothing here."""
    assert read_settings({"seed": seed}).seed == seed


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, "7", 1.0, True])
def test_any_other_seed_is_refused(seed: Any) -> None:
    """A bool is no number to JSON."""
    assert refuse(seed=seed).param == "seed"


def test_an_effort_is_told_to_the_template() -> None:
    """None of it turns thinking off, in the variable that Qwen made common; what is given wins."""
    none = {"effort": "none"}
    assert read_settings({"reasoning": none}).template == {"enable_thinking": False}
    assert read_settings({"reasoning": {"effort": "low"}}).template == {"reasoning_effort": "low"}
    assert read_settings({"reasoning": {"summary": "auto"}}).template == {}
    given = {"enable_thinking": True, "level": 3}
    assert read_settings({"reasoning": none, "chat_template_kwargs": given}).template == given


@pytest.mark.parametrize("name", ["chat_template", "tools", "tokenize", "messages", "no name"])
def test_a_template_variable_replaces_nothing_of_the_servers(name: str) -> None:
    """Least of all the template itself, which is a program."""
    error = refuse(chat_template_kwargs={name: "x"})
    assert error.param == f"chat_template_kwargs.{name}"


def test_template_variables_are_an_object() -> None:
    """Their values are the template's business."""
    assert refuse(chat_template_kwargs="x").param == "chat_template_kwargs"


@pytest.mark.parametrize(("value", "is_parallel"), [(True, True), (False, False), (None, True)])
def test_calls_are_parallel_unless_they_must_not_be(value: Any, is_parallel: bool) -> None:
    """The service's default."""
    assert read_settings({"parallel_tool_calls": value}).is_parallel is is_parallel


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
NAMES = ("temperature", "top_p", "max_output_tokens", "seed", "parallel_tool_calls", "reasoning")
KEYS = ("temperature", "top_p", "top_k", "min_p", "do_sample", "stop_strings", "min_new_tokens")


@given(
    fields=st.dictionaries(st.sampled_from(NAMES), VALUES),
    config=st.dictionaries(st.sampled_from(KEYS), VALUES),
)
def test_whatever_is_sent_is_read_or_refused(fields: dict[str, Any], config: Any) -> None:
    """No other error comes out, and nothing that is no number gets in."""
    found: dict[str, Any] = {}
    with suppress(BadRequestError):
        found = options(**fields, generation_config=config)
    numbers = [value for value in found.values() if isinstance(value, float)]
    assert all(map(math.isfinite, numbers))
