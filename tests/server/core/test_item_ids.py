"""Ids for the items that clients send without one."""

from __future__ import annotations

import re

from pyresponses_ws.server.core.item_ids import id_of, identify

RESPONSE = "resp_0123456789abcdef01" + "0" * 32


def test_ids_have_the_live_shape() -> None:
    """The prefix of the type, the conversation's part, and 34 digits more."""
    items = [{"type": "message"}, {"type": "function_call_output"}, {"type": "of_next_year"}]
    ids = [item["id"] for item in identify(RESPONSE, items)]
    assert [item_id.partition("_")[0] for item_id in ids] == ["msg", "fco", "item"]
    assert all(re.fullmatch(r"[a-z]+_0123456789abcdef00[0-9a-f]{32}", item_id) for item_id in ids)


def test_a_given_id_stays() -> None:
    """Null and the empty string are none."""
    item = {"type": "message", "id": "msg_mine"}
    assert identify(RESPONSE, [item]) == (item,)
    for nothing in (None, ""):
        (named,) = identify(RESPONSE, [{"type": "message", "id": nothing}])
        assert named["id"] == id_of(RESPONSE, 0, {"type": "message"})


def test_the_same_text_at_another_place_is_another_item() -> None:
    """The place counts from the start of the context."""
    item = {"type": "message", "content": "hi"}
    first, second = identify(RESPONSE, [item, item])
    assert first["id"] != second["id"]
    assert identify(RESPONSE, [item]) == (first,)


def test_half_a_surrogate_pair_is_text_too() -> None:
    """It has no UTF-8, but JSON can carry it."""
    (named,) = identify(RESPONSE, [{"type": "message", "content": "\ud800"}])
    assert named["id"].startswith("msg_")
