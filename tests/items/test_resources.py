"""The objects of the HTTP side, against those of the official package."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import CompactedResponse as OfficialCompacted
from openai.types.responses import ResponseItemList as OfficialList

from pyresponses_ws.items import (
    CompactedResponse,
    EasyInputMessage,
    ResponseCompactionItem,
    ResponseItemList,
    ResponseUsage,
)
from tests.support.wire_classes import hints_by_key

WINDOW: dict[str, Any] = {
    "id": "resp_1",
    "created_at": 1795158001,
    "object": "response.compaction",
    "output": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"id": "cmp_1", "type": "compaction", "encrypted_content": "gAAAAA"},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4},
    "novelty": [1],
}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [(OfficialCompacted, CompactedResponse), (OfficialList, ResponseItemList)],
    ids=["window", "list"],
)
def test_no_field_of_the_official_class_is_lacking(theirs: Any, ours: Any) -> None:
    """A newer package shows up as a red test."""
    assert set(theirs.model_fields) <= set(hints_by_key(ours))


def test_a_window_is_typed_and_comes_back_as_it_came() -> None:
    """What is in it can be told apart by class, and nothing is lost."""
    window = CompactedResponse.from_dict(WINDOW)
    assert [type(item) for item in window.output] == [EasyInputMessage, ResponseCompactionItem]
    assert isinstance(window.usage, ResponseUsage)
    assert list(window.to_dict().items()) == list(WINDOW.items())


def test_an_empty_list_has_no_ids() -> None:
    """They are null there."""
    wire = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    page = ResponseItemList.from_dict(wire)
    assert (page.data, page.first_id, page.last_id, page.has_more) == ([], None, None, False)
    assert page.to_dict() == wire
