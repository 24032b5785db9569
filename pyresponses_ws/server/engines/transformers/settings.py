"""The settings of a create as a local model takes them.

Decoding options come from the fields of the create (``temperature``, ``top_p``,
``max_output_tokens``) and from ``generation_config``, an object or, as `transformers serve` has it,
a string that holds one. Only options that suit one sequence, streamed token by token, are let
through: no beams, no candidates, no token numbers, nothing that names code or files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.server.core.errors import (
    above_maximum,
    bad_request,
    below_minimum,
    invalid_type,
)
from pyresponses_ws.server.core.rules import (
    ARRAY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    TEXT_OR_OBJECT,
    check,
)
from pyresponses_ws.server.engines.transformers.surrogates import has_surrogate

#: Seeds that torch takes.
_LEAST_SEED, _GREATEST_SEED = -(2**63), 2**63 - 1

#: Stop strings and the characters of one. Each is looked for behind every token; more than these
#: would be an attack, not a wish.
_STOP_STRINGS = 8
_STOP_LENGTH = 64

#: Temperatures under this are 0: dividing by less overflows, and no draw would tell them apart.
_COLDEST = 1e-6

#: Options that count only where tokens are drawn at random; elsewhere transformers warns of them.
_SAMPLING = frozenset(
    {"temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"}
)

#: What ``apply_chat_template`` takes itself, so that a variable of a template cannot be called it.
_TEMPLATE_ARGUMENTS = frozenset(
    {
        *("self", "conversation", "messages", "tools", "documents", "chat_template"),
        *("add_generation_prompt", "continue_final_message", "tokenize", "padding", "truncation"),
        *("sanitize_control_tokens", "max_length", "return_tensors", "return_dict"),
        *("return_assistant_tokens_mask", "tokenizer_kwargs", "processor_kwargs", "images"),
        *("videos", "audio", "text", "load_audio_from_video", "num_frames", "video_fps"),
    }
)


@dataclass(frozen=True)
class GenerationSettings:
    """How one turn is to be generated."""

    #: Overrides of the model's GenerationConfig; a key that is missing stays as the model has it.
    options: dict[str, Any]
    #: For ``torch.manual_seed``; None where the turn need not be repeatable.
    seed: int | None
    #: Variables for the chat template.
    template: dict[str, Any]
    #: Whether an answer may hold more than one call.
    is_parallel: bool


def read_settings(settings: Mapping[str, Any]) -> GenerationSettings:
    """Read the create of a turn; nulls count as absent.

    Temperature 0 is greedy, any other one samples, and so does a ``top_p`` under 1.
    ``generation_config`` overrides the fields of the create, but for the limit of the output:
    of ``max_output_tokens`` and ``max_new_tokens`` the smaller holds.

    Raises BadRequestError that names the field.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    options = _read_fields(given)
    config = _read_config(given.get("generation_config"))
    limits = [each["max_new_tokens"] for each in (options, config) if "max_new_tokens" in each]
    merged = {**options, **config}
    if limits:
        merged["max_new_tokens"] = min(limits)
    _check_lengths(merged)
    return GenerationSettings(
        options=_settle_sampling(merged),
        seed=_read_seed(given.get("seed")),
        template=_read_template(given),
        is_parallel=given.get("parallel_tool_calls") is not False,
    )


def _read_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if "max_output_tokens" in given:
        options["max_new_tokens"] = _count(1)("max_output_tokens", given["max_output_tokens"])
    if "temperature" in given:
        options["temperature"] = _number(0, 2)("temperature", given["temperature"])
        options["do_sample"] = options["temperature"] > 0
    if "top_p" in given:
        options["top_p"] = _number(0, 1)("top_p", given["top_p"])
        if options["top_p"] < 1:
            options.setdefault("do_sample", True)
    return options


def _read_config(value: object) -> dict[str, Any]:
    """Return the options of a ``generation_config``, checked, without its nulls."""
    if value is None:
        return {}
    config = _parse_config(value)
    options = dict(_read_options(config))
    if "do_sample" not in options:
        temperature, top_p = options.get("temperature"), options.get("top_p", 1)
        if temperature is not None or top_p < 1:
            options["do_sample"] = temperature != 0
    return options


def _parse_config(value: object) -> dict[str, Any]:
    check("generation_config", value, TEXT_OR_OBJECT)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as exc:
            message = "Invalid 'generation_config': the string holds no JSON. Send an object."
            raise bad_request(message, code="invalid_value", param="generation_config") from exc
    check("generation_config", value, OBJECT)
    assert isinstance(value, dict)
    return value


