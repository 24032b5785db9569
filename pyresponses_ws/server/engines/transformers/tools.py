"""The tools of a create as a chat template takes them, and the way back from the model's names.

A local model knows functions only. A custom tool becomes one with a single string, ``input``; a
tool in a namespace is called ``namespace.name``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core.errors import bad_request
from pyresponses_ws.server.engines.base import EngineRequest
from pyresponses_ws.server.engines.transformers.places import describe_item
from pyresponses_ws.server.engines.transformers.surrogates import has_surrogate

Tool = dict[str, Any]

#: What a tool without parameters takes.
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}

#: Items that bring tools along, beside those of the create.
_BRINGERS = frozenset({"additional_tools", "tool_search_output"})


@dataclass(frozen=True)
class ToolName:
    """Which tool of the create a name of the model stands for."""

    name: str
    namespace: str | None = None
    is_custom: bool = False
    #: Schemas of the arguments by name, for markup that writes values without types.
    properties: Mapping[str, Any] = field(default_factory=dict)


#: Tools by the names that the model is told.
ToolNames = Mapping[str, ToolName]


@dataclass(frozen=True)
class Offer:
    """What of a create's tools the model is told, and what it must do with them."""

    #: In the nested form of chat completions.
    tools: list[Tool]
    names: ToolNames
    #: Whether the answer must be a call.
    is_required: bool = False


@dataclass(frozen=True)
class _Place:
    """Where a tool stands: a path into the create, or into an item of its input in these words."""

    path: str
    item: str = ""

    @property
    def param(self) -> str:
        """What an error names as its parameter."""
        return "input" if self.item else self.path

    def below(self, path: str) -> _Place:
        """Return a place inside of this one."""
        return _Place(self.path + path, self.item)

    def __str__(self) -> str:
        return f"'{self.path}' of {self.item}" if self.item else f"'{self.path}'"


@dataclass(frozen=True)
class _Entry:
    """One tool: as the create has it, as the model sees it, and the way back."""

    source: Tool
    shown: Tool
    name: ToolName

    @property
    def key(self) -> str:
        """The name that the model is told."""
        key: str = self.shown["function"]["name"]
        return key


def make_offer(request: EngineRequest) -> Offer:
    """Return what the request offers, narrowed down by its ``tool_choice``.

    Of two tools with the same name the later one counts. Raises BadRequestError for tools that a
    local model has not, and for a choice of what is not on offer.
    """
    sources = [(_Place("tools"), request.tools)]
    for index, item in enumerate(request.items):
        if item.get("type") in _BRINGERS:
            place = _Place("tools", describe_item(item, len(request.items) - index))
            sources.append((place, _objects(item.get("tools"))))
    entries = [entry for place, tools in sources for entry in _read_tools(place, tools)]
    offered = list({entry.key: entry for entry in entries}.values())
    return _choose(offered, request.tool_choice)


def show_name(name: str, namespace: object) -> str:
    """Return the name that the model is told, or was told, for a tool."""
    return f"{namespace}.{name}" if isinstance(namespace, str) and namespace else name


def _read_tools(
    place: _Place, tools: Iterable[Tool], namespace: str | None = None
) -> Iterator[_Entry]:
    for index, tool in enumerate(tools):
        kind, here = tool.get("type"), place.below(f"[{index}]")
        if kind == "namespace":
            name = _read_name(here, tool)
            yield from _read_tools(here.below(".tools"), _objects(tool.get("tools")), name)
        elif kind in ("function", "custom"):
            yield _read_tool(here, tool, namespace)
        else:
            raise _unsupported(here.below(".type"), kind)


def _read_name(place: _Place, tool: Tool) -> str:
    """Return the name of a tool or a namespace, which must be one that a model can write."""
    name, here = tool.get("name"), place.below(".name")
    if not isinstance(name, str) or not name:
        message = f"Missing required parameter: {here}."
        raise bad_request(message, code="missing_required_parameter", param=here.param)
    if has_surrogate(name):
        message = f"Invalid {here}: it holds half of a surrogate pair, which is no character."
        raise bad_request(message, code="invalid_value", param=here.param)
    return name


