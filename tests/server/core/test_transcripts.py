"""The server in the place of the real service, in the example conversations.

A transcript's client frames go in, what its model said is fed as deltas, and what comes out must be
what the service sent, but for ids, times and padding.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pyresponses_ws.errors import ServerError
from pyresponses_ws.server.core.turn import Turn
from pyresponses_ws.server.engines.base import (
    CallDelta,
    Delta,
    ReasoningDelta,
    TextDelta,
    UsageDelta,
)
from tests.server.drivers import NOW, Frame, Wire, make_service

TRANSCRIPTS = Path(__file__).parents[2] / "data" / "transcripts"

#: Conversations that need no tool that the service itself runs.
PLAYED = (
    *("01_text_turn", "02_reasoning_turn", "03_function_call_continuation", "04_warmup"),
    *("05_previous_response_not_found", "06_connection_limit", "09_two_lanes_interleaved"),
    *("10_steer_accepted_successor", "11_steer_pending_tool", "15_fork_and_eviction"),
    *("19_compaction", "21_parallel_tool_calls"),
)

#: Values that every run makes anew.
FRESH = {
    *("id", "item_id", "call_id", "created_at", "completed_at", "obfuscation"),
    *("encrypted_content", "previous_response_id"),
}
#: Part of a Response only since after the captures were made.
NEWER = {"prompt_cache_options"}


class Player:
    """Plays one transcript against a session."""

    def __init__(self) -> None:
        self.service = make_service()
        self.wire = Wire(service=self.service)
        self.expected: list[Frame] = []
        self.got: list[Frame] = []
        # Ids of the transcript to ours.
        self._ids: dict[str, str] = {}
        self._created = 0

    def play(self, line: dict[str, Any]) -> None:
        """Take one line of the transcript."""
        frame = line.get("frame")
        if line["dir"] == "client":
            text = json.dumps(frame)
            for theirs, ours in self._ids.items():
                text = text.replace(theirs, ours)
            self.got += self.wire.send(text)
        elif line["dir"] == "server":
            self.expected.append(frame)
            self._drive(frame)
        elif line["event"] == "open":
            self.wire = Wire(service=self.service)
        elif line["event"] == "elapsed":
            self.wire.session.receive_age()
            self.got += self.wire.drain()

    def _drive(self, frame: Frame) -> None:
        """Have the engine do what led to this frame of the service."""
        kind = frame["type"]
        if kind == "response.created":
            created = [got for got in self.got if got["type"] == kind]
            self._ids[frame["response"]["id"]] = created[self._created]["response"]["id"]
            self._created += 1
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self._end(frame)
        elif (delta := _read_delta(frame)) is not None:
            self.wire.session.receive_deltas(self._turn(frame), [delta])
            self.got += self.wire.drain()
            if kind == "response.output_item.added":
                self._ids[frame["item"]["call_id"]] = self.got[-1]["item"]["call_id"]

    def _turn(self, frame: Frame) -> Turn:
        lane = frame.get("stream_id")
        return next(turn for turn in self.wire.turns if turn.lane == lane)

    def _end(self, frame: Frame) -> None:
        turn = self._turn(frame)
        self.wire.turns.remove(turn)
        if (usage := frame["response"]["usage"]) is not None:
            self.wire.session.receive_deltas(turn, [_read_usage(usage)])
        error = frame["response"]["error"]
        failure = None if error is None else ServerError(error["message"], code=error["code"])
        self.wire.session.receive_end(turn, failure, NOW)
        self.got += self.wire.drain()


def _read_delta(frame: Frame) -> Delta | None:
    kind, text = frame["type"], frame.get("delta", "")
    if kind == "response.output_text.delta":
        return TextDelta(text)
    if kind == "response.reasoning_summary_text.delta":
        return ReasoningDelta(text)
    if kind == "response.function_call_arguments.delta":
        return CallDelta(text)
    if kind == "response.output_item.added" and frame["item"]["type"] == "function_call":
        return CallDelta(name=frame["item"]["name"])
    return None


def _read_usage(usage: Frame) -> UsageDelta:
    return UsageDelta(
        usage["input_tokens"],
        usage["output_tokens"],
        **usage["input_tokens_details"],
        **usage["output_tokens_details"],
    )


def read(name: str) -> list[dict[str, Any]]:
    """Return the lines of a transcript behind its first."""
    lines = (TRANSCRIPTS / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines[1:]]


def settle(value: Any) -> Any:
    """Put a fixed value in the place of what every run makes anew; the order of keys counts."""
    if isinstance(value, dict):
        if value.get("type") in ("error", "invalid_request_error"):
            # Of the service's own errors the order varies, and whether a param is null or missing.
            value = dict(sorted((key, inner) for key, inner in value.items() if inner is not None))
        return [
            (key, None if key in FRESH else settle(inner))
            for key, inner in value.items()
            if key not in NEWER
        ]
    if isinstance(value, str):
        return re.sub(r"resp_[0-9a-f]{50}", "resp_...", value)
    return [settle(inner) for inner in value] if isinstance(value, list) else value


def by_lane(frames: list[Frame]) -> dict[str | None, list[Any]]:
    """Return the settled frames of each lane; between lanes there is no order."""
    lanes: dict[str | None, list[Any]] = {}
    for frame in frames:
        lanes.setdefault(frame.get("stream_id"), []).append(settle(frame))
    return lanes


@pytest.mark.parametrize("name", PLAYED)
def test_the_conversation_is_the_services_own(name: str) -> None:
    """Frame by frame and key by key."""
    player = Player()
    for line in read(name):
        player.play(line)
    assert by_lane(player.got) == by_lane(player.expected)