def _read_options(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        path = f"generation_config.{key}"[:100]
        if key in _ONLY_ONE:
            _check_one(path, value)
        elif key not in _OPTIONS:
            raise _unknown_option(path)
        elif value is not None:
            yield key, _OPTIONS[key](path, value)


def _unknown_option(path: str) -> Exception:
    known = ", ".join(sorted(_OPTIONS))
    message = f"Unknown parameter: '{path}'. This server lets through: {known}."
    return bad_request(message, code="unknown_parameter", param=path)


def _check_one(path: str, value: object) -> None:
    """Refuse more than one beam or candidate: what is streamed cannot be taken back."""
    if value is None or (type(value) is int and value == 1):
        return
    message = f"Invalid '{path}': a streamed answer is one sequence, so that only 1 is possible."
    raise bad_request(message, code="invalid_value", param=path)


def _check_lengths(options: Mapping[str, Any]) -> None:
    least, most = options.get("min_new_tokens", 0), options.get("max_new_tokens", math.inf)
    if least > most:
        path = "generation_config.min_new_tokens"
        message = f"Invalid '{path}': {least} is over the limit of the output, {most} tokens."
        raise bad_request(message, code="invalid_value", param=path)


def _settle_sampling(options: dict[str, Any]) -> dict[str, Any]:
    """Drop what has no effect or no meaning: chances without a draw, a draw without a chance."""
    is_certain = options.get("temperature", 1) < _COLDEST or options.get("top_p") == 0
    if options.get("do_sample") and is_certain:
        options = {**options, "do_sample": False}
    if options.get("do_sample") is False:
        return {key: value for key, value in options.items() if key not in _SAMPLING}
    return options


def _read_seed(value: object) -> int | None:
    if value is None:
        return None
    check("seed", value, INTEGER)
    assert isinstance(value, int)
    return int(_within("seed", value, _LEAST_SEED, _GREATEST_SEED))


def _read_template(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template's variables, those that the effort sets unless they are given.

    ``enable_thinking`` is what Qwen's templates and their like look at, ``reasoning_effort`` that
    of gpt-oss; a template knows nothing of variables that it does not look at.
    """
    variables = given.get("chat_template_kwargs", {})
    check("chat_template_kwargs", variables, OBJECT)
    for name in variables:
        if name in _TEMPLATE_ARGUMENTS or not name.isidentifier():
            path = f"chat_template_kwargs.{name}"[:100]
            message = f"Invalid '{path}': this is no variable of a chat template."
            raise bad_request(message, code="invalid_value", param=path)
    reasoning = given.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    implied = {"enable_thinking": False} if effort == "none" else {"reasoning_effort": effort}
    return {**(implied if effort is not None else {}), **variables}


Reader = Callable[[str, Any], Any]


def _within(path: str, value: float, least: float, greatest: float) -> float:
    if value < least:
        raise below_minimum(path, value, least)
    if value > greatest:
        raise above_maximum(path, value, greatest)
    return value


def _count(least: int) -> Reader:
    """Make the reader of a whole number; the upper bound is what a machine counts with."""

    def read(path: str, value: Any) -> int:
        check(path, value, INTEGER)
        return int(_within(path, value, least, _GREATEST_SEED))

    return read


def _number(least: float, greatest: float) -> Reader:
    """Make the reader of a number; neither NaN nor infinity is one."""

    def read(path: str, value: Any) -> float:
        check(path, value, NUMBER)
        if isinstance(value, float) and not math.isfinite(value):
            raise invalid_type(path, "a finite number", value)
        return float(_within(path, value, least, greatest))

    return read


def _flag(path: str, value: Any) -> bool:
    check(path, value, BOOLEAN)
    return bool(value)


def _stops(path: str, value: Any) -> list[str]:
    """Read the texts after which the output ends; they stay part of it."""
    texts = [value] if isinstance(value, str) else value
    check(path, texts, ARRAY)
    for text in texts:
        check(path, text, STRING)
    if len(texts) > _STOP_STRINGS or not all(0 < len(text) <= _STOP_LENGTH for text in texts):
        message = (
            f"Invalid '{path}': at most {_STOP_STRINGS} strings of 1 to {_STOP_LENGTH} characters."
        )
        raise bad_request(message, code="invalid_value", param=path)
    if any(has_surrogate(text) for text in texts):
        message = f"Invalid '{path}': one holds half of a surrogate pair, which is no character."
        raise bad_request(message, code="invalid_value", param=path)
    return list(texts)


#: What a ``generation_config`` may say, and how it is read.
_OPTIONS: dict[str, Reader] = {
    "do_sample": _flag,
    "epsilon_cutoff": _number(0, 1),
    "eta_cutoff": _number(0, 1),
    "max_new_tokens": _count(1),
    "min_new_tokens": _count(0),
    "min_p": _number(0, 1),
    "no_repeat_ngram_size": _count(0),
    "renormalize_logits": _flag,
    # A factor; far beyond what leaves anything of a model, and far from overflow.
    "repetition_penalty": _number(0.01, 100),
    "stop_strings": _stops,
    "temperature": _number(0, 100),
    "top_k": _count(0),
    "top_p": _number(0, 1),
    # 1 is off, and 0 would leave no token to draw.
    "typical_p": _number(0.001, 1),
}

#: What it may say as long as it says 1.
_ONLY_ONE = frozenset({"num_beams", "num_beam_groups", "num_return_sequences"})
