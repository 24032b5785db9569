"""Searches: in files, on the web, among tools; and tools that join a conversation later."""

from __future__ import annotations

from typing import Any, Literal

from pyresponses_ws.items.families import Tool
from pyresponses_ws.items.shared import ItemStatus
from pyresponses_ws.model import WireModel

__all__ = [
    "ActionFind",
    "ActionOpenPage",
    "ActionSearch",
    "ActionSearchSource",
    "AdditionalTools",
    "FileSearchResult",
    "ResponseFileSearchToolCall",
    "ResponseFunctionWebSearch",
    "ResponseToolSearchCall",
    "ResponseToolSearchOutputItem",
]


class FileSearchResult(WireModel):
    """A passage that was found; ``score`` is from 0 to 1."""

    attributes: dict[str, str | float | bool] | None = None
    file_id: str | None = None
    filename: str | None = None
    score: float | None = None
    text: str | None = None


class ResponseFileSearchToolCall(WireModel):
    """A search in the user's vector stores."""

    id: str
    type: Literal["file_search_call"] = "file_search_call"
    status: Literal["in_progress", "searching", "completed", "incomplete", "failed"]
    queries: list[str]
    results: list[FileSearchResult] | None = None


class ActionSearchSource(WireModel):
    """A page that a web search used."""

    type: Literal["url"] = "url"
    url: str


class ActionSearch(WireModel):
    """The model searched the web."""

    type: Literal["search"] = "search"
    queries: list[str] | None = None
    query: str | None = None
    sources: list[ActionSearchSource] | None = None


class ActionOpenPage(WireModel):
    """The model opened a page."""

    type: Literal["open_page"] = "open_page"
    url: str | None = None


class ActionFind(WireModel):
    """The model looked for a text in a page."""

    type: Literal["find_in_page"] = "find_in_page"
    pattern: str
    url: str


class ResponseFunctionWebSearch(WireModel):
    """A search on the web; ``action`` is absent until it is done (observed live)."""

    id: str
    type: Literal["web_search_call"] = "web_search_call"
    status: Literal["in_progress", "searching", "completed", "failed", "incomplete"]
    action: ActionSearch | ActionOpenPage | ActionFind | None = None


class ResponseToolSearchCall(WireModel):
    """The model looks for tools whose loading was deferred."""

    id: str | None = None
    type: Literal["tool_search_call"] = "tool_search_call"
    status: ItemStatus | None = None
    arguments: Any
    call_id: str | None = None
    created_by: str | None = None
    execution: Literal["server", "client"] | None = None


class ResponseToolSearchOutputItem(WireModel):
    """The tools that a search found."""

    id: str | None = None
    type: Literal["tool_search_output"] = "tool_search_output"
    status: ItemStatus | None = None
    call_id: str | None = None
    created_by: str | None = None
    execution: Literal["server", "client"] | None = None
    tools: list[Tool]


class AdditionalTools(WireModel):
    """Tools that are available from here on."""

    id: str | None = None
    type: Literal["additional_tools"] = "additional_tools"
    role: Literal[
        "unknown", "user", "assistant", "system", "critic", "discriminator", "developer", "tool"
    ] = "developer"
    tools: list[Tool]
