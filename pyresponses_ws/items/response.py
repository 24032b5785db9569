"""The response object: its settings, its output and how it ended."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Literal

from pyresponses_ws.guards import guarded
from pyresponses_ws.items.content import ResponseOutputText
from pyresponses_ws.items.families import ResponseInputItem, ResponseOutputItem, Tool
from pyresponses_ws.items.response_details import (
    AccessPrograms,
    Billing,
    ConversationReference,
    ImageSettings,
    IncompleteDetails,
    InputTransformation,
    Moderation,
    PromptCacheDiagnosticsCacheHit,
    PromptCacheDiagnosticsCacheMiss,
    PromptCacheDiagnosticsComparisonResponseNotFound,
    PromptCacheDiagnosticsUnavailable,
    PromptCacheOptions,
    Reasoning,
    ResponseError,
    ResponsePrompt,
    ServiceTier,
)
from pyresponses_ws.items.text_format import ResponseTextConfig
from pyresponses_ws.items.tool_choices import ToolChoice
from pyresponses_ws.items.usage import ResponseUsage, ToolUsage
from pyresponses_ws.model import WireModel

if TYPE_CHECKING:
    from pyresponses_ws.report import TurnReport

__all__ = ["Response", "ResponseStatus"]

ResponseStatus = Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]


class Response(WireModel):
    """One answer of the model, running or ended; fields in the order in which they come live.

    ``created_at`` and ``completed_at`` are Unix times in seconds. ``report`` tells how the turn
    went that brought it; it is no part of the wire object, and None where there was no turn.
    """

    # A slot, so that it stays out of ``__dict__``, which is the wire object.
    __slots__ = ("_report",)

    id: str
    object: Literal["response"] = "response"
    created_at: float
    status: ResponseStatus | None = None
    background: bool | None = None
    completed_at: float | None = None
    error: ResponseError | None = None
    frequency_penalty: float | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | list[ResponseInputItem] | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    moderation: Moderation | None = None
    output: list[ResponseOutputItem]
    parallel_tool_calls: bool
    presence_penalty: float | None = None
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    reasoning: Reasoning | None = None
    safety_identifier: str | None = None
    service_tier: ServiceTier | None = None
    store: bool | None = None
    temperature: float | None = None
    text: ResponseTextConfig | None = None
    tool_choice: ToolChoice
    tool_usage: ToolUsage | None = None
    tools: list[Tool]
    top_logprobs: int | None = None
    top_p: float | None = None
    truncation: Literal["auto", "disabled"] | None = None
    usage: ResponseUsage | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    access_programs: AccessPrograms | None = None
    billing: Billing | None = None
    conversation: ConversationReference | None = None
    image: ImageSettings | None = None
    input_transformations: list[InputTransformation] | None = None
    prompt: ResponsePrompt | None = None
    prompt_cache_diagnostics: (
        PromptCacheDiagnosticsCacheMiss
        | PromptCacheDiagnosticsCacheHit
        | PromptCacheDiagnosticsComparisonResponseNotFound
        | PromptCacheDiagnosticsUnavailable
        | None
    ) = None
    prompt_cache_options: PromptCacheOptions | None = None

    @property
    def report(self) -> TurnReport | None:
        """How the turn went that brought this response; None where there was no turn."""
        return getattr(self, "_report", None)

    @report.setter
    def report(self, report: TurnReport | None) -> None:
        self._report = report

    @guarded
    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # The second half of a state is that of the slots.
        return (*super().__reduce_ex__(protocol), (None, {"_report": self.report}))

    @guarded
    def __deepcopy__(self, memo: dict[int, Any]) -> Response:
        copied = super().__deepcopy__(memo)
        copied.report = deepcopy(self.report, memo)
        return copied

    @property
    def output_text(self) -> str:
        """All text of the model's messages, joined; empty when there is none."""
        messages = (x for x in _listed(self.output) if getattr(x, "type", "") == "message")
        parts = (part for x in messages for part in _listed(getattr(x, "content", None)))
        return "".join(part.text for part in parts if isinstance(part, ResponseOutputText))


def _listed(value: Any) -> list[Any]:
    """The value if it is the list that it should be: decoding keeps whatever a server sent."""
    return value if isinstance(value, list) else []
