"""Events: what the server says, one class a wire type.

Every class is importable from here; its module is loaded when its name is first asked for.
Names are those of the official package: of its SSE union where it has the type.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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

_home_of = {name: module for module, names in HOMES.items() for name in names}

__all__ = sorted(_home_of)


def __getattr__(name: str) -> Any:
    """Load the module of a public name."""
    if name not in _home_of:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_home_of[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_home_of})
