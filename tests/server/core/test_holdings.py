"""The weight and the ids of what stored responses hold."""

from __future__ import annotations

import re
import sys

from pyresponses_ws.server.core.holdings import Holdings, weigh

RESPONSE = {"id": "resp_1"}
ITEM = {"type": "message", "content": "x" * 1_000}


def test_a_value_weighs_what_its_parts_weigh() -> None:
    """Keys, values and entries, at any depth."""
    inner = ["x" * 1_000]
    value = {"a": inner}
    parts = (value, "a", inner, inner[0])
    assert weigh(value) == sum(map(sys.getsizeof, parts))


def test_an_item_counts_once_until_its_last_holder_leaves() -> None:
    """A second response adds only itself and its list of items."""
    holdings, items = Holdings(), (ITEM,)
    holdings.hold("me", RESPONSE, items)
    once = holdings.weight
    holdings.hold("me", {"id": "resp_2"}, items)
    own = weigh(RESPONSE) + sys.getsizeof(items)
    assert once == weigh(ITEM) + own
    assert holdings.weight == once + own
    holdings.release("me", RESPONSE, items)
    assert holdings.weight == once
    holdings.release("me", {"id": "resp_2"}, items)
    assert holdings.weight == 0


def test_an_item_twice_in_a_context_is_held_twice() -> None:
    """Letting go of the response lets go of both."""
    holdings = Holdings()
    holdings.hold("me", RESPONSE, (ITEM, ITEM))
    holdings.release("me", RESPONSE, (ITEM, ITEM))
    assert holdings.weight == 0


def test_an_id_that_was_given_stays() -> None:
    """Also for a response that has the item at another place, and after the first is gone."""
    holdings = Holdings()
    holdings.hold("me", RESPONSE, (ITEM,))
    (named,) = holdings.name((ITEM,))
    holdings.hold("me", {"id": "resp_2"}, ({"type": "message"}, ITEM))
    holdings.release("me", RESPONSE, (ITEM,))
    assert holdings.name((ITEM,)) == [named]
    assert holdings.find("me", named["id"]) is ITEM


def test_the_newest_of_an_id_is_found() -> None:
    """An older one that goes does not take it along."""
    holdings = Holdings()
    old, new = ({**ITEM, "id": "msg_1", "content": text} for text in ("old", "new"))
    holdings.hold("me", RESPONSE, (old,))
    holdings.hold("me", {"id": "resp_2"}, (new,))
    holdings.release("me", RESPONSE, (old,))
    assert holdings.find("me", "msg_1") is new
    assert holdings.find("you", "msg_1") is None
    holdings.release("me", {"id": "resp_2"}, (new,))
    assert holdings.find("me", "msg_1") is None


def test_made_ids_have_the_live_shape() -> None:
    """The prefix of the type, the conversation's part, and 34 digits more; no two are the same."""
    holdings, response = Holdings(), {"id": "resp_0123456789abcdef01" + "0" * 32}
    items = [{"type": "message"}, {"type": "function_call_output"}, {"type": "of_next_year"}]
    holdings.hold("me", response, tuple(items))
    ids = [item["id"] for item in holdings.name(items)]
    assert [item_id.partition("_")[0] for item_id in ids] == ["msg", "fco", "item"]
    assert all(re.fullmatch(r"[a-z]+_0123456789abcdef00[0-9a-f]{32}", item_id) for item_id in ids)
    assert len(set(ids)) == 3
