"""The face of the client: what a turn sends, what it returns, what is counted."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from pyresponses_ws import Hooks, ResponsesClient, ResponseStream
from pyresponses_ws.testing import LocalServer
from tests.support.responses_peer import (
    KEY,
    PeerTurn,
    ResponsesPeer,
    scripts,
    wait_for,
)

TURN: dict[str, Any] = {"model": "m", "input": "hello there"}


def test_create_returns_a_response() -> None:
    """Text, id and report."""
    with ResponsesPeer() as peer, peer.client() as client:
        response = client.create(**TURN)
        assert (response.output_text, response.id, response.status) == (
            "hello there",
            "resp_1",
            "completed",
        )
        assert peer.requests == [{"type": "response.create", **TURN}]


def test_a_turn_travels_as_it_was_written() -> None:
    """Unknown parameters pass, ``extra_body`` too, None is not given, ``stream`` is implied."""
    turn = {**TURN, "metadata": None, "brand_new": {"a": 1}, "extra_body": {"more": [2]}}
    with ResponsesPeer() as peer, peer.client() as client:
        client.create(**turn, stream=False)
        assert peer.requests == [
            {"type": "response.create", **TURN, "brand_new": {"a": 1}, "more": [2]}
        ]


class _Dumps:
    def model_dump(self, **options: Any) -> dict[str, Any]:
        return {"role": "user", "content": "dumped"}


@dataclass
class _ToDict:
    def to_dict(self) -> dict[str, Any]:
        return {"role": "user", "content": "converted"}


def test_input_takes_foreign_objects() -> None:
    """Objects with ``model_dump`` or ``to_dict``, and our own items."""
    with ResponsesPeer(lambda turn: turn.answer("ok")) as peer, peer.client() as client:
        first = client.create(model="m", input=[_Dumps(), _ToDict()])
        client.create(model="m", input=[*first.output, {"role": "user", "content": "x"}])
        contents = [item["content"] for item in peer.requests[0]["input"]]
        assert contents == ["dumped", "converted"]
        assert peer.requests[1]["input"][0] == first.output[0].to_dict()


def test_text_travels_as_utf_8() -> None:
    """No escapes: an emoji costs four bytes."""
    with ResponsesPeer() as peer, peer.client() as client:
        response = client.create(model="m", input="größer 🙂")
        wire = json.dumps(peer.requests[0], ensure_ascii=False, separators=(",", ":"))
        assert response.output_text == "größer 🙂"
        assert response.report.bytes_sent == len(wire.encode())


def test_the_official_names_are_there() -> None:
    """``client.responses.create`` and ``stream``; ``create(stream=True)`` is a stream."""
    with ResponsesPeer() as peer, peer.client() as client:
        assert client.responses.create(**TURN).output_text == "hello there"
        with client.responses.stream(**TURN) as stream:
            assert "".join(stream.text_deltas()) == "hello there"
        stream = client.responses.create(**TURN, stream=True)
        assert isinstance(stream, ResponseStream)
        assert stream.get_final_response().output_text == "hello there"
        assert all("stream" not in request for request in peer.requests)


def test_stream_sends_before_it_returns() -> None:
    """Nobody has read yet, and the request is there."""
    with ResponsesPeer() as peer, peer.client() as client:
        stream = client.stream(**TURN)
        peer.wait_for_requests(1)
        assert stream.response_id is None
        assert stream.until_done() is stream
        assert stream.response_id == "resp_1"


def test_snapshots_grow_with_the_stream() -> None:
    """What was read so far, as a Response."""
    with ResponsesPeer() as peer, peer.client() as client:
        stream = client.stream(**TURN)
        texts = [stream.snapshot().output_text for _ in stream]
        assert texts == ["", "hello", *["hello there"] * 3]
        assert peer.connections == 1


def test_the_report_tells_how_it_went() -> None:
    """Link, times, bytes and events of a turn; the same object on stream and response."""
    with ResponsesPeer() as peer, peer.client() as client:
        first, second = client.create(**TURN).report, client.create(**TURN).report
        assert (first.reused_link, second.reused_link) == (False, True)
        assert first.connect_ms is not None
        assert (second.connect_ms, second.link, second.transport) == (None, 1, "websocket")
        assert second.link_age > 0
        assert 0 < second.accepted_ms <= second.first_output_ms <= second.total_ms
        assert (second.events, second.attempts, second.input_mode) == (5, 1, "full")
        assert second.bytes_received > second.bytes_sent > 0
        assert json.loads(json.dumps(second.to_dict()))["bytes_saved"] == 0
        assert peer.connections == 1


def test_a_chain_saves_bytes() -> None:
    """The history behind ``previous_response_id`` counts as saved."""
    with ResponsesPeer() as peer, peer.client() as client:
        first = client.create(model="m", input="x" * 1000)
        report = client.create(**TURN, previous_response_id=first.id).report
        assert report.input_mode == "delta"
        assert report.bytes_saved > 2000
        unknown = client.create(**TURN, previous_response_id="resp_far").report
        assert unknown.full_replay_bytes is None
        assert peer.connections == 1


def test_a_chain_stays_on_the_link_that_holds_it() -> None:
    """Of two idle links the one that answered before is taken."""

    def both_run(turn: PeerTurn) -> None:
        peer.wait_for_requests(2)
        turn.answer()

    with ResponsesPeer(both_run) as peer, peer.client() as client:
        first, second = client.stream(**TURN), client.stream(**TURN)
        ids = [s.get_final_response().id for s in (second, first)]
        links = [client.create(**TURN, previous_response_id=i).report.link for i in ids]
        assert links == [2, 1]
        assert peer.connections == 2


def test_hooks_are_told() -> None:
    """Connect, turn end, retry and disconnect, in their order; a broken one is only logged."""
    told: list[str] = []

    def note(name: str) -> Any:
        return lambda report: told.append(name)

    hooks = Hooks(
        on_connect=note("connect"),
        on_turn_end=note("end"),
        on_retry=note("retry"),
        on_disconnect=note("disconnect"),
    )
    with ResponsesPeer(scripts(PeerTurn.cut)) as peer:
        with peer.client(hooks=hooks) as client:
            client.create(**TURN)
        wait_for(lambda: len(told) == 6, "the last hook")
    assert sorted(told) == ["connect", "connect", "disconnect", "disconnect", "end", "retry"]
    assert (told[0], told[-1]) == ("connect", "disconnect")


def test_a_broken_hook_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, without the key."""
    hooks = Hooks(on_turn_end=lambda report: 1 / 0, on_connect=lambda report: 1 / 0)
    with ResponsesPeer() as peer, peer.client(hooks=hooks) as client:
        assert client.create(**TURN).output_text == "hello there"
        assert caplog.text.count("a hook raised") == 2
        assert KEY not in caplog.text


