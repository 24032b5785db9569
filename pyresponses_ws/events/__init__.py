"""Events: what the server says, one class a wire type.

Every class is importable from here; its module is loaded when its name is first asked for.
Names are those of the official package: of its SSE union where it has the type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyresponses_ws.lazy import lazy_names

if TYPE_CHECKING:
    from pyresponses_ws.events.base import *  # noqa: F403
    from pyresponses_ws.events.calls import *  # noqa: F403
    from pyresponses_ws.events.failure import *  # noqa: F403
    from pyresponses_ws.events.hosted import *  # noqa: F403
    from pyresponses_ws.events.lifecycle import *  # noqa: F403
    from pyresponses_ws.events.reasoning import *  # noqa: F403
    from pyresponses_ws.events.steering import *  # noqa: F403
    from pyresponses_ws.events.table import *  # noqa: F403
    from pyresponses_ws.events.text import *  # noqa: F403

#: Module to public names; the modules' own ``__all__``, which a test compares.
HOMES = {
    "base": (
        "Event",
        "UnknownEvent",
    ),
    "calls": (
        "ResponseApplyPatchCallOperationDiffDeltaEvent",
        "ResponseApplyPatchCallOperationDiffDoneEvent",
        "ResponseCustomToolCallInputDeltaEvent",
        "ResponseCustomToolCallInputDoneEvent",
        "ResponseFunctionCallArgumentsDeltaEvent",
        "ResponseFunctionCallArgumentsDoneEvent",
        "ResponseShellCallCommandAddedEvent",
        "ResponseShellCallCommandDeltaEvent",
        "ResponseShellCallCommandDoneEvent",
        "ResponseShellCallOutputContentDeltaEvent",
        "ResponseShellCallOutputContentDoneEvent",
        "ShellOutputDelta",
    ),
    "failure": (
        "ErrorBody",
        "KeepaliveEvent",
        "ResponseErrorEvent",
        "ResponseMetadataEvent",
        "ResponseUnlistedErrorEvent",
    ),
    "hosted": (
        "HostedCallEvent",
        "ResponseCodeInterpreterCallCodeDeltaEvent",
        "ResponseCodeInterpreterCallCodeDoneEvent",
        "ResponseCodeInterpreterCallCompletedEvent",
        "ResponseCodeInterpreterCallInProgressEvent",
        "ResponseCodeInterpreterCallInterpretingEvent",
        "ResponseFileSearchCallCompletedEvent",
        "ResponseFileSearchCallInProgressEvent",
        "ResponseFileSearchCallSearchingEvent",
        "ResponseImageGenCallCompletedEvent",
        "ResponseImageGenCallGeneratingEvent",
        "ResponseImageGenCallInProgressEvent",
        "ResponseImageGenCallPartialImageEvent",
        "ResponseMcpCallArgumentsDeltaEvent",
        "ResponseMcpCallArgumentsDoneEvent",
        "ResponseMcpCallCompletedEvent",
        "ResponseMcpCallFailedEvent",
        "ResponseMcpCallInProgressEvent",
        "ResponseMcpListToolsCompletedEvent",
        "ResponseMcpListToolsFailedEvent",
        "ResponseMcpListToolsInProgressEvent",
        "ResponseWebSearchCallCompletedEvent",
        "ResponseWebSearchCallInProgressEvent",
        "ResponseWebSearchCallSearchingEvent",
    ),
    "lifecycle": (
        "ResponseCancelledEvent",
        "ResponseCompletedEvent",
        "ResponseContentPartAddedEvent",
        "ResponseContentPartDoneEvent",
        "ResponseCreatedEvent",
        "ResponseDoneEvent",
        "ResponseFailedEvent",
        "ResponseInProgressEvent",
        "ResponseIncompleteEvent",
        "ResponseOutputItemAddedEvent",
        "ResponseOutputItemDoneEvent",
        "ResponseQueuedEvent",
    ),
    "reasoning": (
        "ResponseCompactionCompactingEvent",
        "ResponseReasoningSummaryPartAddedEvent",
        "ResponseReasoningSummaryPartDoneEvent",
        "ResponseReasoningSummaryTextDeltaEvent",
        "ResponseReasoningSummaryTextDoneEvent",
        "ResponseReasoningTextDeltaEvent",
        "ResponseReasoningTextDoneEvent",
    ),
    "steering": (
        "InjectError",
        "RequiredInput",
        "ResponseInjectCreatedEvent",
        "ResponseInjectFailedEvent",
        "ResponseSteerAcceptedEvent",
        "ResponseSteerFailedEvent",
        "ResponseSteerPendingEvent",
        "SteerError",
        "SteerRejection",
        "SteerTicket",
    ),
    "table": ("EVENTS",),
    "text": (
        "ResponseAudioDeltaEvent",
        "ResponseAudioDoneEvent",
        "ResponseAudioTranscriptDeltaEvent",
        "ResponseAudioTranscriptDoneEvent",
        "ResponseOutputTextAnnotationAddedEvent",
        "ResponseRefusalDeltaEvent",
        "ResponseRefusalDoneEvent",
        "ResponseTextDeltaEvent",
        "ResponseTextDoneEvent",
    ),
}

if not TYPE_CHECKING:
    # Type checkers take the imports above; here they could only see that any name may be there.
    __all__, __getattr__, __dir__ = lazy_names(__name__, HOMES)
