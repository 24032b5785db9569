"""All endings, all error shapes: section 14 through real sockets."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from pyresponses_ws import UnknownEvent
from pyresponses_ws.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    RateLimitError,
    ResponseFailedError,
    ResponseInterruptedError,
    ResponsesWSError,
    ServerError,
)
from tests.support.answers import completed, created, delta, error, failed, item_done, terminal
from tests.support.responses_peer import (
    KEY,
    PeerTurn,
    ResponsesPeer,
    read_until_error,
    says,
    scripts,
    texts_of,
)

TURN: dict[str, Any] = {"model": "m", "input": "mine"}


def test_error_then_failed_is_one_ending() -> None:
    """The server of transformers sends both; the second is not the next turn's answer."""
    events = (created("resp_a"), error("server_error", 500), failed("resp_a"))
    with ResponsesPeer(scripts(says(*events))) as peer, peer.client() as client:
        with pytest.raises(ServerError):
            client.create(**TURN)
        response = client.create(**TURN)
        assert (response.output_text, response.id, response.report.link) == ("mine", "resp_2", 1)


@pytest.mark.parametrize("is_created", [True, False])
def test_a_failed_that_comes_late_is_not_the_next_answer(is_created: bool) -> None:
    """The ``failed`` of the turn before arrives when the next request is already out."""
    head = [created("resp_a")] if is_created else []

    def late(turn: PeerTurn) -> None:
        turn.send(failed("resp_a"))
        turn.answer()

    script = scripts(says(*head, error("invalid_prompt", 400)), late)
    with ResponsesPeer(script) as peer, peer.client() as client:
        with pytest.raises(BadRequestError):
            client.create(**TURN)
        response = client.create(**TURN)
        assert (response.output_text, response.report.reused_link) == ("mine", True)


def test_failed_is_yielded_and_then_raises() -> None:
    """The event is handed over; the next step raises, and get_final_response does so each time."""
    script = scripts(says(created(), delta("half"), failed(text="the model broke")))
    with ResponsesPeer(script) as peer, peer.client() as client:
        stream = client.stream(**TURN)
        events, caught = read_until_error(stream)
        assert events[-1].type == "response.failed"
        assert isinstance(caught, ResponseFailedError)
        assert (caught.code, caught.partial.text, caught.response.id) == (
            "server_error",
            "half",
            "resp_1",
        )
        assert list(stream) == []
        with pytest.raises(ResponseFailedError, match="the model broke"):
            stream.get_final_response()
        assert client.create(**TURN).report.reused_link is True


def test_error_only_raises() -> None:
    """An ``error`` event is never handed over as an event."""
    script = scripts(says(created(), error("invalid_prompt", 400)))
    with ResponsesPeer(script) as peer, peer.client() as client:
        events, caught = read_until_error(client.stream(**TURN))
        assert [event.type for event in events] == ["response.created"]
        assert isinstance(caught, BadRequestError)


def test_incomplete_returns_a_response() -> None:
    """A cut answer is a result: a Response with its status, and no exception."""
    ending = terminal("incomplete", "resp_1", incomplete_details={"reason": "max_output_tokens"})
    with ResponsesPeer(scripts(says(created(), delta("so f"), ending))) as peer:
        with peer.client() as client:
            response = client.create(**TURN)
        assert response.status == "incomplete"
        assert response.incomplete_details.reason == "max_output_tokens"
        assert response.output_text == "so f"


def test_cancelled_raises_with_the_partial() -> None:
    """Some servers end so; it is a failure of another name."""
    ending = terminal("cancelled", "resp_1", "half")
    with ResponsesPeer(scripts(says(created(), ending))) as peer, peer.client() as client:
        with pytest.raises(ResponseFailedError, match="cancelled") as caught:
            client.create(**TURN)
        assert caught.value.partial.text == "half"


def test_done_is_an_ending() -> None:
    """``response.done`` tells its kind by its status."""
    ending = {**completed("fine"), "type": "response.done"}
    with ResponsesPeer(scripts(says(created(), ending))) as peer, peer.client() as client:
        assert client.create(**TURN).output_text == "fine"
        assert client.create(**TURN).report.reused_link is True


def test_a_terminal_without_created_ends_the_turn() -> None:
    """Some servers send only that for a warm-up."""
    with ResponsesPeer(scripts(says(completed("", "resp_w")))) as peer, peer.client() as client:
        warm = client.warm_up(**TURN)
        assert (warm.id, warm.report.input_mode) == ("resp_w", "warm")
        assert client.create(**TURN, previous_response_id="resp_w").report.reused_link is True
        assert peer.requests[0]["generate"] is False


@pytest.mark.parametrize("has_item", [True, False])
def test_an_empty_output_is_rebuilt(has_item: bool) -> None:
    """The Codex backend leaves ``output`` empty at the end; the events before have it."""
    body = item_done("all of it") if has_item else delta("all of it")
    script = scripts(says(created(), body, terminal("completed", "resp_1")))
    with ResponsesPeer(script) as peer, peer.client() as client:
        response = client.create(**TURN)
        assert response.output_text == "all of it"


