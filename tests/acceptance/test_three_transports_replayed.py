"""The example conversations of the protocol, word for word, over the three transports."""

from __future__ import annotations

import pytest

from pyresponses_ws.errors import RateLimitError, ResponseFailedError
from pyresponses_ws.testing import LocalServer
from tests.support.three_transports import Run, TurnOf, post_all, stream_all
from tests.support.transcript_engine import TranscriptEngine, turns_of
from tests.support.transcript_server import TRANSCRIPTS, Play, read_plays, serve_plays

#: Conversations in which a turn was asked for; the one left out tells of handshakes alone.
NAMES = sorted(path.stem for path in TRANSCRIPTS.glob("*.jsonl") if read_plays(path.stem))
#: Fields that travel over a WebSocket only, or that the client sets itself.
NOT_GIVEN = {"type", "stream_id"}


def playable(name: str) -> list[Play]:
    """Return the turns that exist on every transport."""
    return [play for play in read_plays(name) if play.why_left_out is None]


def as_turn(play: Play) -> TurnOf:
    fields = {key: value for key, value in play.create.items() if key not in NOT_GIVEN}
    return lambda past: fields


def run_streams(plays: list[Play]) -> tuple[Run, Run]:
    """Stream the turns over WebSocket and over HTTP."""
    turns = [as_turn(play) for play in plays]
    with serve_plays(plays) as base_url:
        websocket = stream_all(base_url, "websocket", turns)
    with serve_plays(plays) as base_url:
        return websocket, stream_all(base_url, "http", turns)


def run_json(plays: list[Play]) -> Run:
    with serve_plays(plays) as base_url:
        return post_all(base_url, [as_turn(play) for play in plays])


def has_error_event(play: Play) -> bool:
    """Tell a turn whose stream has an ``error`` in the middle, for which JSON has no place."""
    return not play.is_refused and any(event["type"] == "error" for event in play.events)


def says_it_twice(play: Play) -> bool:
    """Tell a turn whose stream has an ``error`` and then the failed response."""
    types = [] if play.is_refused else [event["type"] for event in play.events]
    return types[-2:] == ["error", "response.failed"]


def streamed_alike(name: str) -> list[Play]:
    """Return the turns that end in the same way over both: all but those said twice."""
    return [play for play in playable(name) if not says_it_twice(play)]


def test_no_turn_is_left_out_without_a_reason() -> None:
    """Warm-ups, names of lanes and the age of a connection are a WebSocket's alone."""
    left_out = {
        (name, play.why_left_out and play.why_left_out.partition(":")[0])
        for name in NAMES
        for play in read_plays(name)
        if play.why_left_out
    }
    assert left_out == {
        ("04_warmup", "a warm-up"),
        ("06_connection_limit", "the age of a connection"),
        ("16_request_errors", "the name of a lane"),
    }
    assert sum(len(playable(name)) for name in NAMES) == 37
    assert "25_handshake_failures" not in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_both_streams_bring_the_same_events(name: str) -> None:
    """All of them, in order, up to the one that ends the turn."""
    plays = streamed_alike(name)
    websocket, sse = run_streams(plays)
    assert [o.transport for o in websocket.outcomes] == ["websocket"] * len(plays)
    assert [o.transport for o in sse.outcomes] == ["http"] * len(plays)
    assert sse.types() == websocket.types()
    assert sse.events() == websocket.events()
    assert any(websocket.types()) or all(play.is_refused for play in plays)


@pytest.mark.parametrize("name", NAMES)
def test_both_streams_end_in_the_same_way(name: str) -> None:
    """With equal Responses, errors, and partial answers of the errors."""
    websocket, sse = run_streams(streamed_alike(name))
    assert sse.responses() == websocket.responses()
    assert sse.errors() == websocket.errors()
    assert sse.partials() == websocket.partials()
    assert all(outcome.final or outcome.error for outcome in websocket.outcomes)


@pytest.mark.parametrize("name", NAMES)
def test_json_brings_the_same_responses(name: str) -> None:
    """And the same refusals; a turn whose stream has an ``error`` in the middle is apart."""
    plays = [play for play in playable(name) if not has_error_event(play)]
    websocket, _ = run_streams(plays)
    json = run_json(plays)
    assert json.responses() == websocket.responses()
    assert json.errors() == websocket.errors()


def test_a_failure_that_is_said_twice_ends_by_the_wires_own_rule() -> None:
    """Over events the pair is the service's way to say what WebSocket says by the second alone.

    Over WebSocket, where nobody has seen the pair from the service, the error ends the turn.
    """
    plays = [play for play in playable("08_failed") if says_it_twice(play)]
    websocket, sse = run_streams(plays)
    errors = [run.outcomes[0].error for run in (websocket, sse, run_json(plays))]
    assert [type(error) for error in errors] == [
        RateLimitError,
        ResponseFailedError,
        ResponseFailedError,
    ]
    assert {error.code for error in errors} == {"insufficient_quota"}  # type: ignore[union-attr]


def test_json_tells_the_code_of_an_error_in_the_middle() -> None:
    """As the error of a failed Response, or as a status with a body."""
    plays = [play for play in playable("08_failed") if has_error_event(play)]
    websocket, _ = run_streams(plays)
    codes = [outcome.error.code for outcome in websocket.outcomes if outcome.error]  # type: ignore[attr-defined]
    assert codes == ["insufficient_quota", "server_is_overloaded"]
    told = [outcome.error.code for outcome in run_json(plays).outcomes if outcome.error]  # type: ignore[attr-defined]
    assert told == codes


#: Conversations that an engine can hold: the others continue a warm-up, fail, or are all refusals.
SERVED = [name for name in NAMES if not name.startswith(("04", "08", "16"))]


@pytest.mark.parametrize("name", SERVED)
def test_the_embedded_server_gives_one_answer_to_all(name: str) -> None:
    """What the model said in a transcript reaches the three as the same Response."""
    plays = [play for play in playable(name) if not play.is_refused]
    turns, runs = turns_of(plays), list[Run]()
    for transport in ("websocket", "http"):
        with LocalServer(engine=TranscriptEngine(plays)) as server:
            runs.append(stream_all(server.base_url, transport, turns))
    with LocalServer(engine=TranscriptEngine(plays)) as server:
        json = post_all(server.base_url, turns)
    websocket, sse = runs
    assert sse.events() == websocket.events()
    assert [outcome.error for outcome in websocket.outcomes] == [None] * len(plays)
    assert json.responses() == sse.responses() == websocket.responses()
