"""What a response says about its settings, its failure and its cache."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.items.content import (
    ResponseInputFile,
    ResponseInputImage,
    ResponseInputText,
)
from pyresponses_ws.items.shared import ReasoningEffort
from pyresponses_ws.model import WireModel

__all__ = [
    "AccessPrograms",
    "Billing",
    "ConversationReference",
    "ImageSettings",
    "IncompleteDetails",
    "InputTransformation",
    "Misalignment",
    "MisalignmentSteer",
    "Moderation",
    "ModerationError",
    "ModerationResult",
    "PromptCacheDiagnosticsCacheHit",
    "PromptCacheDiagnosticsCacheMiss",
    "PromptCacheDiagnosticsComparisonResponseNotFound",
    "PromptCacheDiagnosticsUnavailable",
    "PromptCacheOptions",
    "Reasoning",
    "ResponseError",
    "ResponsePrompt",
    "ServiceTier",
]

ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"]


class AccessPrograms(WireModel):
    """Access programs that applied."""

    cyber: Literal["standard", "daybreak_blue", "daybreak_red"] | None = None


class Billing(WireModel):
    """Who pays; seen live in some responses, in no schema."""

    payer: str | None = None


class MisalignmentSteer(WireModel):
    """What to send in order to go on."""

    message: str


class Misalignment(WireModel):
    """Why a response was stopped as misaligned."""

    detailed_explanation: str | None = None
    error_type: (
        Literal[
            "potentially_unintended_data_transfer",
            "potentially_unintended_data_access",
            "potentially_unintended_destructive_activity",
            "other",
        ]
        | str
        | None
    ) = None
    review_target: str | None = None
    steer: MisalignmentSteer | None = None


class ResponseError(WireModel):
    """Why a response failed. Codes outside the list occur, ``insufficient_quota`` for one."""

    code: (
        Literal[
            "server_error",
            "rate_limit_exceeded",
            "invalid_prompt",
            "data_residency_mismatch",
            "bio_policy",
            "misalignment_policy_violation",
            "vector_store_timeout",
            "invalid_image",
            "invalid_image_format",
            "invalid_base64_image",
            "invalid_image_url",
            "image_too_large",
            "image_too_small",
            "image_parse_error",
            "image_content_policy_violation",
            "invalid_image_mode",
            "image_file_too_large",
            "unsupported_image_media_type",
            "empty_image_file",
            "failed_to_download_image",
            "image_file_not_found",
        ]
        | str
    )
    message: str
    misalignment: Misalignment | None = None
    param: str | None = None
    type: str | None = None


class IncompleteDetails(WireModel):
    """Why a response ended early."""

    reason: Literal["max_output_tokens", "max_messages", "content_filter", "steered"] | None = None


class ConversationReference(WireModel):
    """The conversation stored at the service that the response belongs to."""

    id: str


class ImageSettings(WireModel):
    """Whether images of the context were compressed."""

    context_compression: Literal["auto", "enabled", "disabled"] | None = None


class InputTransformation(WireModel):
    """An item of the input that the server changed, and why."""

    id: str
    type: Literal["reasoning"] = "reasoning"
    action: Literal["removed"] = "removed"
    reason: Literal[
        "organization_mismatch",
        "end_user_mismatch",
        "model_mismatch",
        "prefix_mismatch",
        "turn_boundary",
    ]


class ModerationResult(WireModel):
    """What moderation found; scores are from 0 to 1."""

    type: Literal["moderation_result"] = "moderation_result"
    categories: dict[str, bool]
    category_applied_input_types: dict[str, list[Literal["text", "image"]]]
    category_scores: dict[str, float]
    flagged: bool
    model: str


class ModerationError(WireModel):
    """Why moderation did not run."""

    type: Literal["error"] = "error"
    code: str
    message: str


class Moderation(WireModel):
    """Moderation of both directions."""

    input: ModerationResult | ModerationError
    output: ModerationResult | ModerationError


class ResponsePrompt(WireModel):
    """A stored prompt template, and what fills it."""

    id: str
    variables: (
        dict[str, str | ResponseInputText | ResponseInputImage | ResponseInputFile] | None
    ) = None
    version: str | None = None


class PromptCacheDiagnosticsCacheMiss(WireModel):
    """The cached prefix ended early."""

    type: Literal["cache_miss"] = "cache_miss"
    cache_missed_tokens: int
    comparison_reusable_tokens: int | None = None
    reason: Literal[
        "model_changed",
        "prompt_cache_key_changed",
        "tools_changed",
        "text_format_changed",
        "reasoning_effort_changed",
        "verbosity_changed",
        "context_compacted",
        "input_changed",
        "service_tier_changed",
    ]


class PromptCacheDiagnosticsCacheHit(WireModel):
    """All that could come from the cache did."""

    type: Literal["cache_hit"] = "cache_hit"


class PromptCacheDiagnosticsComparisonResponseNotFound(WireModel):
    """The response to compare with is gone."""

    type: Literal["comparison_response_not_found"] = "comparison_response_not_found"


class PromptCacheDiagnosticsUnavailable(WireModel):
    """No diagnosis."""

    type: Literal["unavailable"] = "unavailable"


class PromptCacheOptions(WireModel):
    """How the prompt cache is used; ``prewarm`` exists in requests only."""

    comparison_response_id: str | None = None
    mode: Literal["implicit", "explicit"] | None = None
    prewarm: bool | None = None
    ttl: Literal["30m", "12h"] | None = None


class Reasoning(WireModel):
    """How the model thinks, and what it shows of it."""

    context: Literal["auto", "current_turn", "all_turns"] | None = None
    effort: ReasoningEffort | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    mode: Literal["standard", "pro"] | str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
