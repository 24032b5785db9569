"""The table of turn reports."""

from __future__ import annotations

import pytest

from pyresponses_ws.cli.table import print_table
from pyresponses_ws.cli.tour import Row


def _row(*, reused: bool, sent: int, first_event: float | None = 1.25) -> Row:
    return {
        "transport": "websocket",
        "reused_link": reused,
        "bytes_sent": sent,
        "full_replay_bytes": 2000,
        "first_event_ms": first_event,
        "events": 12,
        "total_tokens": 34,
        "tool_calls": 1,
    }


def _printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    totals = _row(reused=False, sent=1000) | {"turns": 2, "full_replay_bytes": 4000}
    print_table([_row(reused=False, sent=600), _row(reused=True, sent=400)], totals)
    return capsys.readouterr().out.splitlines()


def test_each_turn_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Transport, link, bytes against a replay, time, events, tokens and tools are on it."""
    (line,) = [line for line in _printed(capsys) if "reused" in line]
    words = line.replace("│", " ").split()
    assert words == ["2", "websocket", "reused", "400", "2,000", "1.2", "12", "34", "1"]


def test_it_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Eighty columns are enough."""
    assert max(len(line) for line in _printed(capsys)) <= 80


def test_the_comparison_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """The point of it all is not left to arithmetic."""
    said = " ".join(_printed(capsys)[-2:])
    assert "1,000 bytes sent, 4.0 times fewer than 4,000" in said


def test_a_turn_without_events_has_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    """Absent is not zero."""
    row = _row(reused=True, sent=1, first_event=None)
    print_table([row], row | {"turns": 1})
    assert " - " in capsys.readouterr().out
