"""What becomes of a turn whose socket is lost, refused or used up: sections 2 and 3, end to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws._transport.websocket import WebSocketTransport
from pyresponses_ws.errors import (
    ConnectionLostError,
    DeliveryUnknownError,
    ProtocolError,
    ResponseInterruptedError,
    ServerError,
)
from tests.support.answers import created, delta, error
from tests.support.deadlines import Stopwatch
from tests.support.responses_peer import (
    PeerTurn,
    ResponsesPeer,
    close_with,
    cut_after,
    read_until_error,
    says,
    scripts,
    texts_of,
)
from tests.support.tls import TestAuthority

TURN: dict[str, Any] = {"model": "m", "input": "hello there"}


class DeadAtSend(WebSocketTransport):
    """A socket that is found dead before the first byte of a request."""

    def send(
        self, payload: bytes, *, progress_timeout: float, timeout: float | None = None
    ) -> None:
        raise ConnectionLostError("dead", code=1006, reason="dead")


def dead_at_first(count: int) -> Callable[[], WebSocketTransport]:
    """Make ``count`` transports that are dead at the send, then good ones."""
    kinds = iter([DeadAtSend] * count)
    run = Threads().run_with_deadline
    return lambda: next(kinds, WebSocketTransport)(run_with_deadline=run)


# --- section 2: at once, exactly once ---------------------------------------------------------


def test_a_cut_link_interrupts_the_stream_with_its_partial_output() -> None:
    """A loss after output raises ResponseInterruptedError; the output so far is in it."""
    script = scripts(cut_after("one ", "two"))
    with ResponsesPeer(script) as peer, peer.client() as client:
        events, caught = read_until_error(client.stream(**TURN))
        assert isinstance(caught, ResponseInterruptedError)
        assert caught.partial.text == texts_of(events) == "one two"
        assert (caught.response_id, caught.state) == ("resp_1", "observed")
        assert (caught.close_code, caught.attempts) == (1006, 1)
        assert client.create(**TURN).output_text == "hello there"


def test_a_cut_link_ends_its_turn_within_a_tenth_of_a_second() -> None:
    """The turn ends within 100 ms of the end; the best of three counts, on a busy machine."""
    with ResponsesPeer(cut_after("some")) as peer, peer.client() as client:
        assert min(_time_to_error(client) for _ in range(3)) < 0.1


def test_a_cut_link_ends_every_turn_of_the_connection_at_once() -> None:
    """A loss is told to each link's own turn, while others go on."""
    script = scripts(says(created("resp_1"), delta("a")), says(created("resp_2"), delta("b")))
    with ResponsesPeer(script) as peer, peer.client() as client:
        first, second = client.stream(**TURN), client.stream(**TURN)
        heads = [next(first).type, next(first).type, next(second).type, next(second).type]
        assert heads == ["response.created", "response.output_text.delta"] * 2
        peer.cut_all()
        for stream in (first, second):
            with pytest.raises(ResponseInterruptedError):
                next(stream)


def test_tls_that_ends_without_an_alert_is_a_loss_like_any_other() -> None:
    """The record layer's complaint does not hide the partial output, and the next turn works."""
    authority = TestAuthority()
    with (
        ResponsesPeer(scripts(cut_after("half")), tls=authority.server_context()) as peer,
        peer.client(ssl_context=authority.client_context()) as client,
    ):
        _, caught = read_until_error(client.stream(**TURN))
        assert isinstance(caught, ResponseInterruptedError)
        assert (caught.partial.text, caught.close_code) == ("half", 1006)
        assert client.create(**TURN).output_text == "hello there"
    authority.close()


def test_a_lost_stream_stays_ended() -> None:
    """After its error a stream is over; get_final_response raises the same error again."""
    with ResponsesPeer(scripts(cut_after("x"))) as peer, peer.client() as client:
        stream = client.stream(**TURN)
        with pytest.raises(ResponseInterruptedError) as caught:
            stream.until_done()
        assert list(stream) == []
        with pytest.raises(ResponseInterruptedError) as again:
            stream.get_final_response()
        assert again.value is caught.value
        assert stream.snapshot().output_text == "x"


# --- section 3: disconnects -------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 1013, 3000, 4999])
def test_create_is_replayed_once_after_a_close(code: int) -> None:
    """A blocking call has handed over nothing, so it is replayed, and its report says so."""
    script = scripts(close_with(code, "lost"))
    with ResponsesPeer(script) as peer, peer.client() as client:
        response = client.create(**TURN)
        report = response.report
        assert (response.output_text, report.attempts) == ("hello there", 2)
        assert (report.replayed, report.possible_duplicate_charge) == (True, True)
        assert peer.connections == 2


@pytest.mark.parametrize("end", [PeerTurn.cut, PeerTurn.reset])
@pytest.mark.parametrize("is_accepted", [False, True])
def test_create_is_replayed_once_after_a_cut(
    end: Callable[[PeerTurn], None], is_accepted: bool
) -> None:
    """An end without a close frame is replayed too, before and after ``created``."""

    def script(turn: PeerTurn) -> None:
        if is_accepted:
            turn.begin("gone")
        end(turn)

    with ResponsesPeer(scripts(script)) as peer, peer.client() as client:
        report = client.create(**TURN).report
        assert (report.attempts, report.replayed, report.possible_duplicate_charge) == (
            2,
            True,
            True,
        )


