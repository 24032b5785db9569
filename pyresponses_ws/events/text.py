"""Events of text as it is written: answers, refusals, annotations, speech."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.events.base import Event
from pyresponses_ws.items.content import Annotation, Logprob

__all__ = [
    "ResponseAudioDeltaEvent",
    "ResponseAudioDoneEvent",
    "ResponseAudioTranscriptDeltaEvent",
    "ResponseAudioTranscriptDoneEvent",
    "ResponseOutputTextAnnotationAddedEvent",
    "ResponseRefusalDeltaEvent",
    "ResponseRefusalDoneEvent",
    "ResponseTextDeltaEvent",
    "ResponseTextDoneEvent",
]


class ResponseTextDeltaEvent(Event):
    """More text of an answer; ``obfuscation`` is padding that hides its length."""

    type: Literal["response.output_text.delta"] = "response.output_text.delta"
    content_index: int
    delta: str
    item_id: str
    logprobs: list[Logprob] | None = None
    obfuscation: str | None = None
    output_index: int


class ResponseTextDoneEvent(Event):
    """The whole text of a part."""

    type: Literal["response.output_text.done"] = "response.output_text.done"
    content_index: int
    item_id: str
    logprobs: list[Logprob] | None = None
    output_index: int
    text: str


class ResponseOutputTextAnnotationAddedEvent(Event):
    """The text cites a source."""

    type: Literal["response.output_text.annotation.added"] = "response.output_text.annotation.added"
    annotation: Annotation | None = None
    annotation_index: int
    content_index: int
    item_id: str
    output_index: int


class ResponseRefusalDeltaEvent(Event):
    """More text of a refusal."""

    type: Literal["response.refusal.delta"] = "response.refusal.delta"
    content_index: int
    delta: str
    item_id: str
    obfuscation: str | None = None
    output_index: int


class ResponseRefusalDoneEvent(Event):
    """The whole text of a refusal."""

    type: Literal["response.refusal.done"] = "response.refusal.done"
    content_index: int
    item_id: str
    output_index: int
    refusal: str


class ResponseAudioDeltaEvent(Event):
    """More speech, in base64."""

    type: Literal["response.audio.delta"] = "response.audio.delta"
    delta: str
    obfuscation: str | None = None
    response_id: str | None = None


class ResponseAudioDoneEvent(Event):
    """The speech is complete."""

    type: Literal["response.audio.done"] = "response.audio.done"
    response_id: str | None = None


class ResponseAudioTranscriptDeltaEvent(Event):
    """More text of the speech."""

    type: Literal["response.audio.transcript.delta"] = "response.audio.transcript.delta"
    delta: str
    obfuscation: str | None = None
    response_id: str | None = None


class ResponseAudioTranscriptDoneEvent(Event):
    """The text of the speech is complete."""

    type: Literal["response.audio.transcript.done"] = "response.audio.transcript.done"
    response_id: str | None = None
