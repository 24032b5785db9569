"""Items: what a conversation is made of, and what describes a response.

Every class is importable from here; its module is loaded when its name is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyresponses_ws.lazy import lazy_names

if TYPE_CHECKING:
    from pyresponses_ws.items.calls import *  # noqa: F403
    from pyresponses_ws.items.code import *  # noqa: F403
    from pyresponses_ws.items.computer import *  # noqa: F403
    from pyresponses_ws.items.content import *  # noqa: F403
    from pyresponses_ws.items.families import *  # noqa: F403
    from pyresponses_ws.items.hosted_tools import *  # noqa: F403
    from pyresponses_ws.items.mcp import *  # noqa: F403
    from pyresponses_ws.items.messages import *  # noqa: F403
    from pyresponses_ws.items.reasoning import *  # noqa: F403
    from pyresponses_ws.items.resources import *  # noqa: F403
    from pyresponses_ws.items.response import *  # noqa: F403
    from pyresponses_ws.items.response_details import *  # noqa: F403
    from pyresponses_ws.items.searches import *  # noqa: F403
    from pyresponses_ws.items.shared import *  # noqa: F403
    from pyresponses_ws.items.shell import *  # noqa: F403
    from pyresponses_ws.items.skills import *  # noqa: F403
    from pyresponses_ws.items.text_format import *  # noqa: F403
    from pyresponses_ws.items.tool_choices import *  # noqa: F403
    from pyresponses_ws.items.tools import *  # noqa: F403
    from pyresponses_ws.items.usage import *  # noqa: F403

#: Module to public names; the modules' own ``__all__``, which a test compares.
HOMES = {
    "calls": (
        "FunctionCallOutput",
        "ResponseCustomToolCall",
        "ResponseCustomToolCallOutput",
        "ResponseFunctionToolCall",
    ),
    "code": (
        "ImageGenerationCall",
        "ImageGenerationError",
        "ImageModerationDetails",
        "OutputImage",
        "OutputLogs",
        "Program",
        "ProgramOutput",
        "ResponseCodeInterpreterToolCall",
        "SvgUsage",
    ),
    "computer": (
        "ComputerAction",
        "ComputerActionClick",
        "ComputerActionDoubleClick",
        "ComputerActionDrag",
        "ComputerActionKeypress",
        "ComputerActionMove",
        "ComputerActionScreenshot",
        "ComputerActionScroll",
        "ComputerActionType",
        "ComputerActionWait",
        "ComputerCallOutput",
        "ComputerScreenshot",
        "ResponseComputerToolCall",
        "SafetyCheck",
        "ScreenPoint",
    ),
    "content": (
        "Annotation",
        "AnnotationContainerFileCitation",
        "AnnotationFileCitation",
        "AnnotationFilePath",
        "AnnotationURLCitation",
        "InputContent",
        "Logprob",
        "LogprobTopLogprob",
        "OutputContent",
        "ReasoningText",
        "ResponseInputFile",
        "ResponseInputImage",
        "ResponseInputText",
        "ResponseOutputRefusal",
        "ResponseOutputText",
        "SummaryText",
    ),
    "families": (
        "ITEMS",
        "TOOLS",
        "ResponseInputItem",
        "ResponseItem",
        "ResponseOutputItem",
        "Tool",
    ),
    "hosted_tools": (
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
    ),
    "mcp": (
        "McpApprovalRequest",
        "McpApprovalResponse",
        "McpCall",
        "McpHTTPError",
        "McpListTools",
        "McpListToolsTool",
        "McpProtocolError",
        "McpToolExecutionError",
    ),
    "messages": (
        "EasyInputMessage",
        "ItemReference",
        "Phase",
        "ResponseOutputMessage",
    ),
    "reasoning": (
        "CompactionTrigger",
        "ConfigurationUpdateReasoning",
        "ConfigurationUpdateText",
        "ResponseCompactionItem",
        "ResponseConfigurationUpdateItem",
        "ResponseReasoningItem",
    ),
    "resources": (
        "CompactedResponse",
        "ResponseItemList",
    ),
    "response": (
        "Response",
        "ResponseStatus",
    ),
    "response_details": (
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
    ),
    "searches": (
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
    ),
    "shared": (
        "AllowedCaller",
        "CallerDirect",
        "CallerProgram",
        "ItemStatus",
        "PromptCacheBreakpoint",
        "ReasoningEffort",
        "UnknownItem",
    ),
    "shell": (
        "ApplyPatchCallOutput",
        "ApplyPatchCreateFile",
        "ApplyPatchDeleteFile",
        "ApplyPatchUpdateFile",
        "LocalShellCall",
        "LocalShellCallAction",
        "LocalShellCallOutput",
        "OutcomeExit",
        "OutcomeTimeout",
        "ResponseApplyPatchToolCall",
        "ResponseFunctionShellToolCall",
        "ShellCallAction",
        "ShellCallOutput",
        "ShellCallOutputContent",
    ),
    "skills": (
        "ContainerAuto",
        "ContainerNetworkPolicyAllowlist",
        "ContainerNetworkPolicyDisabled",
        "ContainerNetworkPolicyDomainSecret",
        "ContainerReference",
        "InlineSkill",
        "InlineSkillSource",
        "LocalEnvironment",
        "LocalSkill",
        "SkillReference",
    ),
    "text_format": (
        "ResponseFormatJSONObject",
        "ResponseFormatText",
        "ResponseFormatTextConfig",
        "ResponseFormatTextJSONSchemaConfig",
        "ResponseTextConfig",
    ),
    "tool_choices": (
        "ToolChoice",
        "ToolChoiceAllowed",
        "ToolChoiceApplyPatch",
        "ToolChoiceCustom",
        "ToolChoiceFunction",
        "ToolChoiceMcp",
        "ToolChoiceOptions",
        "ToolChoiceProgrammaticToolCalling",
        "ToolChoiceShell",
        "ToolChoiceTypes",
    ),
    "tools": (
        "ApplyPatchTool",
        "ComputerTool",
        "ComputerUsePreviewTool",
        "CustomTool",
        "CustomToolGrammar",
        "CustomToolText",
        "FunctionShellTool",
        "FunctionTool",
        "LocalShell",
        "NamespaceTool",
        "ProgrammaticToolCalling",
        "ToolSearchTool",
    ),
    "usage": (
        "CacheWriteTokensDetails",
        "CachedImageTokensDetails",
        "ImageTokensDetails",
        "InputTokensDetails",
        "OutputTokensDetails",
        "ResponseUsage",
        "ToolUsage",
        "ToolUsageImageGen",
        "ToolUsageWebSearch",
    ),
}

if not TYPE_CHECKING:
    # Type checkers take the imports above; here they could only see that any name may be there.
    __all__, __getattr__, __dir__ = lazy_names(__name__, HOMES)
