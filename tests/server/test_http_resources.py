"""Stored responses and compaction over HTTP, asked for by the official client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.responses import Response

from pyresponses_ws.testing import LocalServer

MODEL = "gpt-6-astra"


@pytest.fixture
def client(server: LocalServer) -> Iterator[OpenAI]:
    """Make an official client of the session's server."""
    with OpenAI(api_key="test", base_url=server.base_url, max_retries=0) as made:
        yield made


@pytest.fixture
def stranger(server: LocalServer) -> Iterator[OpenAI]:
    """Make a client with another key."""
    with OpenAI(api_key="other", base_url=server.base_url, max_retries=0) as made:
        yield made


def create(client: OpenAI, text: str = "hi", **fields: Any) -> Response:
    """Create a response."""
    response: Response = client.responses.create(model=MODEL, input=text, **fields)
    return response


def test_a_stored_response_is_retrieved(client: OpenAI) -> None:
    """As it was answered, down to the last key."""
    made = create(client, metadata={"a": "b"})
    found = client.responses.retrieve(made.id, include=["reasoning.encrypted_content"])
    assert found.to_dict() == made.to_dict()


def test_a_deleted_response_is_gone(client: OpenAI) -> None:
    """The second time it is a 404."""
    made = create(client)
    client.responses.delete(made.id)
    for call in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(NotFoundError, match=made.id):
            call(made.id)


def test_the_answer_to_a_delete_says_what_was_deleted(client: OpenAI, server: LocalServer) -> None:
    """The official client throws it away."""
    made = create(client)
    url, headers = f"{server.base_url}/responses/{made.id}", {"Authorization": "Bearer test"}
    reply = requests.delete(url, headers=headers, timeout=30)
    assert reply.json() == {"id": made.id, "object": "response", "deleted": True}


CALLS: list[Callable[[OpenAI, str], object]] = [
    lambda client, name: client.responses.retrieve(name),
    lambda client, name: client.responses.delete(name),
    lambda client, name: client.responses.cancel(name),
    lambda client, name: client.responses.input_items.list(name),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_foreign_response_is_as_good_as_missing(
    client: OpenAI, stranger: OpenAI, call: Callable[[OpenAI, str], object]
) -> None:
    """So is one that was not stored; the owner's stays."""
    made = create(client)
    hidden = create(client, store=False)
    for asking, name in ((stranger, made.id), (client, hidden.id), (client, "resp_none")):
        with pytest.raises(NotFoundError) as caught:
            call(asking, name)
        assert caught.value.body == {
            "type": "invalid_request_error",
            "code": None,
            "message": f"Response with id '{name}' not found.",
            "param": None,
        }
    assert client.responses.retrieve(made.id).id == made.id


def test_only_background_responses_are_cancelled(client: OpenAI) -> None:
    """There are none, so a known response is a 400."""
    with pytest.raises(BadRequestError, match="background"):
        client.responses.cancel(create(client).id)


def test_a_stored_response_is_not_streamed_again(client: OpenAI) -> None:
    """The 400 names the parameter."""
    with pytest.raises(BadRequestError) as caught:
        client.responses.retrieve(create(client).id, stream=True)
    assert caught.value.param == "stream"


def test_the_input_of_a_response_is_its_whole_context(client: OpenAI) -> None:
    """History included, newest first, every item with an id, over as many pages as it takes."""
    first = create(client, "one")
    second = create(client, "two", previous_response_id=first.id)
    listed = list(client.responses.input_items.list(second.id, limit=1))
    texts = [item.content[0].text for item in listed]  # type: ignore[union-attr]
    assert texts == ["two", "You said: one", "one"]
    assert listed[1].id == first.output[0].id
    ascending = list(client.responses.input_items.list(second.id, order="asc"))
    assert ascending == listed[::-1]


def test_an_item_keeps_its_id_in_the_next_response(client: OpenAI) -> None:
    """It can be referred to by it."""
    first = create(client, "one")
    second = create(client, "two", previous_response_id=first.id)
    (asked,) = client.responses.input_items.list(first.id)
    assert asked in list(client.responses.input_items.list(second.id))


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("after=msg_x", "after")],
)
def test_a_bad_query_is_a_400(client: OpenAI, server: LocalServer, query: str, param: str) -> None:
    """It names the parameter."""
    url = f"{server.base_url}/responses/{create(client).id}/input_items?{query}"
    reply = requests.get(url, headers={"Authorization": "Bearer test"}, timeout=30)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


