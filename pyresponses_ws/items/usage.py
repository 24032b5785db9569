"""What a response cost, in tokens and in requests of hosted tools."""

from __future__ import annotations

from pyresponses_ws.model import WireModel

__all__ = [
    "CacheWriteTokensDetails",
    "CachedImageTokensDetails",
    "ImageTokensDetails",
    "InputTokensDetails",
    "OutputTokensDetails",
    "ResponseUsage",
    "ToolUsage",
    "ToolUsageImageGen",
    "ToolUsageWebSearch",
]


class CacheWriteTokensDetails(WireModel):
    """Tokens written to the prompt cache, by time to live."""

    ttl_12h_tokens: int
    ttl_30m_tokens: int


class InputTokensDetails(WireModel):
    """Input tokens that came from the prompt cache, or went into it."""

    cache_write_tokens: int
    cached_tokens: int
    cache_write_tokens_details: CacheWriteTokensDetails | None = None


class OutputTokensDetails(WireModel):
    """Output tokens that nobody sees."""

    reasoning_tokens: int


class ResponseUsage(WireModel):
    """Tokens of one response."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ImageTokensDetails(WireModel):
    """Tokens of image generation, images and text apart."""

    image_tokens: int
    text_tokens: int


class CachedImageTokensDetails(WireModel):
    """Cached tokens of image generation, images and text apart."""

    cached_image_tokens: int
    cached_text_tokens: int


class ToolUsageImageGen(WireModel):
    """Tokens of the image generation tool."""

    input_tokens: int
    input_tokens_details: ImageTokensDetails
    output_tokens: int
    output_tokens_details: ImageTokensDetails | None = None
    total_tokens: int
    cached_tokens: int | None = None
    cached_tokens_details: CachedImageTokensDetails | None = None


class ToolUsageWebSearch(WireModel):
    """Requests of the web search tool."""

    num_requests: int


class ToolUsage(WireModel):
    """What hosted tools used."""

    image_gen: ToolUsageImageGen
    web_search: ToolUsageWebSearch
