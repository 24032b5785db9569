"""Turns and events of one lane of a connection."""

from __future__ import annotations

import pytest

from pyresponses_ws.config import Timeouts
from pyresponses_ws.errors import (
    ClosedError,
    ConnectionLimitError,
    ConnectionLostError,
    UsageError,
)
from tests._runtime.rig import Call, completed, created, refusal, rig, turn


def test_a_lane_reads_and_writes_its_own() -> None:
    """Its name travels with the create; others' events do not reach it."""
    with rig(None) as made, made.client.connect() as connection:
        lane = connection.lane("left")
        lane.send({"type": "response.create", "input": "a"})
        assert made.transport.next_command()["stream_id"] == "left"
        made.transport.feed({"type": "keepalive"}, created("resp_1", lane="left"))
        assert next(lane).type == "response.created"
        assert iter(lane) is lane


@pytest.mark.parametrize("name", ["", "a b", "x" * 257, "ü"])
def test_a_bad_lane_name_is_refused(name: str) -> None:
    """The server would answer invalid_stream_id."""
    with rig(None) as made, made.client.connect() as connection, pytest.raises(UsageError):
        connection.lane(name)


def test_warm_up_waits_for_its_response() -> None:
    """Beside what else runs; its id can be continued."""
    answer = [created("resp_w"), completed("resp_w", output=[])]
    with rig(lambda command: answer) as made, made.client.connect() as connection:
        response = connection.warm_up("m", instructions="Be brief.", metadata={"a": "b"})
        command = made.transport.next_command()
        assert (command["generate"], command["instructions"]) == (False, "Be brief.")
        assert response.id == connection.previous_response_id == "resp_w"
        assert response.report is not None
        assert response.report.input_mode == "warm"


def test_a_warm_up_needs_an_open_connection() -> None:
    """And is not replayed: the loss is the user's to see."""
    with rig(None) as made:
        connection = made.client.connect()
        call = Call(lambda: connection.warm_up("m"))
        made.transport.next_command()
        connection.close()
        with pytest.raises(Exception, match=r"cancelled|closed"):
            call.result()
        with pytest.raises(ClosedError):
            connection.warm_up("m")


def test_a_turn_behind_another_on_its_lane_waits_its_turn() -> None:
    """first_event counts from the head of the lane, and its end spares the neighbour."""
    timeouts = Timeouts(ping_interval=None)
    with rig(None, timeouts=timeouts) as made, made.client.connect() as connection:
        connection.send({"type": "response.create", "input": "long"})
        made.transport.feed(created())
        warming = Call(lambda: connection.warm_up("m"))
        made.transport.next_command()
        made.transport.next_command()
        for _ in range(200):
            made.clock.wait_for_waiters(within=0.5)
            made.clock.advance(0.5)
        made.transport.feed(completed(), *turn("", "resp_w"))
        assert warming.result().id == "resp_w"
        assert not made.transport.is_aborted


def test_a_loss_is_told_by_its_code_not_as_a_cancelled_turn() -> None:
    """The server closed; nobody here cancelled anything."""
    with rig(None) as made:
        connection = made.client.connect()
        call = Call(lambda: connection.warm_up("m"))
        made.transport.next_command()
        made.transport.end(1008, "policy")
        with pytest.raises(ConnectionLostError) as caught:
            call.result()
        assert (caught.value.close_code, caught.value.close_reason) == (1008, "policy")


def test_the_age_limit_reaches_whoever_warms_up() -> None:
    """A connection has no other link to go to at once."""
    answer = [refusal("websocket_connection_limit_reached", status=400)]
    with rig(lambda command: answer, None) as made:
        connection = made.client.connect()
        with pytest.raises(ConnectionLimitError):
            connection.warm_up("m")
        connection.close()


def test_the_latest_response_is_known_until_it_is_lost() -> None:
    """Of each lane, and of all."""
    with rig(None, None) as made, made.client.connect() as connection:
        lane = connection.lane("a")
        connection.send({"type": "response.create", "input": "a"})
        lane.send({"type": "response.create", "input": "b"})
        made.transport.feed(created(), completed(store=False))
        made.transport.feed(created("resp_2", lane="a"), completed("resp_2", lane="a"))
        assert [event.type for event in (next(connection), next(connection))][1].endswith("ed")
        made.transport.settle()
        assert (lane.previous_response_id, connection.previous_response_id) == ("resp_2", "resp_2")
        assert connection.lane("b").previous_response_id is None
        made.transport.end()
        with pytest.raises(ConnectionLostError):
            list(connection)
        assert connection.previous_response_id == "resp_2"
