"""Tools that the service runs: searches, the code interpreter, images, MCP servers."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.items.shared import AllowedCaller, ReasoningEffort
from pyresponses_ws.items.skills import (
    ContainerNetworkPolicyAllowlist,
    ContainerNetworkPolicyDisabled,
)
from pyresponses_ws.model import WireModel

__all__ = [
    "CodeInterpreter",
    "CodeInterpreterContainerAuto",
    "ComparisonFilter",
    "CompoundFilter",
    "FileSearchRankingOptions",
    "FileSearchTool",
    "HybridSearchWeights",
    "ImageGeneration",
    "ImageGenerationMask",
    "ImageGenerationSvg",
    "ImageGenerationSvgReasoning",
    "Mcp",
    "McpApprovalFilter",
    "McpToolFilter",
    "WebSearchFilters",
    "WebSearchPreviewTool",
    "WebSearchTool",
    "WebSearchUserLocation",
]


class ComparisonFilter(WireModel):
    """Compares an attribute of a file with a value."""

    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: str
    value: str | float | bool | list[str | float]


class CompoundFilter(WireModel):
    """Joins filters."""

    type: Literal["and", "or"]
    filters: list[ComparisonFilter | CompoundFilter]


class HybridSearchWeights(WireModel):
    """How much the meaning counts, and how much the words."""

    embedding_weight: float
    text_weight: float


class FileSearchRankingOptions(WireModel):
    """How passages are ranked; those that score less than the threshold are left out."""

    hybrid_search: HybridSearchWeights | None = None
    ranker: Literal["auto", "default-2024-11-15"] | None = None
    score_threshold: float | None = None


class FileSearchTool(WireModel):
    """Searches the user's vector stores."""

    type: Literal["file_search"] = "file_search"
    filters: ComparisonFilter | CompoundFilter | None = None
    max_num_results: int | None = None
    ranking_options: FileSearchRankingOptions | None = None
    vector_store_ids: list[str]


class WebSearchFilters(WireModel):
    """Limits a web search to domains."""

    allowed_domains: list[str] | None = None


class WebSearchUserLocation(WireModel):
    """Where the user is, roughly."""

    type: Literal["approximate"] = "approximate"
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class WebSearchTool(WireModel):
    """Searches the web."""

    type: Literal["web_search", "web_search_2025_08_26"] = "web_search"
    external_web_access: bool | None = None
    filters: WebSearchFilters | None = None
    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: WebSearchUserLocation | None = None


class WebSearchPreviewTool(WireModel):
    """Searches the web; the older tool."""

    type: Literal["web_search_preview", "web_search_preview_2025_03_11"] = "web_search_preview"
    search_content_types: list[Literal["text", "image"]] | None = None
    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: WebSearchUserLocation | None = None


class McpToolFilter(WireModel):
    """Some of a server's tools."""

    read_only: bool | None = None
    tool_names: list[str] | None = None


class McpApprovalFilter(WireModel):
    """Which tools need an approval, and which do not."""

    always: McpToolFilter | None = None
    never: McpToolFilter | None = None


class Mcp(WireModel):
    """An MCP server that the service calls. ``authorization`` and ``headers`` are secrets."""

    type: Literal["mcp"] = "mcp"
    server_label: str
    allowed_callers: list[AllowedCaller] | None = None
    allowed_tools: list[str] | McpToolFilter | None = None
    authorization: str | None = None
    connector_id: (
        Literal[
            "connector_dropbox",
            "connector_gmail",
            "connector_googlecalendar",
            "connector_googledrive",
            "connector_microsoftteams",
            "connector_outlookcalendar",
            "connector_outlookemail",
            "connector_sharepoint",
        ]
        | None
    ) = None
    defer_loading: bool | None = None
    headers: dict[str, str] | None = None
    require_approval: McpApprovalFilter | Literal["always", "never"] | None = None
    server_description: str | None = None
    server_url: str | None = None
    tunnel_id: str | None = None


class CodeInterpreterContainerAuto(WireModel):
    """A container that the server makes for the code."""

    type: Literal["auto"] = "auto"
    file_ids: list[str] | None = None
    memory_limit: Literal["1g", "4g", "16g", "64g"] | None = None
    network_policy: ContainerNetworkPolicyDisabled | ContainerNetworkPolicyAllowlist | None = None


class CodeInterpreter(WireModel):
    """Runs Python; ``container`` is an id or a description."""

    type: Literal["code_interpreter"] = "code_interpreter"
    allowed_callers: list[AllowedCaller] | None = None
    container: str | CodeInterpreterContainerAuto


class ImageGenerationMask(WireModel):
    """Where an image may be changed, by URL or file id."""

    file_id: str | None = None
    image_url: str | None = None


class ImageGenerationSvgReasoning(WireModel):
    """How hard the drawing model thinks."""

    effort: ReasoningEffort | None = None


class ImageGenerationSvg(WireModel):
    """The model that draws an SVG."""

    model: str | None = None
    reasoning: ImageGenerationSvgReasoning | None = None


class ImageGeneration(WireModel):
    """Draws images."""

    type: Literal["image_generation"] = "image_generation"
    action: Literal["generate", "edit", "auto"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    complexity: Literal["low", "medium", "high"] | None = None
    frame_count: int | None = None
    frame_duration_ms: int | None = None
    input_fidelity: Literal["high", "low"] | None = None
    input_image_mask: ImageGenerationMask | None = None
    model: str | None = None
    moderation: Literal["auto", "low"] | None = None
    output_compression: int | None = None
    output_format: Literal["png", "webp", "jpeg", "gif", "svg"] | None = None
    partial_images: int | None = None
    quality: Literal["low", "medium", "high", "xhigh", "max", "auto"] | None = None
    size: Literal["1024x1024", "1024x1536", "1536x1024", "auto"] | str | None = None
    svg: ImageGenerationSvg | None = None