def test_a_stream_that_showed_nothing_is_replayed() -> None:
    """Only ``created`` was handed over, so the stream goes on with the second response."""
    script = scripts(cut_after())
    with ResponsesPeer(script) as peer, peer.client() as client:
        with client.stream(**TURN) as stream:
            types = [event.type for event in stream]
        assert types[:2] == ["response.created"] * 2
        assert (stream.response_id, stream.report.replayed) == ("resp_2", True)
        assert stream.get_final_response().output_text == "hello there"


def test_a_second_loss_is_not_replayed() -> None:
    """One ambiguous replay a turn; then DeliveryUnknownError."""
    with ResponsesPeer(lambda turn: turn.cut()) as peer, peer.client() as client:
        with pytest.raises(DeliveryUnknownError) as caught:
            client.create(**TURN)
        assert (caught.value.attempts, caught.value.report.replayed) == (2, True)
        assert peer.connections == 2


@pytest.mark.parametrize(
    "effects",
    [
        {"tools": [{"type": "mcp", "server_label": "x"}]},
        {"tools": [{"type": "never_heard_of"}]},
        {"conversation": "conv_1"},
        {"extra_body": {"prompt": {"id": "pmpt_1"}}},
        {"input": [{"type": "additional_tools", "tools": [{"type": "image_generation"}]}]},
    ],
    ids=["mcp", "unknown", "conversation", "prompt", "added-later"],
)
def test_a_turn_with_effects_is_not_replayed(effects: dict[str, Any]) -> None:
    """It may have run: DeliveryUnknownError with what had come, and the next turn works."""
    with ResponsesPeer(scripts(cut_after("so far"))) as peer, peer.client() as client:
        with pytest.raises(DeliveryUnknownError) as caught:
            client.create(**{**TURN, **effects})
        assert caught.value.partial.text == "so far"
        assert caught.value.report.replayed is False
        assert len(peer.requests) == 1
        assert client.create(**TURN).output_text == "hello there"


def test_function_tools_are_no_effects() -> None:
    """They run here, so a turn that offers them is replayed."""
    tools = [{"type": "function", "name": "f", "parameters": {}}]
    with ResponsesPeer(scripts(cut_after())) as peer, peer.client() as client:
        assert client.create(**TURN, tools=tools).report.replayed is True


def test_replay_never_raises_what_it_knows() -> None:
    """``replay="never"`` sends a lost turn once only."""
    script = scripts(cut_after(), says(error("server_is_overloaded", 503)))
    with ResponsesPeer(script) as peer, peer.client(replay="never") as client:
        with pytest.raises(DeliveryUnknownError):
            client.create(**TURN)
        with pytest.raises(ServerError):
            client.create(**TURN)
        assert len(peer.requests) == 2


# --- section 3: found dead before the first byte ------------------------------------------------


@pytest.mark.parametrize("replay", ["safe", "never"])
@pytest.mark.parametrize("code", [1000, 1001, 1011])
def test_a_closed_idle_link_is_replaced_unseen(code: int, replay: str) -> None:
    """The peer closed between two turns: the next one goes out on a new link, no replay."""
    with ResponsesPeer() as peer, peer.client(replay=replay) as client:
        client.create(**TURN)
        peer.close_link(1, code)
        peer.wait_for_ends(1)
        report = client.create(**TURN).report
        assert (report.link, report.reused_link, report.replayed) == (2, False, False)


@pytest.mark.parametrize("effects", [{}, {"conversation": "conv_1"}])
def test_a_link_found_dead_at_the_send_is_replaced(effects: dict[str, Any]) -> None:
    """No byte was out, so even a turn with effects may try two other links."""
    with (
        ResponsesPeer() as peer,
        peer.client(transport_factory=dead_at_first(2), replay="never") as client,
    ):
        report = client.create(**TURN, **effects).report
        assert (report.link, report.attempts, report.replayed) == (3, 1, False)
        assert len(peer.requests) == 1


def test_a_third_dead_link_is_an_error() -> None:
    """At most two new links a turn; nothing was sent, and the error says so by its state."""
    with ResponsesPeer() as peer, peer.client(transport_factory=dead_at_first(3)) as client:
        with pytest.raises(ConnectionLostError) as caught:
            client.create(**TURN)
        assert (caught.value.state, caught.value.attempts) == ("prepared", 0)
        assert client.create(**TURN).output_text == "hello there"


# --- section 14: a peer that breaks the protocol ----------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{no json", 1002),
        ("[1, 2]", 1002),
        ('{"type": 7}', 1002),
        ('{"a":' * 3000 + "1" + "}" * 3000, 1002),
        (b"\x00\x01", 1003),
    ],
    ids=["bad-json", "no-object", "no-type", "too-deep", "binary"],
)
def test_nonsense_ends_the_turn_and_the_link(frame: str | bytes, code: int) -> None:
    """A frame that is no event is a ProtocolError; the peer is told, and the link is left."""
    script = scripts(says(created(), delta("ok"), frame))
    with ResponsesPeer(script) as peer, peer.client() as client:
        with pytest.raises(ProtocolError) as caught:
            client.create(**TURN)
        assert caught.value.partial.text == "ok"
        assert len(caught.value.text) <= 201
        assert client.create(**TURN).report.link == 2
        peer.wait_until(lambda: bool(peer.closes), "our close frame")
        assert peer.closes[0][0] == code


def _time_to_error(client: ResponsesClient) -> float:
    """Seconds of a whole turn that is cut: more than those from the cut to the error."""
    with Stopwatch() as watch, pytest.raises(ResponseInterruptedError):
        client.stream(**TURN).until_done()
    return watch.seconds
