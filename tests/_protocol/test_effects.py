"""Whether a request may run twice without anybody outside noticing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pyresponses_ws._protocol.effects import is_effect_free


def with_tools(*tools: Any) -> dict[str, Any]:
    return {"model": "m", "tools": list(tools)}


def test_a_plain_request_is_free_of_effects() -> None:
    """So is one whose tools run here, and one that only reads."""
    local_shell = {"type": "shell", "environment": {"type": "local"}}
    tools = [{"type": kind} for kind in ("function", "custom", "web_search", "file_search")]
    assert is_effect_free({"model": "m", "input": "hi"})
    assert is_effect_free(with_tools(*tools, local_shell))
    assert is_effect_free({"tools": None, "background": False, "conversation": None})


@pytest.mark.parametrize(
    "request_",
    [
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"background": True},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"type": "additional_tools", "tools": [{"type": "mcp"}]}]},
    ],
)
def test_state_elsewhere_is_an_effect(request_: dict[str, Any]) -> None:
    """A second run would show there, or we cannot know."""
    assert not is_effect_free(request_)


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "mcp"},
        {"type": "code_interpreter"},
        {"type": "image_generation"},
        {"type": "computer"},
        {"type": "computer_use_preview"},
        {"type": "shell", "environment": {"type": "container_auto"}},
        {"type": "shell"},
        {"type": "hologram"},
        {"type": ["function"]},
        {},
        "function",
    ],
)
def test_tools_that_act_outside_and_unknown_ones_are_effects(tool: Any) -> None:
    """One is enough."""
    assert not is_effect_free(with_tools({"type": "function"}, tool))


def test_a_namespace_is_as_harmless_as_its_tools() -> None:
    """However deep."""
    inner = {"type": "namespace", "tools": [{"type": "function"}]}
    assert is_effect_free(with_tools({"type": "namespace", "tools": [inner]}))
    outer = {"type": "namespace", "tools": [inner, {"type": "mcp"}]}
    assert not is_effect_free(with_tools(outer))


def test_typed_tools_are_read_like_plain_ones() -> None:
    """A request may hold objects."""
    assert is_effect_free({"tools": (SimpleNamespace(type="function"),), "input": [object()]})
    assert not is_effect_free({"tools": [SimpleNamespace(type="mcp")]})
