"""The demo's conversation, held with a client that is a script."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pyresponses_ws.cli.folder import Folder
from pyresponses_ws.cli.tour import STEP_LIMIT, Screen, Tour, pick_file, pick_word
from pyresponses_ws.report import TurnReport


def _call(name: str, arguments: str) -> SimpleNamespace:
    return SimpleNamespace(type="function_call", call_id="c1", name=name, arguments=arguments)


class ScriptedStream:
    """One answer: its text in two pieces, its calls, and a report."""

    def __init__(self, number: int, text: str, calls: list[Any]) -> None:
        self._text = text
        self._response = SimpleNamespace(
            id=f"resp_{number}",
            output=calls,
            output_text=text,
            usage=None,
        )
        self.report = TurnReport(events=number)

    def __enter__(self) -> ScriptedStream:
        return self

    def __exit__(self, *exc_info: object) -> None:
        return None

    def text_deltas(self) -> Iterator[str]:
        yield from (self._text[:2], self._text[2:])

    def get_final_response(self) -> Any:
        return self._response


class ScriptedClient:
    """Answers each turn with the next line of a script; the last line is repeated."""

    def __init__(self, *lines: str | SimpleNamespace) -> None:
        self._lines = list(lines)
        self.requests: list[dict[str, Any]] = []

    def stream(self, **request: Any) -> ScriptedStream:
        self.requests.append(request)
        line = self._lines.pop(0) if len(self._lines) > 1 else self._lines[0]
        number = len(self.requests)
        if isinstance(line, str):
            return ScriptedStream(number, line, [])
        return ScriptedStream(number, "", [line])


def _tour(client: ScriptedClient, folder: Path) -> tuple[Tour, io.StringIO]:
    answers = io.StringIO()
    screen = Screen(answers=answers, notes=io.StringIO())
    return Tour(cast(Any, client), Folder(folder), screen), answers


def test_a_call_is_run_and_its_output_sent(tmp_path: Path) -> None:
    """Only the output travels; the past is named by its id."""
    (tmp_path / "a.txt").touch()
    client = ScriptedClient(_call("list_files", '{"path": "."}'), "done")
    tour, _ = _tour(client, tmp_path)
    assert tour.say("Which files?") == "a.txt"
    first, second = client.requests
    assert first["previous_response_id"] is None
    assert second["previous_response_id"] == "resp_1"
    assert second["input"] == [{"type": "function_call_output", "call_id": "c1", "output": "a.txt"}]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("read_file", '{"path": "../../etc/passwd"}'),
        ("read_file", "not JSON"),
        ("read_file", '{"file": "x"}'),
        ("read_file", '{"path": 7}'),
        ("erase_disk", "{}"),
    ],
)
def test_a_call_that_fails_is_told_to_the_model(tmp_path: Path, name: str, arguments: str) -> None:
    """A bad path, bad JSON, bad arguments or an unknown tool end no conversation."""
    client = ScriptedClient(_call(name, arguments), "done")
    tour, _ = _tour(client, tmp_path)
    assert tour.say("Go").startswith("error: ")


def test_a_model_that_never_stops_calling_is_left(tmp_path: Path) -> None:
    """The loop has an end of its own."""
    client = ScriptedClient(_call("list_files", '{"path": "."}'))
    tour, _ = _tour(client, tmp_path)
    tour.say("Go")
    assert len(client.requests) == STEP_LIMIT + 1


def test_answers_are_shown_as_they_stream(tmp_path: Path) -> None:
    """Text goes to the answers, one line an answer, and nothing else does."""
    tour, answers = _tour(ScriptedClient("Hello"), tmp_path)
    tour.say("Hi")
    assert answers.getvalue() == "Hello\n"


def test_a_quiet_screen_shows_no_answer() -> None:
    """With --json stdout belongs to the JSON."""
    notes = io.StringIO()
    screen = Screen(answers=None, notes=notes)
    screen.show("text")
    screen.note("line")
    assert notes.getvalue() == "line\n"


def test_the_walk_reports_every_response(tmp_path: Path) -> None:
    """Five sentences of the user, and a row of plain JSON for each response."""
    tour, _ = _tour(ScriptedClient("fine"), tmp_path)
    rows = tour.walk()
    assert [row["events"] for row in rows] == [1, 2, 3, 4, 5]
    assert json.loads(json.dumps(rows)) == rows
    assert {"tool_calls", "total_tokens", "bytes_sent", "bytes_saved"} <= set(rows[0])


@pytest.mark.parametrize(
    ("listing", "name"),
    [
        ("a.txt\nREADME.md\nsrc/", "README.md"),
        ("docs/\nb.txt\nc.txt", "b.txt"),
        ("search.txt\nread file.md\nz", "z"),
        ('quo"ted', "README.md"),
        ("(empty)", "README.md"),
    ],
)
def test_the_file_to_read(listing: str, name: str) -> None:
    """A README first, never a folder, never a name that would pick another tool."""
    assert pick_file(listing) == name


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("# The answer is", "answer"),
        ("search files", "import"),
        ("", "import"),
        ("été 12345", "import"),
    ],
)
def test_the_word_to_search(text: str, word: str) -> None:
    """The first of five letters, never one that would pick another tool."""
    assert pick_word(text) == word
