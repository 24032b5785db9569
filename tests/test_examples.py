"""Every example runs offline, against the embedded server, exactly as a user would run it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "examples").glob("*.py"))
#: A piece of what each example prints, so that a silent one cannot pass.
EXPECTED = {
    "hello": "tokens)",
    "stream_text": "events over websocket",
    "connection_events": "open, last response resp_",
    "warm_up": "warm: resp_",
    "tools_by_hand": "18 degrees and sunny in Paris",
    "scripted_server": "and the line went dead (1006)",
    "steer_by_hand": " [steered]",
    "over_http": "gone: 404",
    "trace_turns": "chat gpt-6-astra: ",
    "survive_faults": " ... lost after 'You'. Once more:",
    "local_upstream": "You| said:| And? (over websocket)",
    "local_model": 'get_weather({"city": "Paris"})',
}
#: Those that run a model, and so need what the plain tests do without.
REAL = {"local_model"}
CASES = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.real] if path.stem in REAL else [])
    for path in EXAMPLES
]


@pytest.mark.usefixtures("_served_offline")
@pytest.mark.parametrize("example", CASES)
def test_example_runs(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends well, and prints what it is about."""
    runpy.run_path(str(example), run_name="__main__")
    assert EXPECTED[example.stem] in capsys.readouterr().out


def test_every_example_is_known() -> None:
    """A new example names what it prints; a lost one is missed."""
    assert {path.stem for path in EXAMPLES} == set(EXPECTED)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short(example: Path) -> None:
    """One idea fits on a page, and code comes right after it is said."""
    assert 15 <= len(example.read_text("utf-8").splitlines()) <= 35
