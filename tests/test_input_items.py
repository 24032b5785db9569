"""The items of a stored response, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient
from pyresponses_ws.errors import BadRequestError, ConfigError, NotFoundError, ProtocolError
from pyresponses_ws.testing import LocalServer
from tests.support.http_answers import Json, Script, answer, serving

WORDS = ["one", "two", "three", "four", "five"]


@pytest.fixture
def client(responses_server: LocalServer) -> Iterator[ResponsesClient]:
    """A client of the embedded server."""
    with ResponsesClient("test", base_url=responses_server.base_url) as made:
        yield made


@pytest.fixture
def response_id(client: ResponsesClient) -> str:
    """A stored response with five messages as its input."""
    messages = [{"role": "user", "content": word} for word in WORDS]
    return client.create(model="m", input=messages).id


def words(items: Any) -> list[str]:
    return [item.content[0].text for item in items]


def page(*ids: str, has_more: bool, **fields: Any) -> Script:
    """A script that answers with one page of items with these ids."""
    items = [{"id": each, "type": "reasoning", "summary": []} for each in ids]
    wire: Json = {"object": "list", "data": items, "has_more": has_more, **fields}
    return answer(wire)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, None])
def test_iteration_goes_over_all_pages(
    client: ResponsesClient, response_id: str, limit: int | None
) -> None:
    """Whatever their size, each item comes once, in order."""
    listed = client.responses.input_items(response_id, limit=limit, order="asc")
    assert words(listed) == WORDS


def test_the_newest_item_comes_first(client: ResponsesClient, response_id: str) -> None:
    """Unless another order is asked for."""
    assert words(client.responses.input_items(response_id)) == WORDS[::-1]


def test_a_page_has_its_items_alone(client: ResponsesClient, response_id: str) -> None:
    """Its ids are those of its ends, and the next page begins behind them."""
    first = client.responses.input_items.list(response_id, limit=2, order="asc")
    assert (words(first.data), first.has_more) == (WORDS[:2], True)
    assert [first.first_id, first.last_id] == [item.id for item in first.data]
    second = first.get_next_page()
    assert second is not None
    assert words(second.data) == WORDS[2:4]
    assert repr(second) == "InputItemPage(items=2, has_more=True)"


def test_iterating_a_page_goes_on_behind_it(client: ResponsesClient, response_id: str) -> None:
    """As with the official package; a second iteration starts again with this page."""
    items = client.responses.input_items
    first = items.list(response_id, limit=2, order="asc")
    after = items.list(response_id, limit=2, order="asc", after=first.last_id)
    assert words(after) == WORDS[2:]
    assert words(first) == words(first) == WORDS


def test_a_page_is_asked_for_when_it_is_needed() -> None:
    """Whoever stops early has paid for no more."""
    with serving(page("a", "b", has_more=True)) as (client, lines):
        listed = client.responses.input_items("resp_1", limit=2, include=["x"])
        assert lines == []
        assert [next(listed).id, next(listed).id] == ["a", "b"]  # type: ignore[union-attr]
    assert lines == ["GET /v1/responses/resp_1/input_items?include%5B%5D=x&limit=2 HTTP/1.1"]


def test_a_mistake_is_met_at_the_call(client: ResponsesClient) -> None:
    """Not with the first item."""
    for given in ({"response_id": "a/b"}, {"response_id": "a", "include": "x"}):
        with pytest.raises(ConfigError):
            client.responses.input_items(**given)


def test_an_unknown_response_is_not_found(client: ResponsesClient, response_id: str) -> None:
    """And neither is a cursor."""
    with pytest.raises(NotFoundError, match="resp_no"):
        next(client.responses.input_items("resp_no"))
    with pytest.raises(BadRequestError, match="msg_no"):
        client.responses.input_items.list(response_id, after="msg_no")


def test_a_page_without_ids_of_its_own_goes_on_behind_its_last_item() -> None:
    """Some servers send the list alone."""
    with serving(page("a", has_more=True), page("b", has_more=False)) as (client, lines):
        assert [i.id for i in client.responses.input_items("r")] == ["a", "b"]  # type: ignore[union-attr]
    assert lines[1] == "GET /v1/responses/r/input_items?after=a HTTP/1.1"


def test_the_same_page_again_is_a_protocol_error() -> None:
    """A server that ignores ``after`` would never come to an end."""
    same = page("a", "b", has_more=True, last_id="b")
    with serving(same, same) as (client, _), pytest.raises(ProtocolError, match="same page"):
        list(client.responses.input_items("r"))


@pytest.mark.parametrize("data", [[], None, {}], ids=["empty", "null", "no list"])
def test_a_page_without_items_is_the_last(data: Any) -> None:
    """Whatever it says of more."""
    wire = {"object": "list", "data": data, "has_more": True}
    with serving(answer(wire)) as (client, _):
        assert list(client.responses.input_items("r")) == []
