"""Which class an event's ``type`` stands for, and in which module it lives."""

from __future__ import annotations

from pyresponses_ws.model import Family

__all__ = ["EVENTS"]

_HERE = "pyresponses_ws.events."

#: Every event that has a class. Modules are imported when the first of their events comes.
EVENTS = Family(
    {
        _HERE + "lifecycle": {
            "response.created": "ResponseCreatedEvent",
            "response.queued": "ResponseQueuedEvent",
            "response.in_progress": "ResponseInProgressEvent",
            "response.completed": "ResponseCompletedEvent",
            "response.incomplete": "ResponseIncompleteEvent",
            "response.failed": "ResponseFailedEvent",
            "response.done": "ResponseDoneEvent",
            "response.cancelled": "ResponseCancelledEvent",
            "response.output_item.added": "ResponseOutputItemAddedEvent",
            "response.output_item.done": "ResponseOutputItemDoneEvent",
            "response.content_part.added": "ResponseContentPartAddedEvent",
            "response.content_part.done": "ResponseContentPartDoneEvent",
        },
        _HERE + "text": {
            "response.output_text.delta": "ResponseTextDeltaEvent",
            "response.output_text.done": "ResponseTextDoneEvent",
            "response.output_text.annotation.added": "ResponseOutputTextAnnotationAddedEvent",
            "response.refusal.delta": "ResponseRefusalDeltaEvent",
            "response.refusal.done": "ResponseRefusalDoneEvent",
            "response.audio.delta": "ResponseAudioDeltaEvent",
            "response.audio.done": "ResponseAudioDoneEvent",
            "response.audio.transcript.delta": "ResponseAudioTranscriptDeltaEvent",
            "response.audio.transcript.done": "ResponseAudioTranscriptDoneEvent",
        },
        _HERE + "reasoning": {
            "response.reasoning_text.delta": "ResponseReasoningTextDeltaEvent",
            "response.reasoning_text.done": "ResponseReasoningTextDoneEvent",
            "response.reasoning_summary_part.added": "ResponseReasoningSummaryPartAddedEvent",
            "response.reasoning_summary_part.done": "ResponseReasoningSummaryPartDoneEvent",
            "response.reasoning_summary_text.delta": "ResponseReasoningSummaryTextDeltaEvent",
            "response.reasoning_summary_text.done": "ResponseReasoningSummaryTextDoneEvent",
            "response.compaction.compacting": "ResponseCompactionCompactingEvent",
        },
        _HERE + "calls": {
            "response.function_call_arguments.delta": "ResponseFunctionCallArgumentsDeltaEvent",
            "response.function_call_arguments.done": "ResponseFunctionCallArgumentsDoneEvent",
            "response.custom_tool_call_input.delta": "ResponseCustomToolCallInputDeltaEvent",
            "response.custom_tool_call_input.done": "ResponseCustomToolCallInputDoneEvent",
            "response.shell_call_command.added": "ResponseShellCallCommandAddedEvent",
            "response.shell_call_command.delta": "ResponseShellCallCommandDeltaEvent",
            "response.shell_call_command.done": "ResponseShellCallCommandDoneEvent",
            "response.shell_call_output_content.delta": "ResponseShellCallOutputContentDeltaEvent",
            "response.shell_call_output_content.done": "ResponseShellCallOutputContentDoneEvent",
            "response.apply_patch_call_operation_diff.delta": (
                "ResponseApplyPatchCallOperationDiffDeltaEvent"
            ),
            "response.apply_patch_call_operation_diff.done": (
                "ResponseApplyPatchCallOperationDiffDoneEvent"
            ),
        },
        _HERE + "hosted": {
            "response.web_search_call.in_progress": "ResponseWebSearchCallInProgressEvent",
            "response.web_search_call.searching": "ResponseWebSearchCallSearchingEvent",
            "response.web_search_call.completed": "ResponseWebSearchCallCompletedEvent",
            "response.file_search_call.in_progress": "ResponseFileSearchCallInProgressEvent",
            "response.file_search_call.searching": "ResponseFileSearchCallSearchingEvent",
            "response.file_search_call.completed": "ResponseFileSearchCallCompletedEvent",
            "response.code_interpreter_call.in_progress": (
                "ResponseCodeInterpreterCallInProgressEvent"
            ),
            "response.code_interpreter_call_code.delta": (
                "ResponseCodeInterpreterCallCodeDeltaEvent"
            ),
            "response.code_interpreter_call_code.done": "ResponseCodeInterpreterCallCodeDoneEvent",
            "response.code_interpreter_call.interpreting": (
                "ResponseCodeInterpreterCallInterpretingEvent"
            ),
            "response.code_interpreter_call.completed": "ResponseCodeInterpreterCallCompletedEvent",
            "response.image_generation_call.in_progress": "ResponseImageGenCallInProgressEvent",
            "response.image_generation_call.generating": "ResponseImageGenCallGeneratingEvent",
            "response.image_generation_call.partial_image": "ResponseImageGenCallPartialImageEvent",
            "response.image_generation_call.completed": "ResponseImageGenCallCompletedEvent",
            "response.mcp_list_tools.in_progress": "ResponseMcpListToolsInProgressEvent",
            "response.mcp_list_tools.completed": "ResponseMcpListToolsCompletedEvent",
            "response.mcp_list_tools.failed": "ResponseMcpListToolsFailedEvent",
            "response.mcp_call.in_progress": "ResponseMcpCallInProgressEvent",
            "response.mcp_call_arguments.delta": "ResponseMcpCallArgumentsDeltaEvent",
            "response.mcp_call_arguments.done": "ResponseMcpCallArgumentsDoneEvent",
            "response.mcp_call.completed": "ResponseMcpCallCompletedEvent",
            "response.mcp_call.failed": "ResponseMcpCallFailedEvent",
        },
        _HERE + "steering": {
            "response.steer.accepted": "ResponseSteerAcceptedEvent",
            "response.steer.pending": "ResponseSteerPendingEvent",
            "response.steer.failed": "ResponseSteerFailedEvent",
            "response.inject.created": "ResponseInjectCreatedEvent",
            "response.inject.failed": "ResponseInjectFailedEvent",
        },
        _HERE + "failure": {
            "error": "ResponseErrorEvent",
            "response.error": "ResponseUnlistedErrorEvent",
            "keepalive": "KeepaliveEvent",
            "response.metadata": "ResponseMetadataEvent",
        },
    }
)
