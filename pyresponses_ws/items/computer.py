"""The computer tool: what the model does to a screen, and the screenshots that answer it."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.items.shared import ItemStatus
from pyresponses_ws.model import WireModel

__all__ = [
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
]


class ScreenPoint(WireModel):
    """A point of the screen, in pixels."""

    x: int
    y: int


class ComputerActionClick(WireModel):
    """Click; ``keys`` are held down meanwhile."""

    type: Literal["click"] = "click"
    button: Literal["left", "right", "wheel", "back", "forward"]
    x: int
    y: int
    keys: list[str] | None = None


class ComputerActionDoubleClick(WireModel):
    """Double-click; ``keys`` are held down meanwhile."""

    type: Literal["double_click"] = "double_click"
    x: int
    y: int
    keys: list[str] | None = None


class ComputerActionDrag(WireModel):
    """Drag along a path."""

    type: Literal["drag"] = "drag"
    path: list[ScreenPoint]
    keys: list[str] | None = None


class ComputerActionKeypress(WireModel):
    """Press keys together."""

    type: Literal["keypress"] = "keypress"
    keys: list[str]


class ComputerActionMove(WireModel):
    """Move the pointer."""

    type: Literal["move"] = "move"
    x: int
    y: int
    keys: list[str] | None = None


class ComputerActionScreenshot(WireModel):
    """Take a screenshot."""

    type: Literal["screenshot"] = "screenshot"


class ComputerActionScroll(WireModel):
    """Scroll at a point, by pixels."""

    type: Literal["scroll"] = "scroll"
    scroll_x: int
    scroll_y: int
    x: int
    y: int
    keys: list[str] | None = None


class ComputerActionType(WireModel):
    """Type a text."""

    type: Literal["type"] = "type"
    text: str


class ComputerActionWait(WireModel):
    """Wait a moment."""

    type: Literal["wait"] = "wait"


ComputerAction = (
    ComputerActionClick
    | ComputerActionDoubleClick
    | ComputerActionDrag
    | ComputerActionKeypress
    | ComputerActionMove
    | ComputerActionScreenshot
    | ComputerActionScroll
    | ComputerActionType
    | ComputerActionWait
)


class SafetyCheck(WireModel):
    """A warning that must be acknowledged before the call is carried out."""

    id: str
    code: str | None = None
    message: str | None = None


class ResponseComputerToolCall(WireModel):
    """The model uses the computer: one ``action``, or ``actions`` in order."""

    id: str
    type: Literal["computer_call"] = "computer_call"
    status: ItemStatus
    action: ComputerAction | None = None
    actions: list[ComputerAction] | None = None
    call_id: str
    pending_safety_checks: list[SafetyCheck]


class ComputerScreenshot(WireModel):
    """What the screen shows after a call, by URL or file id."""

    type: Literal["computer_screenshot"] = "computer_screenshot"
    file_id: str | None = None
    image_url: str | None = None


class ComputerCallOutput(WireModel):
    """The screenshot that answers a computer call."""

    id: str | None = None
    type: Literal["computer_call_output"] = "computer_call_output"
    status: Literal["completed", "incomplete", "failed", "in_progress"] | None = None
    acknowledged_safety_checks: list[SafetyCheck] | None = None
    call_id: str
    created_by: str | None = None
    output: ComputerScreenshot
