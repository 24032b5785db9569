"""The request for an upstream: what a create says, without what only this server understands.

An upstream is any server with ``POST /v1/responses``. Some refuse fields that they do not know, and
none knows our ids, so the whole context travels, in the forms that all of them read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
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
    made = [written for item in items for written in _write(item, answered)]
    return [*_lead(made), *made]


def _lead(made: Sequence[Item]) -> list[Item]:
    """Return what comes before a context whose first item has no role.

    ``transformers serve`` takes such a list for the parts of one user message, and so would answer
    something else without a word. A call or a reasoning is the assistant's, and joins a message.
    """
    if not made or "role" in made[0]:
        return []
    part = {"type": "output_text", "text": "", "annotations": []}
    return [{"type": "message", "role": "assistant", "content": [part]}]


def _write(item: Item, answered: Collection[Any]) -> Iterator[Item]:
    """Yield an item as it travels; nothing for one that no upstream could read."""
    kind = item["type"]
    if kind not in _NAMELESS:
        yield item
        return
    is_cut = item.get("status") == "incomplete"
    kept = {key: value for key, value in item.items() if key not in ("id", "status")}
    if kind == "reasoning":
        yield from _write_reasoning(kept, item.get("id"))
    elif kind in _CALLS:
        # Half a call, that nobody could answer: services refuse it for the missing output.
        if not is_cut or item.get("call_id") in answered:
            yield _write_call(kept)
    else:
        yield {**kept, **_write_content(kept)}


def _write_reasoning(item: Item, item_id: object) -> Iterator[Item]:
    """Yield a reasoning that can be read: encrypted, or in clear.

    A summary alone was meant for people. In clear it is a local server's, and keeps its id, which
    strict ones require; encrypted it goes without, since a service looks ids up.
    """
    secret, content = item.get("encrypted_content"), item.get("content")
    known = {key: value for key, value in item.items() if key not in _OPTIONAL and value}
    whole = {**known, "summary": item.get("summary") or []}
    if isinstance(secret, str) and secret:
        yield whole
    elif content:
        yield {"id": item_id, **whole} if item_id else whole


def _write_call(item: Item) -> Item:
    """Return a call; without arguments it has an empty object, since some servers parse them."""
    if item["type"] == "function_call" and not item.get("arguments", "").strip():
        return {**item, "arguments": "{}"}
    return item


def _write_content(item: Item) -> Item:
    """Return the parts of a message without what is empty in them."""
    content = item.get("content")
    if not isinstance(content, list):
        return {}
    return {"content": [_write_part(part) for part in content]}


def _write_part(part: Item) -> Item:
    kept = {key: value for key, value in part.items() if key not in _OPTIONAL or value}
    if part.get("type") == "output_text":
        # The one key of them that the published type requires.
        return {**kept, "annotations": part.get("annotations") or []}
    return kept
