"""What only the real server of transformers shows: its refusals, and what a cancel does to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pyresponses_ws import BadRequestError, ResponsesClient
from pyresponses_ws.testing import FaultProxy, LocalServer
from tests.real.models.conversations import GREETING, HELLO, MODEL, THINK
from tests.support.turns import ENDS

pytestmark = pytest.mark.real

#: Far more than fits in a moment. The server of transformers wants it as text, and gets it so.
LONG = {"generation_config": {"min_new_tokens": 1_500, "max_new_tokens": 1_500}}


@pytest.fixture
def client(upstream: LocalServer) -> Iterator[ResponsesClient]:
    """Talk to the server in front, over a WebSocket only."""
    with ResponsesClient("any", base_url=upstream.base_url, transport="websocket") as made:
        yield made


def test_it_refuses_fields_that_it_does_not_know(transformers_serve: str) -> None:
    """So whatever of ours leaked would be seen: it answers 422."""
    for name in ("stream_id", "generate", "client_metadata"):
        body = {"model": MODEL, "input": HELLO, name: "x"}
        reply = requests.post(f"{transformers_serve}/responses", json=body, timeout=30)
        assert reply.status_code == 422
        assert name in reply.text


def test_it_does_not_continue_by_itself(transformers_serve: str) -> None:
    """It takes a previous id and ignores it: the history that it was given is ours."""
    body = {"model": MODEL, "input": HELLO, "stream": False}
    first = requests.post(f"{transformers_serve}/responses", json=body, timeout=30).json()
    body["previous_response_id"] = first["id"]
    second = requests.post(f"{transformers_serve}/responses", json=body, timeout=30).json()
    assert second["usage"]["input_tokens"] == first["usage"]["input_tokens"]


def test_nothing_of_ours_leaks(client: ResponsesClient) -> None:
    """Lanes, warm-ups, metadata of the client and settings of our server: no 422."""
    with client.connect() as connection:
        lane = connection.lane("main")
        warm = lane.warm_up(model=MODEL, instructions="Be nice.")
        lane.send(
            {
                **{"type": "response.create", "model": MODEL, "input": HELLO, "store": False},
                **{"previous_response_id": warm.id, "client_metadata": {"x": "y"}},
                "context_management": [{"type": "compaction", "compact_threshold": 100_000}],
            }
        )
        ended: Any = next(event for event in lane if event.type in ENDS)
    assert (ended.response.status, ended.response.output_text) == ("completed", GREETING)


def test_a_refusal_is_the_turns_own(client: ResponsesClient) -> None:
    """Its status and its words arrive, and the connection goes on."""
    with pytest.raises(BadRequestError, match="pinned") as caught:
        client.create(model="another", input=HELLO)
    assert caught.value.status == 400
    assert client.create(model=MODEL, input=HELLO).output_text == GREETING


def test_a_cancel_shuts_its_socket(transformers_serve: str) -> None:
    """Whoever leaves in mid-answer takes the upstream request along; the next turn is answered."""
    with (
        FaultProxy(transformers_serve) as proxy,
        LocalServer(engine=f"upstream:{proxy.base_url}") as server,
        ResponsesClient("any", base_url=server.base_url, transport="websocket") as client,
    ):
        with client.stream(model=MODEL, input=THINK, extra_body=LONG) as stream:
            next(stream.text_deltas())
            assert proxy.open_connections == 1
        proxy.wait_until(lambda: proxy.open_connections == 0)
        assert client.create(model=MODEL, input=HELLO).output_text == GREETING
