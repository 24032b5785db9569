"""Words for where a client finds what cannot be read."""

from __future__ import annotations

from pyresponses_ws.server.engines.transformers.places import describe_item


def test_an_item_has_a_type_a_name_and_a_place() -> None:
    """The id of a call tells more than that of the item."""
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1"}
    assert describe_item(call, 3) == (
        "the 'function_call' item 'call_1', number 3 from the end of the input"
    )


def test_an_item_may_be_without_a_name_and_a_type() -> None:
    """It is a message then."""
    told = describe_item({"role": "user", "content": "secret"}, 1)
    assert told == "the 'message' item, number 1 from the end of the input"


def test_names_are_cut() -> None:
    """An error returns no megabytes."""
    assert len(describe_item({"type": "t" * 1000, "id": "i" * 1000}, 1)) < 200
