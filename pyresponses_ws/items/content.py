"""Parts of messages, of reasoning and of tool outputs, and the annotations of text."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.items.shared import PromptCacheBreakpoint
from pyresponses_ws.model import WireModel

__all__ = [
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
]


class ResponseInputText(WireModel):
    """Text for the model."""

    type: Literal["input_text"] = "input_text"
    text: str
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class ResponseInputImage(WireModel):
    """An image for the model, by URL, data URL or file id."""

    type: Literal["input_image"] = "input_image"
    detail: Literal["low", "high", "auto", "original"] | None = None
    file_id: str | None = None
    image_url: str | None = None
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class ResponseInputFile(WireModel):
    """A file for the model, by id, URL or content in base64."""

    type: Literal["input_file"] = "input_file"
    detail: Literal["auto", "low", "high"] | None = None
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


InputContent = ResponseInputText | ResponseInputImage | ResponseInputFile


class AnnotationFileCitation(WireModel):
    """A place in the text that cites a file; ``index`` is a position in the list of files."""

    type: Literal["file_citation"] = "file_citation"
    file_id: str
    filename: str
    index: int


class AnnotationURLCitation(WireModel):
    """A span of the text, in characters, that cites a web page."""

    type: Literal["url_citation"] = "url_citation"
    end_index: int
    start_index: int
    title: str
    url: str


class AnnotationContainerFileCitation(WireModel):
    """A span of the text, in characters, that cites a file inside a container."""

    type: Literal["container_file_citation"] = "container_file_citation"
    container_id: str
    end_index: int
    file_id: str
    filename: str
    start_index: int


class AnnotationFilePath(WireModel):
    """A place in the text that names a generated file."""

    type: Literal["file_path"] = "file_path"
    file_id: str
    index: int


Annotation = (
    AnnotationFileCitation
    | AnnotationURLCitation
    | AnnotationContainerFileCitation
    | AnnotationFilePath
)


class LogprobTopLogprob(WireModel):
    """One of the likeliest tokens at a position; deltas omit ``bytes``."""

    token: str | None = None
    bytes: list[int] | None = None
    logprob: float | None = None


class Logprob(WireModel):
    """How likely a token was, and what else was likely; deltas omit ``bytes``."""

    token: str
    bytes: list[int] | None = None
    logprob: float
    top_logprobs: list[LogprobTopLogprob] | None = None


class ResponseOutputText(WireModel):
    """Text by the model."""

    type: Literal["output_text"] = "output_text"
    annotations: list[Annotation]
    logprobs: list[Logprob] | None = None
    text: str


class ResponseOutputRefusal(WireModel):
    """The model's explanation of why it does not answer."""

    type: Literal["refusal"] = "refusal"
    refusal: str


class ReasoningText(WireModel):
    """A piece of the model's reasoning in clear."""

    type: Literal["reasoning_text"] = "reasoning_text"
    text: str


class SummaryText(WireModel):
    """A piece of the summary of the model's reasoning."""

    type: Literal["summary_text"] = "summary_text"
    text: str


OutputContent = ResponseOutputText | ResponseOutputRefusal | ReasoningText
