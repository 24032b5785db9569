"""``client.responses``: what is stored, against the embedded server and beside the official one."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from pyresponses_ws import Response, ResponsesClient
from pyresponses_ws.config import Timeouts
from pyresponses_ws.errors import (
    BadRequestError,
    ConfigError,
    NotFoundError,
    TurnTimeoutError,
    UsageError,
)
from pyresponses_ws.testing import LocalServer
from tests._transport.http_scripts import read_request, sized
from tests.support.http_answers import answer, refuse, reset, serving, stored
from tests.support.raw_server import Peer

TURN: dict[str, Any] = {"model": "m", "input": "hello"}


@pytest.fixture(params=["auto", "websocket", "http"])
def client(request: pytest.FixtureRequest, responses_server: LocalServer) -> Iterator[Any]:
    """A client of the embedded server, by each of the transports."""
    base_url = responses_server.base_url
    with ResponsesClient("test", base_url=base_url, transport=request.param) as made:
        yield made


def test_a_stored_response_is_retrieved(client: ResponsesClient) -> None:
    """As it was answered, whatever it travelled over; only the report is not kept."""
    made = client.create(**TURN, metadata={"a": "ü"})
    found = client.responses.retrieve(made.id, include=["reasoning.encrypted_content"])
    assert isinstance(found, Response)
    assert found == made
    assert found.report is None


def test_a_deleted_response_is_gone(client: ResponsesClient) -> None:
    """The second time it is not found; the error names it."""
    made = client.create(**TURN)
    client.responses.delete(made.id)
    for call in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(NotFoundError, match=made.id):
            call(made.id)


def test_a_turn_that_is_over_cannot_be_cancelled(client: ResponsesClient) -> None:
    """The server says why."""
    made = client.create(**TURN)
    with pytest.raises(BadRequestError, match="background"):
        client.responses.cancel(made.id)


def test_a_window_starts_a_new_chain(client: ResponsesClient) -> None:
    """Its output goes in front of what comes next, as it is."""
    first = client.create(**TURN)
    window = client.responses.compact(
        model="m", previous_response_id=first.id, input="more", instructions=None
    )
    assert window.object == "response.compaction"
    assert [item.type for item in window.output] == ["message", "message", "compaction"]
    assert window.usage is not None
    again = [*window.output, {"role": "user", "content": "and now?"}]
    assert client.create(model="m", input=again).output_text == "You said: and now?"


def test_a_cancelled_response_is_returned() -> None:
    """The request has a body, since some servers want JSON from every POST."""
    bodies: list[bytes] = []

    def script(peer: Peer) -> None:
        bodies.append(read_request(peer))
        peer.send(sized(json.dumps(stored(status="cancelled")).encode()))

    with serving(script) as (client, lines):
        assert client.responses.cancel("resp_1").status == "cancelled"
    assert lines == ["POST /v1/responses/resp_1/cancel HTTP/1.1"]
    assert bodies == [b"{}"]


def test_a_compaction_sends_what_is_given() -> None:
    """None is left out, and ``extra_body`` comes last."""
    bodies: list[bytes] = []

    def script(peer: Peer) -> None:
        bodies.append(read_request(peer))
        peer.send(sized(b'{"id":"resp_1","object":"response.compaction","output":[]}'))

    fields: dict[str, Any] = {"input": [Response.from_dict(stored())], "prompt_cache_key": None}
    with serving(script) as (client, lines):
        client.responses.compact(model="m", **fields, extra_body={"new": 1, "model": "n"})
    assert lines == ["POST /v1/responses/compact HTTP/1.1"]
    assert json.loads(bodies[0]) == {"model": "n", "input": [stored()], "new": 1}


def test_a_retrieval_asks_for_what_is_wanted() -> None:
    """Lists are written as the official package writes them."""
    with serving(answer(stored())) as (client, lines):
        client.responses.retrieve("resp_1", include=["a", "b.c"])
    line = "GET /v1/responses/resp_1?include%5B%5D=a&include%5B%5D=b.c HTTP/1.1"
    assert lines == [line]


def test_an_answer_without_a_body_deletes() -> None:
    """Some servers say 204."""
    with serving(answer(b"", "204 No Content")) as (client, lines):
        client.responses.delete("resp_1")
    assert lines == ["DELETE /v1/responses/resp_1 HTTP/1.1"]


@pytest.mark.parametrize(
    ("name", "given", "word"),
    [
        ("retrieve", {"response_id": ""}, "response_id is empty"),
        ("delete", {"response_id": "a/b"}, "response_id is no id"),
        ("cancel", {"response_id": None}, "response_id must be a string"),
        ("retrieve", {"response_id": "r", "include": "x"}, "include must be a list"),
        ("retrieve", {"response_id": "r", "starting_after": 3}, "needs stream=True"),
        ("compact", {"model": ""}, "model is empty"),
        ("compact", {"model": None}, "model is empty"),
        ("compact", {"model": "m", "extra_body": "x"}, "extra_body must be a mapping"),
    ],
)
def test_a_bad_argument_is_named(name: str, given: dict[str, Any], word: str) -> None:
    """Nothing is sent."""
    with serving() as (client, _), pytest.raises(ConfigError, match=word):
        getattr(client.responses, name)(**given)


def test_what_has_no_json_is_named() -> None:
    """By its place in the input."""
    with serving() as (client, _), pytest.raises(UsageError, match=r"input\[0\]\.x"):
        client.responses.compact(model="m", input=[{"x": float("nan")}])


@pytest.mark.parametrize("name", ["retrieve", "delete", "cancel", "compact"])
def test_the_official_arguments_are_taken(name: str) -> None:
    """Code written for the official package moves over by one line."""
    official = OpenAI(api_key="x", base_url="http://127.0.0.1:9")
    with official, serving() as (client, _):
        theirs = inspect.signature(getattr(official.responses, name)).parameters
        ours = inspect.signature(getattr(client.responses, name)).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in ours.values())
    extras = {"extra_headers", "extra_query", "extra_body", "include_obfuscation"}
    assert takes_any or set(theirs) - extras <= set(ours)
    assert next(iter(ours)) == next(iter(theirs))


def test_the_official_client_finds_the_same(responses_server: LocalServer) -> None:
    """Both read one store."""
    base_url = responses_server.base_url
    with ResponsesClient("test", base_url=base_url) as client:
        made = client.create(**TURN)
        with OpenAI(api_key="test", base_url=base_url) as official:
            assert official.responses.retrieve(made.id).to_dict() == made.to_dict()
            theirs = official.responses.input_items.list(made.id).to_dict()
        ours = client.responses.input_items.list(made.id).page.to_dict()
    assert ours == theirs


def test_a_delete_that_was_lost_after_it_ran_is_done() -> None:
    """The second attempt finds nothing to delete, which is what was wanted."""
    gone = refuse("404 Not Found", "not_found")
    with serving(reset, gone) as (client, lines):
        client.responses.delete("resp_1")
    assert len(lines) == 2


def test_a_delete_of_nothing_is_told() -> None:
    """Where no attempt before it can have deleted it."""
    overloaded, gone = refuse("503 -", "overloaded"), refuse("404 Not Found", "not_found")
    with serving(overloaded, gone) as (client, _), pytest.raises(NotFoundError):
        client.responses.delete("resp_1")


def wait_for_the_end(peer: Peer) -> None:
    """A script that takes the request and never answers."""
    read_request(peer)
    peer.read_to_end()


@pytest.mark.parametrize("options", [{}, {"stream": True}], ids=["whole", "stream"])
def test_a_server_that_does_not_answer_is_left(options: Any) -> None:
    """After ``first_event`` from the end of the request, like a turn."""
    timeouts = Timeouts(first_event=0.2)
    with (
        serving(wait_for_the_end, timeouts=timeouts) as (client, _),
        pytest.raises(TurnTimeoutError) as caught,
    ):
        client.responses.retrieve("resp_1", **options)
    assert caught.value.phase == "first_event"


def test_a_compaction_may_take_its_time() -> None:
    """It answers when all is done, so only the total counts."""
    timeouts = Timeouts(first_event=0.1)
    with (
        serving(wait_for_the_end, timeouts=timeouts) as (client, _),
        pytest.raises(TurnTimeoutError) as caught,
    ):
        client.responses.compact(model="m", input="a", timeout=0.6)
    assert caught.value.phase == "total"
