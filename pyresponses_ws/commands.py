"""What we say: create a response, steer a running one."""

from __future__ import annotations

from typing import Any, Literal

from pyresponses_ws.items.families import ResponseInputItem, Tool
from pyresponses_ws.items.response_details import (
    AccessPrograms,
    ConversationReference,
    ImageSettings,
    PromptCacheOptions,
    Reasoning,
    ResponsePrompt,
    ServiceTier,
)
from pyresponses_ws.items.text_format import ResponseTextConfig
from pyresponses_ws.items.tool_choices import ToolChoice
from pyresponses_ws.model import Family, WireModel

__all__ = [
    "COMMANDS",
    "ContextManagement",
    "ModerationMode",
    "ModerationPolicy",
    "ModerationSettings",
    "ResponseCreate",
    "ResponseIncludable",
    "ResponseInject",
    "ResponseSteer",
    "StreamOptions",
]

ResponseIncludable = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]


class ContextManagement(WireModel):
    """Compact the conversation once it is longer than so many tokens (1000 at least)."""

    type: Literal["compaction"] | str
    compact_threshold: int | None = None


class ModerationMode(WireModel):
    """Whether a bad score is only reported, or ends the response."""

    mode: Literal["score", "block"]


class ModerationPolicy(WireModel):
    """What moderation does in each direction."""

    input: ModerationMode | None = None
    output: ModerationMode | None = None


class ModerationSettings(WireModel):
    """Moderate input and output."""

    model: str
    policy: ModerationPolicy | None = None


class StreamOptions(WireModel):
    """Whether deltas are padded; has an effect on this transport too."""

    include_obfuscation: bool | None = None


class ResponseCreate(WireModel):
    """Ask for a response.

    Settings are not inherited from the previous response, only its items are: send them all with
    every request. ``multi_agent`` is beta and ``client_metadata`` one backend's.
    """

    type: Literal["response.create"] = "response.create"
    stream_id: str | None = None
    model: str | None = None
    previous_response_id: str | None = None
    input: str | list[ResponseInputItem] | None = None
    instructions: str | None = None
    access_programs: AccessPrograms | None = None
    background: bool | None = None
    client_metadata: dict[str, str] | None = None
    context_management: list[ContextManagement] | None = None
    conversation: str | ConversationReference | None = None
    generate: bool | None = None
    image: ImageSettings | None = None
    include: list[ResponseIncludable] | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    moderation: ModerationSettings | None = None
    multi_agent: Any = None
    parallel_tool_calls: bool | None = None
    prompt: ResponsePrompt | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    reasoning: Reasoning | None = None
    safety_identifier: str | None = None
    service_tier: ServiceTier | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    text: ResponseTextConfig | None = None
    tool_choice: ToolChoice | None = None
    tools: list[Tool] | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None


class ResponseSteer(WireModel):
    """Add user messages to a running response. Its lane is that of its target."""

    type: Literal["response.steer"] = "response.steer"
    previous_response_id: str
    input: str | list[ResponseInputItem]


class ResponseInject(WireModel):
    """Hand tool outputs to a waiting agent of a running response; beta."""

    type: Literal["response.inject"] = "response.inject"
    response_id: str
    input: list[ResponseInputItem]


#: Every command that has a class.
COMMANDS = Family(
    {
        __name__: {
            "response.create": "ResponseCreate",
            "response.steer": "ResponseSteer",
            "response.inject": "ResponseInject",
        }
    }
)
