"""The events of an answer, as small as the protocol allows, or smaller."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def created(response_id: str = "resp_1") -> Json:
    """The first event of a response."""
    return _lifecycle("response.created", response_id, "in_progress")


def delta(text: str) -> Json:
    """A piece of text; the events before it may be missing."""
    return {
        "type": "response.output_text.delta",
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": text,
    }


def item_done(text: str) -> Json:
    """A message that is finished."""
    return {"type": "response.output_item.done", "output_index": 0, "item": message(text)}


def message(text: str) -> Json:
    """An output item with this text."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }


def terminal(kind: str, response_id: str = "resp_1", *texts: str, **fields: Any) -> Json:
    """``response.<kind>`` with an output of these texts."""
    output = [message(text) for text in texts]
    return _lifecycle(f"response.{kind}", response_id, kind, output=output, **fields)


def completed(text: str, response_id: str = "resp_1") -> Json:
    """The good ending."""
    return terminal("completed", response_id, text)


def failed(response_id: str = "resp_1", text: str = "the model broke") -> Json:
    """The bad ending that brings a Response."""
    return terminal("failed", response_id, error={"code": "server_error", "message": text})


def error(code: str, status: int | None = None, **headers: str) -> Json:
    """An error frame in the nested shape; ``retry_after="5"`` becomes a header."""
    wire: Json = {"type": "error", "error": {"type": code, "code": code, "message": f"no: {code}"}}
    if status is not None:
        wire["status"] = status
    if headers:
        wire["headers"] = {name.replace("_", "-"): value for name, value in headers.items()}
    return wire


def whole_answer(text: str, response_id: str = "resp_1") -> list[Json]:
    """Every event of a short answer: created, one delta a word, the item, completed."""
    words = [delta(word) for word in text.split(" ")]
    spaced = [words[0], *({**word, "delta": " " + word["delta"]} for word in words[1:])]
    return [created(response_id), *spaced, item_done(text), completed(text, response_id)]


def _lifecycle(kind: str, response_id: str, status: str, **fields: Any) -> Json:
    response = {"id": response_id, "object": "response", "status": status, "output": [], **fields}
    return {"type": kind, "response": response}
