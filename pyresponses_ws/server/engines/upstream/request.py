"""The request for an upstream: what a create says, without what only this server understands.

An upstream is any server with ``POST /v1/responses``. Some refuse fields that they do not know, and
none knows our ids, so the whole context travels, in the forms that all of them read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import count
from typing import Any

from pyresponses_ws.server.engines.base import EngineRequest

Item = dict[str, Any]

#: Fields of a create that are dealt with here: those of the WebSocket mode; those that refer to
#: what this server keeps; and those that it does itself, compaction and padding among them.
_OURS = frozenset(
    {
        *("type", "stream_id", "generate", "client_metadata"),
        *("previous_response_id", "conversation", "background"),
        *("context_management", "stream_options", "stream", "store", "input"),
    }
)

#: What of the options of the cache is ours: the warm-up, and the id of a response.
_OUR_CACHE_OPTIONS = frozenset({"prewarm", "comparison_response_id"})

#: How ids of the two kinds of items begin that need one.
_MESSAGE_ID, _REASONING_ID = "msg_", "rs_"
#: What follows that.
_ID = re.compile(r"[A-Za-z0-9_-]{1,60}")

#: Items whose ids nobody refers to. Other items are hosted tools' own, with the upstream's ids.
_NAMELESS = frozenset(
    {
        *("message", "reasoning", "function_call", "function_call_output"),
        *("custom_tool_call", "custom_tool_call_output"),
    }
)
_CALLS = frozenset({"function_call", "custom_tool_call"})

#: Keys of a part of text that say nothing when they are empty.
_OPTIONAL = ("annotations", "logprobs")


def make_body(request: EngineRequest) -> dict[str, Any]:
    """Return the JSON to post.

    Fields that the caller made up (``seed``, ``top_k``, ``chat_template_kwargs``) pass; none is
    added but ``stream`` and ``store``. An upstream is never asked to keep anything, as its default
    would have it: the store that counts is this server's, and a create that says ``store: false``
    must not leave traces elsewhere.
    """
    given = request.settings
    body = {key: value for key, value in given.items() if key not in _OURS}
    _edit_cache_options(body)
    _edit_generation_config(body)
    return {**body, "input": make_input(request.items), "stream": True, "store": False}


def _edit_cache_options(body: dict[str, Any]) -> None:
    options = body.pop("prompt_cache_options", None)
    if isinstance(options, dict):
        kept = {key: value for key, value in options.items() if key not in _OUR_CACHE_OPTIONS}
        if kept:
            body["prompt_cache_options"] = kept


def _edit_generation_config(body: dict[str, Any]) -> None:
    """Write the settings of transformers as the text that ``transformers serve`` wants.

    It answers an object with a 500; a local engine here takes either.
    """
    if isinstance(config := body.get("generation_config"), dict):
        body["generation_config"] = json.dumps(config)


def make_input(items: Sequence[Item]) -> list[Item]:
    """Return a context as strict servers take it."""
    answered = {item.get("call_id") for item in items if str(item["type"]).endswith("_output")}
    names = _Names()
    lead = _make_lead(names)
    made = [written for item in items for written in _write(item, answered, names)]
    return [lead, *made] if made and "role" not in made[0] else made


class _Names:
    """Gives items ids: their own, or one by its number, so that a context is always the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, item_id: object, prefix: str) -> str:
        """Return an id that no other item has; the API refuses one of another form."""
        told = item_id if isinstance(item_id, str) else ""
        is_fit = told.startswith(prefix) and _ID.fullmatch(told.removeprefix(prefix))
        name = told if is_fit and told not in self._taken else self._make(prefix)
        self._taken.add(name)
        return name

    def _make(self, prefix: str) -> str:
        numbered = (f"{prefix}{number:032x}" for number in count(len(self._taken)))
        return next(name for name in numbered if name not in self._taken)


def _make_lead(names: _Names) -> Item:
    """Return what comes before a context whose first item has no role.

    ``transformers serve`` takes such a list for the parts of one user message, and so would answer
    something else without a word. A call or a reasoning is the assistant's, and joins a message.
    """
    part = {"type": "output_text", "text": "", "annotations": []}
    return {
        "id": names.take(None, _MESSAGE_ID),
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def _write(item: Item, answered: Collection[Any], names: _Names) -> Iterator[Item]:
    """Yield an item as it travels; nothing for one that no upstream could read."""
    kind = item["type"]
    if kind not in _NAMELESS:
        yield item
        return
    kept = {key: value for key, value in item.items() if key not in ("id", "status")}
    if kind == "reasoning":
        yield from _write_reasoning(kept, item.get("id"), names)
    elif kind in _CALLS:
        # Half a call, that nobody could answer: services refuse it for the missing output.
        if item.get("status") != "incomplete" or item.get("call_id") in answered:
            yield _write_call(kept)
    elif kind == "message":
        yield {**_name_answer(item, names), **_write_message(kept)}
    else:
        yield kept


def _name_answer(item: Item, names: _Names) -> Item:
    """Return the id and the status of what the assistant said.

    The published type of a message with parts of output requires both, and so does vLLM. Foreign
    ids do no harm: without ``store`` nobody looks them up.
    """
    if item.get("role") != "assistant" or not isinstance(content := item.get("content"), list):
        return {}
    if not all(part.get("type") in ("output_text", "refusal") for part in content):
        return {}
    status = "incomplete" if item.get("status") == "incomplete" else "completed"
    return {"id": names.take(item.get("id"), _MESSAGE_ID), "status": status}


def _write_reasoning(item: Item, item_id: object, names: _Names) -> Iterator[Item]:
    """Yield a reasoning that can be read: encrypted, or in clear.

    A summary alone was meant for people. In clear it is a local server's, and has an id, which
    strict ones require; encrypted it goes without, since the service that encrypted it knows it
    by an id of its own.
    """
    secret, content = item.get("encrypted_content"), item.get("content")
    known = {key: value for key, value in item.items() if key not in _OPTIONAL and value}
    whole = {**known, "summary": item.get("summary") or []}
    if isinstance(secret, str) and secret:
        yield whole
    elif content:
        yield {"id": names.take(item_id, _REASONING_ID), **whole}


def _write_call(item: Item) -> Item:
    """Return a call; without arguments it has an empty object, since some servers parse them."""
    if item["type"] == "function_call" and not item.get("arguments", "").strip():
        return {**item, "arguments": "{}"}
    return item


def _write_message(item: Item) -> Item:
    """Return a message without what is empty in it."""
    kept = {key: value for key, value in item.items() if key != "phase" or value}
    content = item.get("content")
    if isinstance(content, list):
        kept["content"] = [_write_part(part) for part in content]
    return kept


def _write_part(part: Item) -> Item:
    kept = {key: value for key, value in part.items() if key not in _OPTIONAL or value}
    if part.get("type") == "output_text":
        # The one key of them that the published type requires.
        return {**kept, "annotations": part.get("annotations") or []}
    return kept
