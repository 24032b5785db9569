"""Three connections and one model: a client that leaves stops its own answer, and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import pytest

from pyresponses_ws import Response, ResponsesClient, ResponseStream
from pyresponses_ws.testing import LocalServer
from tests.real.models.conversations import FOLDER, MODEL
from tests.real.models.passes import Passes, Watched
from tests.support.responses_peer import wait_for

pytestmark = pytest.mark.real

TOKENS = 400
#: Prompts of different sizes, in tokens: by these the counts are told apart.
STAYS, LEAVES, STAYS_TOO = "Say hello", "tell me a story about the cat please", "think"


@pytest.fixture
def engine(passes: Passes) -> Watched:
    """Load the model once, and watch what is asked of it."""
    from pyresponses_ws.server.engines.transformers.engine import TransformersEngine

    return Watched(TransformersEngine(str(FOLDER)), passes)


@pytest.fixture
def watched(engine: Watched) -> Iterator[LocalServer]:
    """Serve what is watched."""
    with LocalServer(engine=engine) as server:
        yield server


@pytest.fixture(params=["websocket", "http"])
def clients(
    request: pytest.FixtureRequest, watched: LocalServer
) -> Iterator[list[ResponsesClient]]:
    """Make three clients, which have a connection each."""
    options: dict[str, Any] = {"base_url": watched.base_url, "transport": request.param}
    made = [ResponsesClient("any", **options) for _ in range(3)]
    yield made
    for client in made:
        client.close()


def exactly(tokens: int) -> dict[str, Any]:
    """Return what makes an answer just so long."""
    return {"generation_config": {"min_new_tokens": tokens, "max_new_tokens": tokens}}


def start(client: ResponsesClient, words: str, tokens: int = TOKENS) -> ResponseStream:
    """Begin an answer of so many tokens; return once there is something of it."""
    stream = client.stream(model=MODEL, input=words, extra_body=exactly(tokens))
    next(stream.text_deltas())
    return stream


def measure(client: ResponsesClient, words: str) -> int:
    """Return how many tokens a prompt has."""
    usage = client.create(model=MODEL, input=words, max_output_tokens=16).usage
    assert usage is not None
    return usage.input_tokens


def finish(stream: ResponseStream) -> Response:
    """Read an answer to its end."""
    with stream:
        return stream.get_final_response()


def test_one_that_leaves_stops_its_own_answer(
    clients: list[ResponsesClient], engine: Watched, passes: Passes
) -> None:
    """At most one token is made after the loss is seen; the others get all of theirs."""
    first, second, third = clients
    sizes = {words: measure(first, words) for words in (STAYS, LEAVES, STAYS_TOO)}
    before = {words: passes.of(size) for words, size in sizes.items()}
    streams = [start(first, STAYS), start(second, LEAVES), start(third, STAYS_TOO)]
    streams[1].close()
    wait_for(lambda: engine.ended.count(LEAVES) == 2, "the end of the turn")
    seen = engine.at_cancel[LEAVES]
    under_way = {words: seen[size] - before[words] for words, size in sizes.items()}
    assert all(0 < count < TOKENS for count in under_way.values()), under_way
    ends = [finish(streams[0]), finish(streams[2])]
    assert passes.of(sizes[LEAVES]) - seen[sizes[LEAVES]] <= 1
    made = {words: passes.of(size) - before[words] for words, size in sizes.items()}
    assert (made[STAYS], made[STAYS_TOO]) == (TOKENS, TOKENS)
    assert [end.usage and end.usage.output_tokens for end in ends] == [TOKENS, TOKENS]
    assert len(passes.models) == 1


def test_one_that_gives_up_a_plain_request_stops_its_answer(
    watched: LocalServer, engine: Watched, passes: Passes
) -> None:
    """It is sent nothing before the end, and still its leaving is seen."""
    body = json.dumps({"model": MODEL, "input": LEAVES, **exactly(TOKENS)})
    connection = HTTPConnection("127.0.0.1", watched.port)
    connection.request("POST", "/v1/responses", body, {"Content-Type": "application/json"})
    wait_for(lambda: sum(passes.all().values()) > 10, "some tokens")
    connection.close()
    wait_for(lambda: engine.ended, "the end of the turn")
    (seen,), (made,) = engine.at_cancel[LEAVES].values(), passes.all().values()
    assert 10 < seen <= made <= seen + 1 < TOKENS


def test_answers_at_once_are_those_of_answers_alone(local_model: LocalServer) -> None:
    """Nothing of one gets into another."""
    prompts = (STAYS, LEAVES, STAYS_TOO)
    with ResponsesClient("any", base_url=local_model.base_url) as client:
        alone = [finish(start(client, words, 60)).output_text for words in prompts]
        streams = [start(client, words, 60) for words in prompts]
        assert [finish(stream).output_text for stream in streams] == alone


def test_seeded_answers_repeat_themselves_in_company(local_model: LocalServer) -> None:
    """The random state is one for all: a seeded turn is as it would be alone."""
    with ResponsesClient("any", base_url=local_model.base_url) as client:
        alone = sample(client)
        company = start(client, STAYS_TOO, 200)
        with ThreadPoolExecutor(2) as threads:
            asked = [threads.submit(sample, client) for _ in range(2)]
            finish(company)
            assert [each.result(50) for each in asked] == [alone, alone]


def sample(client: ResponsesClient) -> str:
    """Return words drawn at random, the same each time."""
    extra = {"seed": 7, **exactly(40)}
    return client.create(model=MODEL, input=STAYS, temperature=1.5, extra_body=extra).output_text
