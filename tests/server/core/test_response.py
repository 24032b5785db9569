"""The Response object as the live service sends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openai.types.responses import Response

from pyresponses_ws.errors import APIError
from tests.server.drivers import NOW, build, make_builder

DATA = Path(__file__).resolve().parents[2] / "data"


def test_keys_and_defaults_are_those_of_a_live_capture() -> None:
    """Key by key, in order, a plain response equals the transcript's."""
    lines = (DATA / "transcripts" / "01_text_turn.jsonl").read_text().splitlines()
    live = next(
        frame["response"]
        for line in lines
        if (frame := json.loads(line).get("frame", {})).get("type") == "response.created"
    )
    ours = make_builder(store=False, model=live["model"]).response
    assert list(ours) == list(live)
    varying = {"id", "created_at"}
    assert {k: v for k, v in ours.items() if k not in varying} == {
        k: v for k, v in live.items() if k not in varying
    }


def test_what_the_create_says_is_echoed() -> None:
    """Settings come back; partial ones with the defaults around them."""
    fields = {"instructions": "Be terse.", "reasoning": {"effort": "low"}, "metadata": {"a": "b"}}
    response = make_builder(**fields).response
    assert (response["instructions"], response["metadata"]) == ("Be terse.", {"a": "b"})
    assert response["reasoning"]["effort"] == "low"
    assert response["reasoning"]["mode"] == "standard"


def test_a_function_is_echoed_in_live_order() -> None:
    """``type`` first, then by name, with the defaults of a function."""
    tool = {"type": "function", "parameters": {}, "name": "f"}
    (echoed,) = make_builder(tools=[tool]).response["tools"]
    assert list(echoed) == ["type", "description", "name", "parameters", "strict"]


def test_only_the_end_has_a_time_and_a_real_tier() -> None:
    """``completed_at`` and the service tier change with the terminal event."""
    events = build([])
    before, after = events[0]["response"], events[-1]["response"]
    assert (before["completed_at"], before["service_tier"]) == (None, "auto")
    assert (after["completed_at"], after["service_tier"]) == (int(NOW) + 2, "default")


def test_every_key_of_the_official_type_is_there_when_it_is_given() -> None:
    """But for what only the service can know; the official client takes all of it."""
    given: dict[str, Any] = {
        "access_programs": {"cyber": "standard"},
        "prompt": {"id": "pmpt_1"},
        "prompt_cache_options": {"ttl": "12h", "prewarm": True},
    }
    response = make_builder(**given).response
    missing = Response.model_fields.keys() - response.keys()
    assert missing == {"conversation", "image", "input_transformations", "prompt_cache_diagnostics"}
    assert response["prompt_cache_options"] == {"mode": "implicit", "ttl": "12h"}
    keys = list(response)
    assert keys[keys.index("prompt_cache_options") - 1] == "prompt_cache_key"
    assert Response.model_validate(response, strict=True).prompt is not None


def test_nulls_inside_objects_leave_the_defaults() -> None:
    """As if they had not been given."""
    response = make_builder(reasoning={"effort": None}, text={"format": None}).response
    assert response["reasoning"]["effort"] == "medium"
    assert response["text"] == {"format": {"type": "text"}, "verbosity": "medium"}


def test_a_tier_that_was_asked_for_is_the_real_one() -> None:
    """Only ``auto`` is resolved at the end."""
    assert build([], service_tier="flex")[-1]["response"]["service_tier"] == "flex"


def test_the_code_of_a_failure_is_a_string() -> None:
    """The official type has no null there."""
    builder = make_builder()
    (failed,) = builder.fail(APIError("Broken."), NOW)
    assert failed["response"]["error"] == {"code": "server_error", "message": "Broken."}


def test_the_secrets_of_a_tool_are_not_echoed() -> None:
    """What a remote server is to be called with is for whoever calls it."""
    tool = {"type": "mcp", "server_label": "s", "server_url": "https://s"}
    secret = {"authorization": "s3cret", "headers": {"X-Key": "s3cret"}}
    events = build([], tools=[{**tool, **secret}])
    assert events[-1]["response"]["tools"] == [tool]
    assert "s3cret" not in str(events)


def test_what_is_no_field_of_a_create_is_not_echoed() -> None:
    """The penalties are part of a Response and of nothing that asks for one."""
    response = build([], frequency_penalty={"a": 1}, presence_penalty="no")[-1]["response"]
    assert (response["frequency_penalty"], response["presence_penalty"]) == (0.0, 0.0)