def test_a_window_starts_a_new_chain(client: OpenAI) -> None:
    """The user's messages stay, the rest is one item; all of it is sent back with new input."""
    first = create(client, "one")
    window = client.responses.compact(
        model=MODEL, input="two", previous_response_id=first.id, instructions="Be terse."
    )
    assert window.object == "response.compaction"
    assert [item.type for item in window.output] == ["message", "message", "compaction"]
    assert window.usage.total_tokens > 0
    output: Any = [item.to_dict(warnings=False) for item in window.output]
    asked: Any = {"role": "user", "content": "three"}
    more = client.responses.create(model=MODEL, input=[*output, asked])
    assert more.output_text == "You said: three"


def test_a_compaction_needs_something_to_compact(client: OpenAI) -> None:
    """And a parent that exists."""
    with pytest.raises(BadRequestError) as caught:
        client.responses.compact(model=MODEL)
    assert caught.value.param == "input"
    with pytest.raises(BadRequestError) as caught:
        client.responses.compact(model=MODEL, previous_response_id="resp_none")
    assert caught.value.code == "previous_response_not_found"


def test_a_compaction_reads_references(client: OpenAI) -> None:
    """A missing one is the 404 with its hint."""
    first = create(client, "one")
    reference: Any = {"type": "item_reference", "id": first.output[0].id}
    window = client.responses.compact(model=MODEL, input=[reference])
    assert [item.type for item in window.output] == ["compaction"]
    with pytest.raises(NotFoundError, match="Items are not persisted"):
        client.responses.compact(model=MODEL, input=[{**reference, "id": "msg_none"}])


def test_a_create_refers_to_an_earlier_item(client: OpenAI) -> None:
    """By the id that its output had, or that its input was listed with."""
    first = create(client, "one")
    (asked,) = client.responses.input_items.list(first.id)
    references: Any = [{"id": asked.id}, {"type": "item_reference", "id": first.output[0].id}]
    second = client.responses.create(model=MODEL, input=references)
    assert second.output_text == "You said: one"
    with pytest.raises(NotFoundError, match="msg_none"):
        client.responses.create(model=MODEL, input=[{"type": "item_reference", "id": "msg_none"}])


def test_a_trigger_ends_a_turn_in_a_compaction(client: OpenAI) -> None:
    """The response is continued from it, and its own input is still listed."""
    trigger: Any = [{"role": "user", "content": "one"}, {"type": "compaction_trigger"}]
    first = client.responses.create(model=MODEL, input=trigger)
    assert [item.type for item in first.output] == ["message", "compaction"]
    second = create(client, "two", previous_response_id=first.id)
    listed = client.responses.input_items.list(second.id, order="asc")
    assert [item.type for item in listed] == ["compaction", "message"]
    (asked, _) = client.responses.input_items.list(first.id, order="asc")
    assert asked.type == "message"


# openai 3.51.0 opens its sockets in a way that websockets 17 deprecates; it is not ours to change.
@pytest.mark.filterwarnings(
    r"ignore:connect\(\) must be used as a context manager:DeprecationWarning"
)
def test_a_deleted_response_still_continues_on_its_connection(client: OpenAI) -> None:
    """A DELETE leaves the checkpoints of lanes."""
    with client.responses.connect() as connection:
        connection.response.create(model=MODEL, input="one")
        first = next(e.response for e in connection if e.type == "response.completed")
        client.responses.delete(first.id)
        connection.response.create(model=MODEL, input="two", previous_response_id=first.id)
        second = next(e for e in connection if e.type in ("response.completed", "error"))
    assert second.type == "response.completed"
