"""Steering, from outside: frames in, frames out."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.errors import ServerError
from pyresponses_ws.server.core import steer
from pyresponses_ws.server.core.session import Stop
from pyresponses_ws.server.core.steer import MAX_PENDING
from pyresponses_ws.server.engines.base import CallDelta, CutDelta, ReasoningDelta, TextDelta
from tests.server.drivers import NOW, Frame, Wire, types, user

WEATHER = {"type": "function", "name": "get_weather", "parameters": {}}
CALL = CallDelta(name="get_weather", text="{}")


class Steered(Wire):
    """A session with one running turn and what is needed to steer it."""

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        self.created = self.send(input="Plan it.", **fields)[0]
        self.id: str = self.created["response"]["id"]

    def steer(self, value: Any = "Shorter.", target: str | None = None) -> Frame:
        """Send a steer; return the reply."""
        (frame,) = self.send(
            type="response.steer", previous_response_id=target or self.id, input=value
        )
        return frame

    def feed(self, *deltas: Any) -> list[Frame]:
        """Have the engine make these deltas."""
        self.session.receive_deltas(self.turns[0], deltas)
        return self.drain()

    def end(self, failure: Any = None) -> list[Frame]:
        """Have the engine end."""
        self.session.receive_end(self.turns.pop(0), failure, NOW)
        return self.drain()

    def answer(self, call: Frame, **fields: Any) -> list[Frame]:
        """Send the create that brings the output of a call."""
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "fine"}
        return self.send(input=[output], previous_response_id=self.id, **fields)


def call_of(frames: list[Frame]) -> Frame:
    """Return the call of a terminal frame."""
    item: Frame = next(f for f in frames if "response" in f)["response"]["output"][-1]
    return item


def test_an_accepted_steer_has_an_id_and_counts_in_its_response() -> None:
    """It is on the lane of its target, though the steer itself names none."""
    wire = Steered(stream_id="main")
    frame = wire.steer()
    assert frame.pop("steer") == {"id": frame_id(wire, 1), "previous_response_id": wire.id}
    kind = "response.steer.accepted"
    assert frame == {"type": kind, "sequence_number": 2, "stream_id": "main"}


def frame_id(wire: Steered, count: int) -> str:
    """Return the id of the last steer, seen to be well formed."""
    steers = next(iter(wire.session._steering._running.values())).steers
    assert len(steers) == count
    prefix, _, digits = steers[-1].id.partition("_")
    assert (prefix, len(digits), set(digits) <= set("0123456789abcdef")) == ("steer", 32, True)
    return steers[-1].id


def test_the_current_item_is_finished_and_a_successor_starts() -> None:
    """The response ends as steered; the successor has its settings, and the steer as input."""
    wire = Steered(instructions="Be kind.", stream_id="main")
    wire.feed(ReasoningDelta("Hm"))
    wire.steer()
    assert "response.reasoning_summary_text.delta" in types(wire.feed(ReasoningDelta("m.")))
    assert wire.feed(TextDelta("Never said.")) == []
    frames = wire.end()
    assert types(frames)[-3:] == [
        "response.incomplete",
        "response.created",
        "response.in_progress",
    ]
    ended, successor = frames[-3]["response"], frames[-2]
    assert ended["incomplete_details"] == {"reason": "steered"}
    assert [item["type"] for item in ended["output"]] == ["reasoning"]
    assert (successor["sequence_number"], successor["stream_id"]) == (0, "main")
    assert successor["response"]["previous_response_id"] == wire.id
    assert successor["response"]["instructions"] == "Be kind."
    assert wire.turns[0].engine_request.items[-1] == {
        **user("x"),
        "content": [{"type": "input_text", "text": "Shorter."}],
    }


def test_the_engine_is_stopped_where_the_response_is_cut() -> None:
    """Where its next item would open; what it makes after that is left out."""
    wire = Steered()
    (turn,) = wire.turns
    wire.steer()
    wire.session.receive_deltas(turn, [ReasoningDelta("Hm"), TextDelta("Never said.")])
    actions = list(iter(wire.session.take_action, None))
    assert actions[-1] == Stop(turn)
    assert [a for a in actions if isinstance(a, Stop)] == [Stop(turn)]


def test_a_response_whose_last_item_was_steered_ends_as_steered() -> None:
    """The item is whole, and the successor goes on."""
    wire = Steered()
    wire.feed(TextDelta("Hel"))
    wire.steer()
    wire.feed(TextDelta("lo."))
    frames = wire.end()
    assert types(frames)[-3:] == [
        "response.incomplete",
        "response.created",
        "response.in_progress",
    ]
    (item,) = frames[-3]["response"]["output"]
    assert (item["status"], item["content"][0]["text"]) == ("completed", "Hello.")
    assert frames[-3]["response"]["usage"]["output_tokens"] > 0


def test_steers_go_in_together_in_the_order_in_which_they_came() -> None:
    """One successor takes them all; messages pass as they are."""
    wire = Steered()
    wire.feed(TextDelta("Hello."))
    wire.steer("one")
    wire.steer([user("two"), {"role": "user", "content": [{"type": "input_text", "text": "3"}]}])
    wire.end()
    items = wire.turns[0].engine_request.items[-3:]
    assert [item["type"] for item in items] == ["message"] * 3
    assert [item["content"] for item in items][1] == "two"


def test_queued_creates_wait_for_the_successor() -> None:
    """It goes on in the place of its predecessor."""
    wire = Steered()
    wire.feed(TextDelta("Hello."))
    wire.send(input="next")
    wire.steer()
    wire.end()
    assert [turn.request.previous_response_id for turn in wire.turns] == [wire.id]
    wire.run()
    assert [turn.request.previous_response_id for turn in wire.turns] == [None]


def test_a_successor_can_be_steered_and_its_predecessor_not() -> None:
    """New steering names the successor."""
    wire = Steered()
    wire.feed(TextDelta("Hello."))
    wire.steer()
    frames = wire.end()
    assert wire.steer()["error"]["code"] == "response_not_active"
    assert wire.steer(target=frames[-2]["response"]["id"])["type"] == "response.steer.accepted"


def test_a_completed_response_takes_no_steers() -> None:
    """It came too late; the input comes back."""
    wire = Steered()
    wire.run()
    assert wire.steer()["error"]["code"] == "response_already_completed"


def test_calls_are_answered_first() -> None:
    """The response completes with its calls, and each steer is told once what is owed."""
    wire = Steered(tools=[WEATHER])
    wire.feed(CALL)
    wire.steer("one")
    wire.steer("two")
    frames = wire.end()
    call = call_of(frames)
    assert types(frames)[-3:] == [
        "response.completed",
        "response.steer.pending",
        "response.steer.pending",
    ]
    assert frames[-1]["reason"] == "waiting_for_required_input"
    stub = {"type": "function_call_output", "call_id": call["call_id"], "name": "get_weather"}
    assert [frame["required_input"] for frame in frames[-2:]] == [[stub], [stub]]
    numbers = [frame["sequence_number"] for frame in frames[-3:]]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


def test_the_steers_go_ahead_of_the_outputs_that_they_waited_for() -> None:
    """The create keeps its own settings."""
    wire = Steered(tools=[WEATHER])
    wire.feed(CALL)
    wire.steer("one")
    call = call_of(wire.end())
    assert types(wire.answer(call))[0] == "response.created"
    kinds = [item["type"] for item in wire.turns[0].engine_request.items]
    assert kinds == ["message", "function_call", "message", "function_call_output"]
    assert wire.turns[0].request.tools == []


def test_a_create_that_is_on_its_way_takes_the_steers_along() -> None:
    """Nothing is pending if the outputs are already there."""
    wire = Steered(tools=[WEATHER])
    frames = wire.feed(CALL)
    wire.steer("one")
    call = next(frame["item"] for frame in frames if "item" in frame)
    assert wire.answer(call) == []
    assert types(wire.end())[-3:] == [
        "response.completed",
        "response.created",
        "response.in_progress",
    ]
    assert [item["type"] for item in wire.turns[0].engine_request.items].count("message") == 2


def test_a_call_that_has_begun_is_finished_with_those_beside_it() -> None:
    """Once a call is out, the response goes on to its end."""
    wire = Steered(tools=[WEATHER])
    wire.feed(CALL)
    wire.steer()
    wire.feed(CALL, TextDelta("And."))
    frames = wire.end()
    output = next(frame for frame in frames if "response" in frame)["response"]["output"]
    assert [item["type"] for item in output] == ["function_call", "function_call", "message"]


def test_steers_fail_if_another_chain_takes_their_place() -> None:
    """Their input comes back, so that the client can send it anew."""
    wire = Steered(tools=[WEATHER])
    wire.feed(CALL)
    wire.steer("one")
    wire.end()
    frames = wire.send(input="new")
    assert types(frames)[-1] == "response.steer.failed"
    assert frames[-1]["error"]["code"] == "successor_creation_failed"
    assert frames[-1]["steer"]["input"] == "one"
    assert set(frames[-1]["steer"]) == {"id", "previous_response_id", "input"}


def test_steers_fail_with_their_response() -> None:
    """A failed one has no successor."""
    wire = Steered()
    wire.feed(TextDelta("Hel"))
    wire.steer("one")
    frames = wire.end(ServerError("No.", code="server_error"))
    assert types(frames)[-2:] == ["response.failed", "response.steer.failed"]
    assert wire.turns == []
    assert wire.steer()["error"]["code"] == "response_not_active"


def test_steers_outlive_a_create_that_is_refused() -> None:
    """A malformed one, or one of an unknown parent, leaves their response as it was."""
    wire = Steered(tools=[WEATHER], store=False)
    wire.feed(CALL)
    wire.steer("one")
    call = call_of(wire.end())
    assert types(wire.send(input="x", previous_response_id="resp_none")) == ["error"]
    assert types(wire.send(input=5)) == ["error"]
    assert types(wire.answer(call))[0] == "response.created"


def test_steers_fail_when_their_response_is_evicted() -> None:
    """A continuation without the outputs is refused, and takes the checkpoint along."""
    wire = Steered(tools=[WEATHER], store=False)
    wire.feed(CALL)
    wire.steer("one")
    wire.end()
    frames = wire.send(input="x", previous_response_id=wire.id)
    assert types(frames) == ["error", "response.steer.failed"]


@pytest.mark.parametrize(
    "value", ["", [], [user("x"), {"role": "developer", "content": "x"}], 5, {}, [5]]
)
def test_a_steer_is_made_of_user_messages(value: Any) -> None:
    """Anything else comes back, without an id."""
    frame = Steered().steer(value)
    assert (frame["type"], frame["error"]["code"]) == ("response.steer.failed", "invalid_input")
    assert set(frame["steer"]) == {"previous_response_id", "input"}
    assert set(frame["error"]) == {"type", "code", "message"}


def test_tool_outputs_cannot_be_steered_in() -> None:
    """The guide says so, although the published type has them."""
    output = {"type": "function_call_output", "call_id": "c", "output": "x"}
    assert Steered().steer([output])["error"]["code"] == "invalid_input"


def test_an_unknown_target_is_refused_without_a_lane() -> None:
    """Its event has a number of its own: 0."""
    frame = Steered(stream_id="main").steer(target="resp_unknown")
    assert (frame["error"]["code"], frame["sequence_number"]) == ("response_not_found", 0)
    assert "stream_id" not in frame


@pytest.mark.parametrize(
    "fields",
    [
        {"generate": False},
        {"context_management": [{"type": "compaction", "compact_threshold": 1000}]},
    ],
)
def test_some_responses_take_no_steers(fields: dict[str, Any]) -> None:
    """Those with automatic compaction, the guide says; and those that make no output."""
    assert Steered(**fields).steer()["error"]["code"] == "steering_not_supported"


def test_only_so_many_steers_may_wait() -> None:
    """One more is refused, and those before it stand."""
    wire = Steered()
    wire.feed(TextDelta("Hello."))
    for _ in range(MAX_PENDING):
        assert wire.steer()["type"] == "response.steer.accepted"
    assert wire.steer()["error"]["code"] == "too_many_pending_steers"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": "x"}, "previous_response_id"),
        ({"previous_response_id": 5, "input": "x"}, "previous_response_id"),
        ({"previous_response_id": "resp_1"}, "input"),
    ],
)
def test_a_steer_without_target_or_input_is_a_400(fields: dict[str, Any], param: str) -> None:
    """There is nothing to give back, so it is an ordinary error frame."""
    (frame,) = Wire().send(type="response.steer", **fields)
    assert (frame["type"], frame["status"], frame["error"]["param"]) == ("error", 400, param)


def test_a_cut_by_the_token_limit_has_a_successor_too() -> None:
    """The limit is per response; the successor has its own."""
    wire = Steered()
    wire.feed(TextDelta("Hel"))
    wire.steer()
    wire.feed(TextDelta("lo"), CutDelta("max_output_tokens"))
    frames = wire.end()
    assert types(frames)[-3] == "response.incomplete"
    assert frames[-3]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert types(frames)[-2] == "response.created"


@pytest.mark.parametrize(
    "content", [[], [{"type": "input_text", "text": 5}], [{"type": "output_text", "text": "x"}], 5]
)
def test_the_parts_of_a_steer_are_those_of_a_user(content: Any) -> None:
    """Checked as those of a create are."""
    frame = Steered().steer([{"role": "user", "content": content}])
    assert frame["error"]["code"] == "invalid_input"


def test_steers_that_wait_are_bounded_in_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all responses of the connection."""
    monkeypatch.setattr(steer, "MAX_PENDING_SIZE", 1_000)
    wire = Steered()
    wire.feed(TextDelta("Hello."))
    assert wire.steer("x" * 600)["type"] == "response.steer.accepted"
    assert wire.steer("x" * 600)["error"]["code"] == "too_many_pending_steers"


def test_a_queued_continuation_waits_for_the_successor() -> None:
    """Nothing is owed, so the successor starts by itself, and takes the steers."""
    wire = Steered()
    wire.feed(TextDelta("Hello."))
    wire.steer("one")
    wire.send(input="next", previous_response_id=wire.id)
    wire.end()
    (successor,) = wire.turns
    assert successor.request.input[0]["content"][0]["text"] == "one"
    wire.run()
    assert wire.turns[0].request.input[0]["content"][0]["text"] == "next"
