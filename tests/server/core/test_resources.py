"""What the routes of stored responses answer."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.core.resources import (
    PageQuery,
    check_retrieve_query,
    make_page,
    parse_page_query,
)

ITEMS = [
    {"type": "message", "role": "user", "content": str(number), "id": f"msg_{number}"}
    for number in range(5)
]


def ids_of(**query: Any) -> tuple[list[str], bool]:
    """Return the ids of a page, and whether there are more."""
    page = make_page(ITEMS, PageQuery(**query))
    ids = [item["id"] for item in page["data"]]
    assert (page["object"], page["first_id"], page["last_id"]) == ("list", ids[0], ids[-1])
    return ids, page["has_more"]


def test_pages_go_newest_first() -> None:
    """Or oldest first, if the query says so."""
    assert ids_of(limit=2) == (["msg_4", "msg_3"], True)
    assert ids_of(limit=2, is_ascending=True) == (["msg_0", "msg_1"], True)


def test_a_page_starts_after_an_item() -> None:
    """The last page says that there are no more."""
    assert ids_of(limit=2, after="msg_2") == (["msg_1", "msg_0"], False)
    assert ids_of(limit=2, after="msg_1", is_ascending=True) == (["msg_2", "msg_3"], True)


def test_an_empty_page_has_no_ends() -> None:
    """After the last item, and for a response without input."""
    page = make_page(ITEMS, PageQuery(after="msg_0"))
    assert page == make_page([], PageQuery())
    assert page == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


def test_a_message_is_listed_with_parts_and_status() -> None:
    """However short the client wrote it; other items stay as they are."""
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    said = {"type": "message", "role": "assistant", "content": "ho", "id": "msg_9"}
    listed = make_page([ITEMS[0], said, call], PageQuery(is_ascending=True))["data"]
    assert listed[0]["content"] == [{"type": "input_text", "text": "0"}]
    assert listed[1]["content"] == [{"type": "output_text", "text": "ho", "annotations": []}]
    assert [item.get("status") for item in listed] == ["completed", "completed", None]


def test_a_query_has_the_defaults_of_the_service() -> None:
    """Twenty, newest first."""
    assert parse_page_query({}) == PageQuery(limit=20, is_ascending=False, after=None)
    query = parse_page_query({"limit": "100", "order": "asc", "after": "x", "include": "y"})
    assert query == PageQuery(limit=100, is_ascending=True, after="x")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        *(
            ({"limit": text}, "limit")
            for text in ("0", "101", "-1", "x", "", "1.5", "--1", "9" * 99)
        ),
        ({"limit": "\u0663"}, "limit"),
        ({"order": "up"}, "order"),
    ],
)
def test_a_bad_page_query_names_the_parameter(query: dict[str, str], param: str) -> None:
    """As a 400."""
    with pytest.raises(BadRequestError) as caught:
        parse_page_query(query)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_an_unknown_item_cannot_be_listed_after() -> None:
    """The page would otherwise silently start anew."""
    with pytest.raises(BadRequestError) as caught:
        make_page(ITEMS, PageQuery(after="msg_x"))
    assert caught.value.param == "after"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"stream": "true"}, "stream"),
        ({"stream": "maybe"}, "stream"),
        ({"starting_after": "5"}, "starting_after"),
        ({"include_obfuscation": "x"}, "include_obfuscation"),
    ],
)
def test_a_stored_response_is_not_streamed(query: dict[str, str], param: str) -> None:
    """Only background responses are, and there are none; what asks for less passes."""
    check_retrieve_query({"stream": "false", "include": "x", "include_obfuscation": "false"})
    with pytest.raises(BadRequestError) as caught:
        check_retrieve_query(query)
    assert caught.value.param == param
