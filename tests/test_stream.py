"""A turn as an iterator."""

from __future__ import annotations

import pytest

from pyresponses_ws.errors import (
    BadRequestError,
    ClosedError,
    ConcurrencyError,
    ResponseFailedError,
    TurnCancelledError,
)
from tests._protocol import wire
from tests._runtime.rig import Call, completed, created, delta, refusal, rig, turn


def test_it_ends_with_its_terminal() -> None:
    """completed is yielded, then iteration stops, again and again."""
    with rig(lambda command: turn()) as made, made.client.stream(model="m", input="a") as stream:
        assert [event.type for event in stream][-1] == "response.completed"
        assert list(stream) == []
        assert stream.get_final_response().output_text == "Hello"
        assert stream.report.events == 3
        assert stream.get_final_response().report is stream.report


def test_a_failure_is_yielded_then_raised() -> None:
    """get_final_response raises it every time."""
    frames = [created(), wire.failed().to_dict()]
    with rig(lambda command: frames) as made:
        stream = made.client.stream(model="m", input="a")
        assert [next(stream).type, next(stream).type][1] == "response.failed"
        with pytest.raises(ResponseFailedError):
            next(stream)
        assert list(stream) == []
        for _ in range(2):
            with pytest.raises(ResponseFailedError):
                stream.get_final_response()


def test_an_error_is_only_raised() -> None:
    """It is no event of the iteration."""
    with rig(lambda command: [refusal("invalid_type", status=400)]) as made:
        stream = made.client.stream(model="m", input="a")
        with pytest.raises(BadRequestError):
            list(stream)
        with pytest.raises(BadRequestError):
            stream.get_final_response()


def test_break_pauses() -> None:
    """A second loop goes on where the first stopped."""
    with rig(lambda command: turn()) as made:
        stream = made.client.stream(model="m", input="a")
        for event in stream:
            if event.type == "response.created":
                break
        assert next(stream).type == "response.output_text.delta"


def test_text_deltas_join_to_the_text() -> None:
    """Without deltas the whole text comes at once."""
    done = {
        "type": "response.output_text.done",
        "text": "whole",
        "output_index": 0,
        "content_index": 0,
    }
    with_deltas = [created(), delta("who"), delta("le"), done, completed()]
    for frames in (with_deltas, [created(), done, completed()]):
        with rig(lambda command, frames=frames: frames) as made:
            stream = made.client.create(model="m", input="a", stream=True)
            assert "".join(stream.text_deltas()) == "whole"


def test_a_closed_stream_has_no_result() -> None:
    """But what was read of it."""
    with rig(None) as made:
        with made.client.stream(model="m", input="a") as stream:
            made.transport.feed(created(), delta("half"))
            assert [next(stream).type for _ in range(2)][1] == "response.output_text.delta"
        stream.close()
        assert list(stream) == []
        assert stream.snapshot().output_text == "half"
        with pytest.raises(ClosedError, match="snapshot"):
            stream.get_final_response()


def test_two_readers_are_one_too_many() -> None:
    """The second gets ConcurrencyError; the first goes on."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        first = Call(lambda: next(stream).type)
        made.clock.wait_for_waiters(2)
        with pytest.raises(ConcurrencyError):
            next(stream)
        made.transport.feed(*turn())
        assert first.result() == "response.created"
        assert next(stream).type == "response.output_text.delta"


def test_closing_under_a_reader_cancels() -> None:
    """Another thread's close ends the wait."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        reading = Call(lambda: next(stream))
        made.clock.wait_for_waiters(2)
        stream.close()
        with pytest.raises(TurnCancelledError):
            reading.result()


def test_a_stream_may_move_between_threads() -> None:
    """Only overlapping calls are misuse."""
    with rig(lambda command: turn()) as made:
        stream = made.client.stream(model="m", input="a")
        assert Call(lambda: next(stream).type).result() == "response.created"
        assert Call(stream.get_final_response).result().id == stream.response_id


def test_close_beside_a_reader_cannot_leave_it_waiting() -> None:
    """Between two calls of the reader the close wins: the next one ends."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created())
        assert next(stream).type == "response.created"
        Call(stream.close).result()
        assert list(stream) == []
