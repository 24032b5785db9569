"""Code that runs at the server: the code interpreter, programs that call tools, images."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.model import WireModel

__all__ = [
    "ImageGenerationCall",
    "ImageGenerationError",
    "ImageModerationDetails",
    "OutputImage",
    "OutputLogs",
    "Program",
    "ProgramOutput",
    "ResponseCodeInterpreterToolCall",
    "SvgUsage",
]


class OutputLogs(WireModel):
    """What the code printed."""

    type: Literal["logs"] = "logs"
    logs: str


class OutputImage(WireModel):
    """An image that the code made."""

    type: Literal["image"] = "image"
    url: str


class ResponseCodeInterpreterToolCall(WireModel):
    """The model runs Python in a container."""

    id: str
    type: Literal["code_interpreter_call"] = "code_interpreter_call"
    status: Literal["in_progress", "completed", "incomplete", "interpreting", "failed"]
    code: str | None
    container_id: str
    outputs: list[OutputLogs | OutputImage] | None


class Program(WireModel):
    """A program of the model's that calls tools; its calls name it as their caller."""

    id: str
    type: Literal["program"] = "program"
    call_id: str
    code: str
    fingerprint: str


class ProgramOutput(WireModel):
    """What a program returned."""

    id: str
    type: Literal["program_output"] = "program_output"
    status: Literal["completed", "incomplete"]
    call_id: str
    result: str


class ImageModerationDetails(WireModel):
    """Why moderation refused an image, and whether by its prompt or by its pixels."""

    categories: list[str]
    moderation_stage: Literal["input", "output", "unknown"]


class ImageGenerationError(WireModel):
    """Why no image came."""

    code: str | None
    message: str
    param: str | None
    type: str
    moderation_details: ImageModerationDetails | None = None


class SvgUsage(WireModel):
    """Tokens of the model that drew an SVG."""

    input_tokens: int
    model: str
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int


class ImageGenerationCall(WireModel):
    """The model draws; ``result`` is the image in base64."""

    id: str
    type: Literal["image_generation_call"] = "image_generation_call"
    status: Literal["in_progress", "completed", "generating", "failed"]
    action: Literal["generate", "edit", "auto"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    error: ImageGenerationError | None = None
    output_format: Literal["png", "webp", "jpeg", "gif", "svg"] | None = None
    quality: Literal["low", "medium", "high", "xhigh", "max", "auto"] | None = None
    result: str | None
    revised_prompt: str | None = None
    size: Literal["1024x1024", "1024x1536", "1536x1024"] | str | None = None
    svg_usage: SvgUsage | None = None
