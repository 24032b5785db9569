"""Calls that wait for the client, and whether its input answers them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.kinds import Item, answer_key, call_key

#: Keys of a stub besides its type: the call's own, or what tells who answers.
_STUBS: dict[str, tuple[str, ...]] = {
    "function_call": ("call_id", "name"),
    "tool_search_call": ("call_id", "execution"),
}


def check_calls(history: Sequence[Item], given: Sequence[Item], tools: Sequence[Item]) -> None:
    """Refuse an output without its call, and a call without its output, as the service does.

    Calls of a tool with ``async: true`` may be answered in any later create (the guide says).
    """
    calls: dict[str, Item] = {}
    answered = set()
    for item in (*history, *given):
        if (key := call_key(item)) is not None:
            calls[key] = item
        elif (key := answer_key(item)) is not None:
            answered.add(key)
            if key not in calls:
                raise _no_call(key)
    patient = _patient(tools, (*history, *given))
    for key in _open_calls(calls, answered, patient):
        raise errors.bad_request(f"No tool output found for function call {key}.", param="input")


def owed_input(
    context: Sequence[Item], output: Sequence[Item], tools: Sequence[Item]
) -> list[Item]:
    """Return stubs of the items that a client must send before ``output`` can be continued.

    ``context`` is what came before it, which may hold more tools.
    """
    calls, answered = _pair(output)
    patient = _patient(tools, context)
    return [_stub(calls[key]) for key in _open_calls(calls, answered, patient)]


def open_calls(items: Sequence[Item]) -> set[str]:
    """Return the keys of the calls that the client has not answered."""
    return set(_open_calls(*_pair(items), patient=set()))


def _pair(items: Sequence[Item]) -> tuple[dict[str, Item], set[str]]:
    """Return the calls among items by their keys, and the keys that are answered."""
    calls = {key: item for item in items if (key := call_key(item)) is not None}
    return calls, {key for item in items if (key := answer_key(item)) is not None}


def _open_calls(calls: dict[str, Item], answered: set[str], patient: set[Any]) -> list[str]:
    """Return the keys of the calls that somebody has to answer now.

    Not of those that the end of their response cut short: nobody can run half a call.
    """
    return [
        key
        for key, call in calls.items()
        if key not in answered
        and call.get("name") not in patient
        and call.get("status") != "incomplete"
    ]


def _patient(tools: Iterable[Item], items: Iterable[Item]) -> set[Any]:
    """Return the names of the tools whose calls may stay open, wherever they are defined."""
    given = (item.get("tools") for item in items if item["type"] == "additional_tools")
    more = (tool for each in given if isinstance(each, list) for tool in each)
    return {tool.get("name") for tool in _flatten((*tools, *more)) if tool.get("async")} - {None}


def _flatten(tools: Iterable[Any]) -> Iterator[Item]:
    for tool in tools:
        if isinstance(tool, dict):
            yield tool
            inner = tool.get("tools")
            yield from _flatten(inner if isinstance(inner, list) else ())


def _stub(call: Item) -> Item:
    kind = call["type"]
    if kind == "mcp_approval_request":
        return {"type": "mcp_approval_response", "approval_request_id": call["id"]}
    answer = "tool_search_output" if kind == "tool_search_call" else f"{kind}_output"
    return {"type": answer, **{key: call.get(key) for key in _STUBS.get(kind, ("call_id",))}}


def _no_call(key: str) -> Exception:
    message = f"No tool call found for function call output with call_id {key}."
    return errors.bad_request(message, param="input")