def _read_tool(place: _Place, tool: Tool, namespace: str | None) -> _Entry:
    name = _read_name(place, tool)
    is_custom = tool["type"] == "custom"
    shown = _show(tool, show_name(name, namespace), is_custom=is_custom)
    properties = shown["function"]["parameters"].get("properties")
    known = properties if isinstance(properties, dict) else {}
    return _Entry(tool, shown, ToolName(name, namespace, is_custom, known))


def _show(facts: Tool, name: str, *, is_custom: bool) -> Tool:
    """Return the nested form. A description is always there: some templates add it to a text."""
    description = facts.get("description")
    function = {
        "name": name,
        "description": description if isinstance(description, str) else "",
        "parameters": _input_of(facts) if is_custom else _parameters_of(facts),
    }
    return {"type": "function", "function": function}


def _parameters_of(facts: Tool) -> dict[str, Any]:
    parameters = facts.get("parameters")
    return parameters if isinstance(parameters, dict) and parameters else _NO_PARAMETERS


def _input_of(facts: Tool) -> dict[str, Any]:
    """Return the schema of a custom tool's only argument; its grammar can be told, not enforced."""
    wanted = facts.get("format")
    text = "The whole input of the tool, as text."
    if isinstance(wanted, dict) and isinstance(wanted.get("definition"), str):
        syntax = wanted.get("syntax", "grammar")
        text = f"{text} It must match this {syntax}:\n{wanted['definition']}"
    properties = {"input": {"type": "string", "description": text}}
    return {"type": "object", "properties": properties, "required": ["input"]}


def _choose(offered: Sequence[_Entry], choice: object) -> Offer:
    if choice == "none":
        return _make_offer([])
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        wanted = _objects(choice.get("tools"))
        allowed = [entry for each in wanted for entry in _find(offered, each)]
        return _require(_make_offer(allowed, is_required=choice.get("mode") == "required"))
    if isinstance(choice, dict):
        return _make_offer(_find(offered, choice), is_required=True)
    return _require(_make_offer(offered, is_required=choice == "required"))


def _make_offer(entries: Sequence[_Entry], *, is_required: bool = False) -> Offer:
    by_key = {entry.key: entry for entry in entries}
    names = {key: entry.name for key, entry in by_key.items()}
    return Offer([entry.shown for entry in by_key.values()], names, is_required)


def _require(offer: Offer) -> Offer:
    if offer.is_required and not offer.tools:
        message = "Tool choice 'required' must be specified with 'tools' parameter."
        raise bad_request(message, code="invalid_value", param="tool_choice")
    return offer


def _find(offered: Sequence[_Entry], wanted: Tool) -> list[_Entry]:
    """Return the tools that one entry of a choice names. Raises BadRequestError if none."""
    kind, name, space = wanted.get("type"), wanted.get("name"), wanted.get("namespace")
    if kind == "namespace":
        found = [entry for entry in offered if entry.name.namespace == name]
    else:
        named = [e for e in offered if name in (e.name.name, e.key) and e.source["type"] == kind]
        found = [entry for entry in named if space in (None, entry.name.namespace)]
    if not found:
        message = (
            f"Tool choice {_quote(name or kind)} not found in 'tools' parameter: a local model "
            "calls function and custom tools that the request offers."
        )
        raise bad_request(message, code="invalid_value", param="tool_choice")
    return found


def _unsupported(place: _Place, kind: object) -> APIError:
    message = (
        f"Invalid value for {place}: {_quote(kind)}. A local model has only 'function' and "
        "'custom' tools, alone or in a 'namespace'; leave this one out."
    )
    return bad_request(message, code="invalid_value", param=place.param)


def _quote(value: object) -> str:
    """Quote what a client sent, cut so that an error never returns megabytes."""
    return f"'{str(value)[:64]}'"


def _objects(value: object) -> list[Tool]:
    entries = value if isinstance(value, list) else ()
    return [entry for entry in entries if isinstance(entry, dict)]