def test_stats_count_turns_and_bytes() -> None:
    """Now and ever."""
    with ResponsesPeer(scripts(PeerTurn.cut)) as peer, peer.client() as client:
        client.create(**TURN)
        client.create(**TURN)
        stats = client.stats()
        assert (stats.links, stats.links_opened, stats.turns, stats.retries) == (1, 2, 2, 1)
        assert (stats.turns_running, stats.bytes_sent > 0, stats.bytes_received > 0) == (
            0,
            True,
            True,
        )
        assert peer.connections == 2


def test_nothing_shows_the_key() -> None:
    """Neither client, stream nor connection in their repr."""
    with ResponsesPeer() as peer, peer.client() as client, client.connect() as connection:
        with client.stream(**TURN) as stream:
            shown = f"{client!r} {stream!r} {stream.report!r} {connection!r} {client._config!r}"
        assert KEY not in shown
        assert "hello there" not in shown
        assert peer.connections == 2


def test_a_key_may_rotate() -> None:
    """A callable is asked at each connect."""
    keys = iter(["one", "two"])
    with ResponsesPeer(scripts(PeerTurn.cut)) as peer:
        with peer.client(api_key=lambda: next(keys)) as client:
            client.create(**TURN)
        sent = [headers["authorization"] for headers in peer.handshakes]
    assert sent == ["Bearer one", "Bearer two"]


def test_the_environment_fills_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``."""
    with ResponsesPeer() as peer:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", peer.base_url)
        with ResponsesClient() as client:
            assert client.create(**TURN).output_text == "hello there"
        assert peer.handshakes[0]["authorization"] == f"Bearer {KEY}"


def test_a_conversation_with_tools_over_the_embedded_server() -> None:
    """Call, output, answer: three turns on one link of the real server."""
    tool = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    with LocalServer() as server, ResponsesClient("k", base_url=server.base_url) as client:
        first = client.create(model="m", input="please look", tools=[tool])
        call = first.output[-1]
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "a lake"}
        second = client.create(
            model="m", input=[output], tools=[tool], previous_response_id=first.id
        )
        assert (call.type, call.name) == ("function_call", "look")
        assert "a lake" in second.output_text
        assert (second.report.link, second.report.reused_link) == (1, True)


def test_no_vocabulary_is_loaded_after_the_client() -> None:
    """An import that Ctrl-C cuts short would leave a lock that readers wait for."""
    script = (
        "import sys, pyresponses_ws.client; from pyresponses_ws import codec, events, items\n"
        "before = set(sys.modules)\n"
        "for kind in codec.EVENTS.tags: codec.parse_event({'type': kind})\n"
        "for kind in codec.ITEMS.tags: codec.decode_item({'type': kind})\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"
