"""Which tool the echo engine calls."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.server.engines.choice import choose_tool, name_parts


def tools(*names: str) -> list[dict[str, Any]]:
    """Make functions with these names."""
    return [{"type": "function", "name": name} for name in names]


def choose(text: str, *names: str, choice: object = "auto") -> str | None:
    """Return the name of the chosen tool."""
    tool = choose_tool(tools(*names), choice, text)
    return None if tool is None else str(tool["name"])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("What is the weather?", "get_weather"),
        ("List the files here", "list_files"),
        ("weather in Rome, now", "getWeatherNow"),
        ("search the text", "search_text"),
        ("please get_weather", "get_weather"),
        ("Use READ_FILE", "read_file"),
    ],
)
def test_a_tool_is_called_by_its_name_or_its_telling_parts(text: str, name: str) -> None:
    """All parts of the name but empty verbs must be words of the text."""
    assert choose(text, "something_else", name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hello", "get_weather"),
        ("my file", "read_file"),
        ("weathering", "get_weather"),
        ("get me a list", "get"),
        ("run and get", "get_list_run"),
    ],
)
def test_a_tool_that_is_not_meant_is_not_called(text: str, name: str) -> None:
    """Half a name, part of a word and empty verbs alone are not enough."""
    assert choose(text, name) == (name if name in text.split() else None)


def test_a_full_name_beats_name_parts() -> None:
    """Who is named outright goes first, wherever it stands in the list."""
    assert choose("read the file, use search_text", "read_file", "search_text") == "search_text"


def test_a_named_tool_is_called_whatever_the_text_says() -> None:
    """``tool_choice`` with a name decides; a name that is not on offer calls nothing."""
    named = {"type": "function", "name": "b"}
    assert choose("hello", "a", "b", choice=named) == "b"
    assert choose("hello", "a", choice=named) is None


def test_required_takes_the_first_when_none_matches() -> None:
    """A match still goes before it."""
    assert choose("hello", "a_tool", "b_tool", choice="required") == "a_tool"
    assert choose("use b_tool", "a_tool", "b_tool", choice="required") == "b_tool"
    assert choose("hello", choice="required") is None


def test_allowed_tools_narrow_the_offer() -> None:
    """The mode inside counts, over the tools that it lists."""
    allowed = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "b"}],
    }
    assert choose("use a", "a", "b", choice=allowed) == "b"


def test_tools_in_a_namespace_are_on_offer() -> None:
    """The call says which namespace; hosted tools are not for the client to run."""
    offer = [
        {"type": "web_search", "name": "lookup"},
        {"type": "namespace", "name": "crm", "tools": tools("lookup")},
    ]
    chosen = choose_tool(offer, "auto", "lookup it")
    assert chosen == {"type": "function", "name": "lookup", "namespace": "crm"}


def test_names_split_at_case_and_punctuation() -> None:
    """Snake, camel, dotted."""
    assert name_parts("getWeather_now-in.v2") == ["get", "weather", "now", "in", "v2"]


@pytest.mark.parametrize("verb", ["get", "set", "list", "run", "do", "make", "create"])
def test_an_empty_verb_need_not_be_said(verb: str) -> None:
    """The other parts of the name are telling enough."""
    assert choose("the invoice, please", f"{verb}_invoice") == f"{verb}_invoice"


@pytest.mark.parametrize(
    ("offer", "choice"),
    [
        ([{"type": "function"}, {"type": "custom", "name": 5}, {}], "required"),
        ([{"type": "namespace", "name": 1, "tools": 5}], "required"),
        ([{"type": "namespace", "tools": [5, {"type": "function"}]}], "auto"),
        (tools("a"), {"type": "allowed_tools", "mode": "auto", "tools": 5}),
        (tools("a"), {"type": "allowed_tools", "tools": [5, {"name": []}]}),
        (tools("a"), {"type": "function", "name": {}}),
        (tools("a"), 5),
    ],
)
def test_what_nobody_has_checked_calls_nothing(offer: list[dict[str, Any]], choice: object) -> None:
    """A tool without a name is none; a choice that cannot be read chooses none."""
    assert choose_tool(offer, choice, "hello") is None
