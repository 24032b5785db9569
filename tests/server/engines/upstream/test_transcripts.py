"""The transcripts of the protocol, as if an upstream had sent them over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.upstream_play import PlayedHTTP, check_events, flatten, play
from tests.support.upstream_streams import read_transcripts

TRANSCRIPTS = read_transcripts()


@pytest.mark.parametrize("at", range(len(TRANSCRIPTS)))
def test_a_transcript_comes_through(at: int) -> None:
    """Text, reasoning, calls side by side, hosted tools, approvals, compaction, and every end."""
    events: list[dict[str, Any]] = TRANSCRIPTS[at]
    data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    played = play(PlayedHTTP([data]))
    check_events(played.events)
    told = events[-1]["response"]
    assert played.final["status"] == told["status"]
    if told["status"] != "failed":
        assert [flatten(item) for item in played.output] == [flatten(i) for i in told["output"]]
        assert played.final["usage"]["total_tokens"] == told["usage"]["total_tokens"]


def test_there_are_transcripts_of_every_end() -> None:
    """Else the test above says less than it seems to."""
    ends = {events[-1]["response"]["status"] for events in TRANSCRIPTS}
    assert ends == {"completed", "incomplete", "failed"}
    assert len(TRANSCRIPTS) > 20
