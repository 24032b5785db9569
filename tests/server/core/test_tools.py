"""Tools of every shape, and the choice among them."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.core.tools import check_tool_choice, check_tools

FUNCTION = {"type": "function", "name": "f", "parameters": {}, "strict": True}


@pytest.mark.parametrize(
    "tool",
    [
        FUNCTION,
        {"type": "function", "name": "f", "parameters": None, "strict": None, "async": True},
        {"type": "custom", "name": "f", "format": {"type": "text"}},
        {"type": "namespace", "name": "n", "description": "d", "tools": [FUNCTION]},
        {"type": "mcp", "server_label": "s", "server_url": "http://localhost", "headers": {}},
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "web_search", "filters": {}, "search_context_size": "low"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "tool_search"},
        {"type": "of_next_year", "anything": [1]},
    ],
    ids=lambda tool: str(tool["type"]),
)
def test_every_shape_of_the_service_passes(tool: dict[str, Any]) -> None:
    """Also one that is not known yet, for its type is a string; with a wrong type it fails."""
    check_tools("tools", [tool])
    with pytest.raises(BadRequestError, match=r"tools\[0\]\.type"):
        check_tools("tools", [{**tool, "type": 5}])


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "function"}, "tools[0].name"),
        ({**FUNCTION, "parameters": []}, "tools[0].parameters"),
        ({**FUNCTION, "strict": "yes"}, "tools[0].strict"),
        ({**FUNCTION, "name": "with space"}, "tools[0].name"),
        ({"type": "shell", "name": ["f"]}, "tools[0].name"),
        ({"type": "shell", "async": 1}, "tools[0].async"),
        ({"type": "mcp"}, "tools[0].server_label"),
        ({"type": "namespace", "name": "n", "tools": [{}]}, "tools[0].tools[0].type"),
    ],
)
def test_a_wrong_tool_is_named(tool: dict[str, Any], param: str) -> None:
    """With the path down to what is wrong."""
    with pytest.raises(BadRequestError) as caught:
        check_tools("tools", [tool])
    assert caught.value.param == param


def test_the_shape_of_chat_completions_is_told_apart() -> None:
    """Its name is one level too deep; the message says that tools are flat."""
    with pytest.raises(BadRequestError, match="flat") as caught:
        check_tools("tools", [{"type": "function", "function": {"name": "f"}}])
    assert (caught.value.code, caught.value.param) == ("unknown_parameter", "tools[0].function")


def test_a_choice_is_a_mode_or_names_a_tool() -> None:
    """In words, by name, or as a list of what is allowed."""
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}
    for good in ("required", {"type": "function", "name": "f"}, allowed, {"type": "shell"}):
        check_tool_choice(good)
    with pytest.raises(BadRequestError, match="'none', 'auto', and 'required'"):
        check_tool_choice("maybe")
    with pytest.raises(BadRequestError, match="'none'"):
        check_tool_choice({**allowed, "mode": "none"})
    with pytest.raises(BadRequestError, match=r"tool_choice\.tools\[0\]\.name"):
        check_tool_choice({**allowed, "tools": [{"type": "function", "name": ["f"]}]})
