"""What one connection answers: frames in, frames out."""

from __future__ import annotations

import pytest

from pyresponses_ws.errors import ServerError
from tests.server.drivers import NOW, Wire, make_service, types, user


def test_a_create_starts_at_once_on_an_idle_lane() -> None:
    """``created`` and ``in_progress`` come before the engine runs."""
    wire = Wire()
    assert types(wire.send(input="hi")) == ["response.created", "response.in_progress"]
    assert [turn.request.model for turn in wire.turns] == ["m"]


def test_a_turn_runs_to_its_end() -> None:
    """The echo comes back in the final Response."""
    (item,) = Wire().complete(input="hi")["output"]
    assert item["content"][0]["text"] == "You said: hi"


def test_a_lane_runs_one_turn_at_a_time_in_order() -> None:
    """The second create of a lane starts when the first has ended."""
    wire = Wire()
    wire.send(input="one", stream_id="a")
    assert wire.send(input="two", stream_id="a") == []
    frames = wire.run()
    assert types(frames)[-3:] == ["response.completed", "response.created", "response.in_progress"]
    assert {frame["stream_id"] for frame in frames} == {"a"}


def test_lanes_do_not_wait_for_each_other() -> None:
    """Another lane, and the default one, start while the first runs."""
    wire = Wire()
    for fields in ({"stream_id": "a"}, {"stream_id": "b"}, {}):
        assert types(wire.send(input="hi", **fields))[0] == "response.created"
    assert [turn.lane for turn in wire.turns] == ["a", "b", None]


def test_an_error_waits_for_its_place_in_the_lane() -> None:
    """A bad create behind a running turn is answered after it, so replies stay in order."""
    wire = Wire()
    wire.send(input="one")
    assert wire.send(input=5) == []
    assert types(wire.run())[-2:] == ["response.completed", "error"]


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ("{", None),
        ("[1]", None),
        ("[" * 100_000, None),
        ('{"a": NaN}', None),
        ("{}", "type"),
        ('{"type": 1}', "type"),
        ('{"type": "response.cancel"}', "type"),
    ],
)
def test_a_frame_that_is_no_create_is_a_400(text: str, param: str | None) -> None:
    """One error frame, nested, with the status; the session goes on."""
    wire = Wire()
    (frame,) = wire.send(text)
    assert list(frame) == ["type", "status", "error"]
    assert (frame["status"], frame["error"]["param"]) == (400, param)
    assert types(wire.send(input="hi"))[0] == "response.created"


def test_a_bad_lane_name_is_refused_and_not_echoed() -> None:
    """``invalid_stream_id`` carries no ``stream_id``."""
    for name in ("bad lane!", "", "x" * 257, 5):
        (frame,) = Wire().send(input="hi", stream_id=name)
        assert frame["error"]["code"] == "invalid_stream_id"
        assert "stream_id" not in frame


def test_a_bad_create_echoes_its_lane() -> None:
    """The error of a valid lane name says which lane it is for."""
    (frame,) = Wire().send(input=5, stream_id="a")
    assert list(frame) == ["type", "status", "stream_id", "error"]
    assert (frame["stream_id"], frame["error"]["code"]) == ("a", "invalid_type")


def test_an_unstored_response_continues_on_its_connection() -> None:
    """The connection remembers the latest response of a lane; its context is the whole chain."""
    wire = Wire()
    first = wire.complete(input="one", store=False)
    wire.send(input="two", store=False, previous_response_id=first["id"])
    roles = [item["role"] for item in wire.turns[0].engine_request.items]
    assert roles == ["user", "assistant", "user"]


def test_an_unstored_response_is_unknown_elsewhere() -> None:
    """Another connection of the same owner does not find it."""
    service = make_service()
    first = Wire(service=service).complete(input="one", store=False)
    (frame,) = Wire(service=service).send(input="two", previous_response_id=first["id"])
    assert frame["error"]["code"] == "previous_response_not_found"


def test_a_stored_response_continues_anywhere_for_its_owner_only() -> None:
    """The store is shared by the owner's connections, and by nobody else's."""
    service = make_service()
    first = Wire(service=service).complete(input="one")
    more = {"input": "two", "previous_response_id": first["id"]}
    assert types(Wire(service=service).send(**more))[0] == "response.created"
    assert types(Wire(service=service, owner="you").send(**more)) == ["error"]


