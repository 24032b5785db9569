"""Three connections and one model: a client that leaves stops its own answer, and no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pyresponses_ws import Response, ResponsesClient, ResponseStream
from pyresponses_ws.testing import LocalServer
from tests.real.models.conversations import FOLDER, MODEL
from tests.real.models.passes import Passes, Watched
from tests.support.responses_peer import wait_for

pytestmark = pytest.mark.real

TOKENS = 400
LONG = {"generation_config": {"min_new_tokens": TOKENS, "max_new_tokens": TOKENS}}
#: Prompts of different sizes, in tokens: by these the counts are told apart.
STAYS, LEAVES, STAYS_TOO = "Say hello", "tell me a story about the cat please", "think"


@pytest.fixture
def passes() -> Iterator[Passes]:
    """Count the passes through every model."""
    with Passes() as counting:
        yield counting


@pytest.fixture
def engine(passes: Passes) -> Watched:
    """Load the model once, and watch what is asked of it."""
    from pyresponses_ws.server.engines.transformers import TransformersEngine

    return Watched(TransformersEngine(str(FOLDER)), passes)


@pytest.fixture(params=["websocket", "http"])
def clients(request: pytest.FixtureRequest, engine: Watched) -> Iterator[list[ResponsesClient]]:
    """Make three clients, which have a connection each."""
    with LocalServer(engine=engine) as server:
        options: dict[str, Any] = {"base_url": server.base_url, "transport": request.param}
        made = [ResponsesClient("any", **options) for _ in range(3)]
        yield made
        for client in made:
            client.close()


def start(client: ResponsesClient, words: str) -> ResponseStream:
    """Begin a long answer; return once there is something of it."""
    stream = client.stream(model=MODEL, input=words, extra_body=LONG)
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
    second.close()
    wait_for(lambda: engine.ended.count(LEAVES) == 2, "the end of the turn")
    seen = engine.at_cancel[LEAVES]
    assert all(0 < seen[sizes[w]] - before[w] < TOKENS for w in sizes), "not all three at once"
    ends = [finish(streams[0]), finish(streams[2])]
    assert passes.of(sizes[LEAVES]) - seen[sizes[LEAVES]] <= 1
    made = {words: passes.of(size) - before[words] for words, size in sizes.items()}
    assert (made[STAYS], made[STAYS_TOO]) == (TOKENS, TOKENS)
    assert [end.usage and end.usage.output_tokens for end in ends] == [TOKENS, TOKENS]
    assert len(passes.models) == 1


def test_answers_at_once_are_those_of_answers_alone(clients: list[ResponsesClient]) -> None:
    """Nothing of one gets into another."""
    prompts = (STAYS, LEAVES, STAYS_TOO)
    alone = [finish(start(clients[0], words)).output_text for words in prompts]
    streams = [start(client, words) for client, words in zip(clients, prompts, strict=True)]
    assert [finish(stream).output_text for stream in streams] == alone


def test_seeded_answers_repeat_themselves_in_company(clients: list[ResponsesClient]) -> None:
    """The random state is one for all: a seeded turn is as it would be alone."""
    wild: dict[str, Any] = {"temperature": 1.5, "extra_body": {"seed": 7, **LONG}}
    first, second, third = clients
    alone = first.create(model=MODEL, input=STAYS, **wild).output_text
    texts: list[str] = []
    asking = [
        threading.Thread(
            target=lambda c=client: texts.append(
                c.create(model=MODEL, input=STAYS, **wild).output_text
            )
        )
        for client in (first, second)
    ]
    company = start(third, STAYS_TOO)
    for thread in asking:
        thread.start()
    finish(company)
    for thread in asking:
        thread.join(50)
    assert texts == [alone, alone]
