"""Which rule is for a turn, and what the engine makes of it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.engines import make_engine
from pyresponses_ws.server.engines.base import CancelToken, CloseDelta, Direction, Director
from pyresponses_ws.server.engines.script.engine import ScriptEngine
from tests.server.drivers import user
from tests.server.engines.script.playing import ask, direct, make_script_engine, perform, text_of

RANKED = """
rules:
  - when: {user: b, times: 2}
    reply: [{text: first}]
  - when: {user: b}
    reply: [{text: second}]
  - when: {user: a}
    error: {status: 429, error: {message: no}}
"""


def test_the_first_rule_that_applies_decides() -> None:
    """Until it has applied as often as it may."""
    engine = make_script_engine(RANKED)
    said = [text_of(perform(engine, "b")) for _ in range(3)]
    assert said == ["first", "first", "second"]


def test_echo_answers_where_no_rule_applies() -> None:
    """That is no departure from the protocol."""
    assert direct(RANKED, "x") == Direction()
    assert text_of(perform(RANKED, "x")) == "You said: x"


def test_echo_answers_where_a_rule_says_so() -> None:
    """With the departures of the rule."""
    script = "rules: [{reply: echo, drop: response.completed, duplicate: [error, keepalive]}]"
    assert direct(script, "x") == Direction(
        drop=frozenset({"response.completed"}), duplicate=frozenset({"error", "keepalive"})
    )
    assert text_of(perform(script, "x")) == "You said: x"


def test_a_strict_script_refuses_what_no_rule_is_for() -> None:
    """The 400 names the turn and what the user said, in short; a warm-up is let through."""
    script = f"{RANKED}otherwise: error"
    refusal = direct(script, "c" * 500, settings={"stream_id": "l"}).refusal
    assert refusal is not None
    assert (refusal["type"], refusal["status"], refusal["stream_id"]) == ("error", 400, "l")
    message = refusal["error"]["message"]
    assert message == f"No rule of the script is for turn 1, where the user said '{'c' * 100}…'."
    assert direct(script, "x", generate=False) == Direction()


@pytest.mark.parametrize(
    ("frame", "sent"),
    [
        ("{status: 400}", {"type": "error", "status": 400, "stream_id": "l"}),
        ("{type: response.error}", {"type": "response.error", "stream_id": "l"}),
        ("{code: c, stream_id: null}", {"type": "error", "code": "c"}),
        ("{stream_id: k}", {"type": "error", "stream_id": "k"}),
    ],
)
def test_an_error_of_any_shape_takes_the_place_of_a_turn(
    frame: str, sent: dict[str, object]
) -> None:
    """It is for the turn's lane unless it says otherwise; a close may follow it."""
    script = f"rules: [{{error: {frame}, close: {{code: 1008, reason: x}}}}]"
    direction = direct(script, "x", settings={"stream_id": "l"})
    assert direction == Direction(refusal=sent, close=CloseDelta(1008, "x"))


def test_refusals_do_not_share_their_frames() -> None:
    """Whoever changes one does not change the script."""
    engine = make_script_engine("rules: [{error: {status: 400}}]")
    first = direct(engine, "x").refusal
    assert first is not None
    first["status"] = 500
    assert direct(engine, "x").refusal == {"type": "error", "status": 400}


def test_rules_are_counted_exactly_from_many_threads() -> None:
    """A rule for 50 turns is for 50 of 200."""
    engine = make_script_engine("rules: [{when: {times: 50}, close: 1000}]")
    with ThreadPoolExecutor(8) as pool:
        directions = list(pool.map(lambda _: direct(engine, "x"), range(200)))
    assert Counter(direction.close for direction in directions)[CloseDelta(1000)] == 50


def test_a_turn_that_nobody_directed_is_echoed() -> None:
    """An engine works without the server, too."""
    engine = make_script_engine(RANKED)
    assert text_of(list(engine.run(ask("b"), CancelToken()))) == "You said: b"


def test_the_engine_is_a_director() -> None:
    """That is how the server knows to ask it."""
    assert isinstance(make_script_engine(RANKED), Director)


def test_an_engine_is_made_from_the_name_of_a_file(tmp_path: Path) -> None:
    """Everything after the colon is its path; it is read once."""
    path = tmp_path / "a:b.yaml"
    path.write_text("rules: [{reply: [{text: hi}]}]\nmodels: [x, y]")
    engine = make_engine(f"script:{path}")
    path.unlink()
    assert isinstance(engine, ScriptEngine)
    assert list(engine.models()) == ["x", "y"]
    assert list(make_script_engine(RANKED).models()) == ["script"]


def test_a_script_needs_its_file(tmp_path: Path) -> None:
    """A name without one, or one that cannot be read, is an error of configuration."""
    with pytest.raises(ConfigError, match="the engine 'script' needs its FILE"):
        make_engine("script:")
    with pytest.raises(ConfigError, match="cannot read the script"):
        make_engine(f"script:{tmp_path}")


def test_the_pages_conversation_works() -> None:
    """A call from the user's words, an answer to its output, a later turn, a warm-up."""
    page = Path(__file__).resolve().parents[4] / "docs" / "script.md"
    block = next(b for b in page.read_text("utf-8").split("```") if "warm_up" in b and "$city" in b)
    engine = make_script_engine(block.removeprefix("yaml\n"))
    tool = {"type": "function", "name": "get_weather"}
    output = {"type": "function_call_output", "call_id": "c", "output": "14"}
    said = [
        text_of(perform(engine, "Weather in Rome?", tools=[tool])),
        text_of(perform(engine, items=[user("Weather in Rome?"), output])),
        text_of(perform(engine, "a", "b", model="gpt-5.1")),
        text_of(perform(engine, "a", "b", model="gpt-5.1")),
    ]
    assert said == [
        '{"city":"Rome"}',
        "Take a coat.",
        "The second time, $5.",
        "You said: b",
    ]
    assert direct(engine, generate=False).refusal is not None


@pytest.mark.parametrize("code", range(999, 1017))
def test_a_code_of_a_close_can_be_sent_or_is_refused(code: int) -> None:
    """What RFC 6455 keeps for other uses is, but for 1006."""
    script = f"rules: [{{close: {code}}}]"
    if code in (999, 1004, 1005, 1015, 1016):
        with pytest.raises(ConfigError):
            make_script_engine(script)
    else:
        assert direct(script, "x").close == CloseDelta(code)