def test_the_parent_is_looked_up_when_the_turn_leaves_its_queue() -> None:
    """A continuation may be queued behind the turn that it continues."""
    wire = Wire()
    created, _ = wire.send(input="one", store=False)
    wire.send(input="two", store=False, previous_response_id=created["response"]["id"])
    assert types(wire.run())[-2:] == ["response.created", "response.in_progress"]


def test_a_new_chain_drops_the_lanes_checkpoint() -> None:
    """A create without a parent forgets the lane's unstored response as it starts."""
    wire = Wire()
    first = wire.complete(input="one", store=False)
    wire.complete(input="new", store=False)
    assert types(wire.send(input="two", previous_response_id=first["id"])) == ["error"]


def test_a_failed_continuation_evicts_its_parent() -> None:
    """A same-lane continuation that fails after it was resolved forgets the parent."""
    wire = Wire()
    first = wire.complete(input="one", store=False)
    bad = [{"type": "function_call_output", "call_id": "call_missing", "output": "x"}]
    (frame,) = wire.send(input=bad, previous_response_id=first["id"])
    assert "call_missing" in frame["error"]["message"]
    (frame,) = wire.send(input="again", previous_response_id=first["id"])
    assert frame["error"]["code"] == "previous_response_not_found"


def test_a_failed_fork_keeps_the_parent() -> None:
    """A continuation on another lane that fails leaves the source lane as it was."""
    wire = Wire()
    first = wire.complete(input="one", store=False, stream_id="main")
    bad = [{"type": "function_call_output", "call_id": "call_missing", "output": "x"}]
    wire.send(input=bad, previous_response_id=first["id"], stream_id="fork")
    again = wire.send(input="again", previous_response_id=first["id"], stream_id="main")
    assert types(again)[0] == "response.created"


def test_a_malformed_create_keeps_the_parent() -> None:
    """A wrong type is refused before the parent is looked up."""
    wire = Wire()
    first = wire.complete(input="one", store=False)
    wire.send(input=5, previous_response_id=first["id"])
    again = wire.send(input="again", previous_response_id=first["id"])
    assert types(again)[0] == "response.created"


def test_a_failed_turn_evicts_its_parent_and_cannot_be_continued() -> None:
    """The engine's failure is ``response.failed`` alone, and makes no checkpoint."""
    wire = Wire()
    first = wire.complete(input="one", store=False)
    created = wire.send(input="two", store=False, previous_response_id=first["id"])[0]
    wire.session.receive_end(wire.turns.pop(), ServerError("No.", code="server_error"), NOW)
    assert types(wire.drain()) == ["response.failed"]
    for response_id in (first["id"], created["response"]["id"]):
        assert types(wire.send(input="x", previous_response_id=response_id)) == ["error"]


@pytest.mark.parametrize(
    "fields", [{"generate": False}, {"prompt_cache_options": {"prewarm": True}}]
)
def test_a_warm_up_has_no_output_and_can_be_continued(fields: dict[str, object]) -> None:
    """It counts its input, answers nothing, and its id is a parent."""
    wire = Wire()
    warm = wire.complete(input=[], instructions="You are terse.", store=False, **fields)
    assert (warm["output"], warm["usage"]["output_tokens"]) == ([], 0)
    assert warm["usage"]["input_tokens"] > 0
    more = wire.send(input="hi", previous_response_id=warm["id"])
    assert types(more)[0] == "response.created"


def test_stream_and_unknown_fields_and_nulls_are_accepted() -> None:
    """Official clients send ``stream``, Codex sends ``client_metadata``; null means not given."""
    fields = {"stream": True, "client_metadata": {"a": "b"}, "tools": None, "store": None}
    assert types(Wire().send(input=[user("hi")], **fields))[0] == "response.created"


def test_a_continuation_shares_the_root_of_its_ids() -> None:
    """The first 16 hex digits are the conversation's."""
    wire = Wire()
    first = wire.complete(input="one")
    second = wire.complete(input="two", previous_response_id=first["id"])
    assert first["id"][:21] == second["id"][:21]
    assert second["previous_response_id"] == first["id"]
