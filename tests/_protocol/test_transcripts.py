"""Whole conversations, as servers hold them, through lanes and turns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyresponses_ws._protocol.lanes import Lanes
from pyresponses_ws._protocol.turn import Turn
from pyresponses_ws.codec import parse_event

TRANSCRIPTS = sorted((Path(__file__).parent.parent / "data" / "transcripts").glob("*.jsonl"))


def lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield who speaks, and the frame; transport events have an empty one."""
    for text in path.read_text("utf-8").splitlines()[1:]:
        line = json.loads(text)
        yield line["dir"], line.get("frame", {})


def play(path: Path, *, drops_output: bool) -> list[Turn]:
    """Return the turns of a conversation; what was lost with its link has no ending."""
    lanes: Lanes[Turn] = Lanes()
    turns: list[Turn] = []
    for speaker, frame in lines(path):
        if speaker == "transport":
            lanes.lose()
        elif speaker == "client" and frame["type"] == "response.create":
            turns.append(Turn())
            turns[-1].mark_sent()
            lanes.begin(frame.get("stream_id"), turns[-1])
        elif speaker == "server":
            event = parse_event(frame)
            if drops_output and frame["type"] != "response.created" and "response" in frame:
                event.response.output = []
            for turn in lanes.route(event):
                turn.receive_event(event)
    return turns


def responses(path: Path, *, drops_output: bool) -> list[dict[str, Any]]:
    endings = [turn.ending for turn in play(path, drops_output=drops_output)]
    return [e.response.to_dict() for e in endings if e is not None and e.response is not None]


def test_there_are_transcripts() -> None:
    """An empty folder would make the others pass."""
    assert len(TRANSCRIPTS) > 10


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_every_turn_of_a_transcript_has_its_ending(path: Path) -> None:
    """And an answer is the response of a terminal event."""
    told = [frame["response"] for who, frame in lines(path) if who == "server" and is_last(frame)]
    turns = play(path, drops_output=False)
    assert all(turn.ending is not None for turn in turns)
    assert all(response in told for response in responses(path, drops_output=False))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_output_of_a_transcript_can_be_rebuilt(path: Path) -> None:
    """When every terminal leaves it empty, as one backend does."""
    assert responses(path, drops_output=True) == responses(path, drops_output=False)


def is_last(frame: dict[str, Any]) -> bool:
    return "response" in frame and frame["response"].get("status") != "in_progress"
