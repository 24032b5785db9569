"""Calls that wait for the client, and whether its input answers them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    for key in _open_calls(calls, answered, tools):
        raise errors.bad_request(f"No tool output found for function call {key}.", param="input")


def owed_input(output: Sequence[Item], tools: Sequence[Item]) -> list[Item]:
    """Return stubs of the items that a client must send before ``output`` can be continued."""
    calls = {key: item for item in output if (key := call_key(item)) is not None}
    answered = {key for item in output if (key := answer_key(item)) is not None}
    return [_stub(calls[key]) for key in _open_calls(calls, answered, tools)]


def _open_calls(calls: dict[str, Item], answered: set[str], tools: Iterable[Item]) -> list[str]:
    """Return the keys of the calls that somebody has to answer now."""
    patient = {tool.get("name") for tool in tools if tool.get("async")} - {None}
    return [
        key
        for key, call in calls.items()
        if key not in answered and call.get("name") not in patient
    ]


def _stub(call: Item) -> Item:
    kind = call["type"]
    if kind == "mcp_approval_request":
        return {"type": "mcp_approval_response", "approval_request_id": call["id"]}
    answer = "tool_search_output" if kind == "tool_search_call" else f"{kind}_output"
    return {"type": answer, **{key: call.get(key) for key in _STUBS.get(kind, ("call_id",))}}


def _no_call(key: str) -> Exception:
    message = f"No tool call found for function call output with call_id {key}."
    return errors.bad_request(message, param="input")