def test_missing_deltas_come_from_the_finished_text() -> None:
    """``text_deltas`` hands a text over whole where nothing streamed."""
    done = {**delta(""), "type": "response.output_text.done", "text": "whole"}
    del done["delta"]
    script = scripts(says(created(), done, completed("whole")))
    with ResponsesPeer(script) as peer, peer.client() as client:
        assert list(client.stream(**TURN).text_deltas()) == ["whole"]


def test_unknown_events_are_yielded_and_change_nothing() -> None:
    """News of the protocol pass through, with their fields."""
    news = {"type": "response.brand_new", "shiny": {"a": [1]}}
    script = scripts(says({"type": "keepalive"}, created(), news, delta("ok"), completed("ok")))
    with ResponsesPeer(script) as peer, peer.client() as client:
        events, caught = read_until_error(client.stream(**TURN))
        unknown = [event for event in events if isinstance(event, UnknownEvent)]
        assert [event.to_dict() for event in unknown if "new" in event.type] == [news]
        assert (texts_of(events), caught) == ("ok", None)


def test_a_terminal_of_another_response_is_ignored() -> None:
    """Only the running response's own ending counts."""
    script = scripts(says(created("resp_1"), completed("theirs", "resp_x"), completed("ours")))
    with ResponsesPeer(script) as peer, peer.client() as client:
        assert client.create(**TURN).output_text == "ours"
        assert client.create(**TURN).report.reused_link is True


def test_a_repeated_terminal_is_ignored() -> None:
    """The second ``completed`` of a response does not end the next turn."""

    def repeat(turn: PeerTurn) -> None:
        turn.send(completed("first", "resp_1"))
        turn.answer()

    script = scripts(says(created("resp_1"), completed("first"), completed("first")), repeat)
    with ResponsesPeer(script) as peer, peer.client() as client:
        assert [client.create(**TURN).output_text for _ in range(3)] == ["first", "mine", "mine"]
        assert peer.connections == 1


def test_output_before_created_is_a_protocol_error() -> None:
    """Whose it is cannot be told, so the link goes and the next turn has another."""
    with ResponsesPeer(scripts(says(delta("whose?")))) as peer, peer.client() as client:
        with pytest.raises(ResponsesWSError, match=r"before response\.created"):
            client.create(**TURN)
        assert client.create(**TURN).report.link == 2


@pytest.mark.parametrize(
    ("wire", "kind", "message"),
    [
        (
            {"type": "error", "code": "invalid_api_key", "message": "flat"},
            AuthenticationError,
            "flat",
        ),
        (
            {"type": "error", "status": 429, "error": {"message": "nested"}},
            RateLimitError,
            "nested",
        ),
        (
            {"type": "error", "status_code": 400, "error": {"detail": "other"}},
            BadRequestError,
            "other",
        ),
        ({"type": "error", "error": "words only"}, APIError, "words only"),
        ({"type": "response.error", "error": {"message": "renamed"}}, APIError, "renamed"),
    ],
    ids=["flat", "status", "status_code", "text", "response.error"],
)
def test_every_error_shape_is_one_family(
    wire: dict[str, Any], kind: type[APIError], message: str
) -> None:
    """Whatever its shape, it is an APIError that says the server's words, and the link stays."""
    with ResponsesPeer(scripts(says(created(), wire))) as peer, peer.client() as client:
        with pytest.raises(APIError, match=message) as caught:
            client.create(**TURN)
        assert type(caught.value) is kind
        assert client.create(**TURN).report.reused_link is True


def test_errors_pickle_with_partial_and_report() -> None:
    """A Celery worker hands its parent everything, and no key."""

    def cut(turn: PeerTurn) -> None:
        turn.begin("so far")
        turn.cut()

    with ResponsesPeer(scripts(cut)) as peer, peer.client() as client:
        _, caught = read_until_error(client.stream(**TURN))
        assert isinstance(caught, ResponseInterruptedError)
        data = pickle.dumps(caught)
        again = pickle.loads(data)
        assert (str(again), again.partial.text) == (str(caught), "so far")
        assert (again.report, again.close_code) == (caught.report, 1006)
        assert KEY.encode() not in data


def test_a_picklable_failure_keeps_its_response() -> None:
    """Items and usage in an error travel too."""
    with ResponsesPeer(scripts(says(created(), item_done("x"), failed()))) as peer:
        with peer.client() as client, pytest.raises(ResponseFailedError) as caught:
            client.create(**TURN)
        again = pickle.loads(pickle.dumps(caught.value))
        assert again.response.id == "resp_1"
        assert again.partial.items == caught.value.partial.items
        assert again.partial.as_input()[0]["content"][0]["text"] == "x"
