"""A call of an upstream, from the moment that it has a name."""

from __future__ import annotations

from typing import Any

from pyresponses_ws.server.engines.base import CallDelta, DetailDelta
from pyresponses_ws.server.engines.upstream.calls import CallDraft

Item = dict[str, Any]


def call(arguments: Any = "{}", **extra: Any) -> Item:
    """Make the done form of a call."""
    known = {"id": "fc_up", "type": "function_call", "name": "f", "call_id": "c1"}
    return {**known, "arguments": arguments, **extra}


def settled(item: Item) -> list[Any]:
    """Return the deltas of an item of which only the done form comes."""
    draft = CallDraft(item["type"])
    draft.settle_item(item)
    return draft.take_deltas()


def test_a_call_opens_with_its_name() -> None:
    """What came of its arguments before is not lost."""
    draft = CallDraft("function_call")
    draft.add("arguments", None, '{"a"')
    assert draft.take_deltas() == []
    draft.note(call(""))
    draft.add("arguments", None, ":1}")
    opened = CallDelta('{"a"', name="f", call_id="c1")
    assert draft.take_deltas() == [opened, CallDelta(":1}")]


def test_a_call_may_be_told_by_its_done_form_alone() -> None:
    """Arguments as an object are written out; without a ``call_id`` the item's own id serves."""
    assert settled(call({"a": 1})) == [CallDelta("", name="f", call_id="c1"), CallDelta('{"a": 1}')]
    [opened, *_] = settled(call(call_id=None, namespace="n"))
    assert opened == CallDelta("{}", name="f", namespace="n", call_id="fc_up")


def test_arguments_that_only_the_added_form_has_count() -> None:
    """transformers serve adds a call complete."""
    draft = CallDraft("function_call")
    draft.note(call('{"a":1}'))
    draft.close()
    assert draft.take_deltas() == [CallDelta(name="f", call_id="c1"), CallDelta('{"a":1}')]


def test_a_custom_call_has_an_input() -> None:
    """It is no JSON."""
    item = {"type": "custom_tool_call", "name": "sh", "call_id": "c1", "input": "ls"}
    assert settled(item) == [CallDelta(name="sh", kind="custom", call_id="c1"), CallDelta("ls")]


def test_a_call_without_a_name_is_known_as_such() -> None:
    """Nobody could run it."""
    draft = CallDraft("function_call")
    draft.add("arguments", None, "{}")
    draft.close()
    assert draft.take_deltas() == []
    assert draft.is_nameless


def test_forms_of_calls_are_the_same_by_what_their_outputs_name() -> None:
    """Equal arguments do not make two calls one."""
    draft = CallDraft("function_call")
    draft.settle_item(call())
    assert draft.equals(call(id="fc_other"))
    assert not draft.covers(call(call_id="c2"))


def test_details_of_a_call_follow_it() -> None:
    """Who called, where that is told."""
    caller = {"type": "program", "caller_id": "p1"}
    assert settled(call(caller=caller))[-1] == DetailDelta({"caller": caller})
