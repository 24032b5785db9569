"""What a script file may say, and how it is told what is wrong with it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.engines.script.file import parse_script, read_script
from pyresponses_ws.server.engines.script.reply import STEPS
from pyresponses_ws.server.engines.script.rules import Conditions

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "script.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_each_script_of_the_page_is_one(block: str) -> None:
    """What docs/script.md shows can be copied."""
    assert parse_script(block).rules


def test_the_page_names_every_key() -> None:
    """No step and no condition is without its row and its example."""
    for key in [*STEPS, "chunk", "every", *vars(Conditions())]:
        assert f"`{key}" in PAGE, key
        assert any(f"{key}:" in block for block in BLOCKS), key


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "s.yaml: the script is empty; it needs 'rules'"),
        ("# nothing", "s.yaml: the script is empty; it needs 'rules'"),
        ("[]", "s.yaml: expected a mapping, not an empty list"),
        ("models: [a]", "s.yaml: the script needs 'rules'"),
        ("rules: []", "s.yaml, rules: expected a list that is not empty, not an empty list"),
        ("rule: []", "s.yaml: unknown key 'rule'; allowed: rules, models, otherwise"),
        ("rules: [{reply: echo}]\nmodels: [1]", "s.yaml, models, entry 1: expected text, not 1"),
        ("rules: [{reply: echo}]\notherwise: no", "expected echo or error, not False"),
        ("rules: [{reply: echo}, 5]", "s.yaml, rule 2: expected a mapping, not 5"),
    ],
)
def test_a_bad_file_is_told_where(text: str, error: str) -> None:
    """The file, the key, and what is allowed there."""
    with pytest.raises(ConfigError, match=re.escape(error)):
        parse_script(text, name="s.yaml")


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ("{}", "rule 1: a rule has either a 'reply', or an 'error' or 'close' in its place"),
        ("{reply: echo, close: 1000}", "rule 1: a rule has either a 'reply', or"),
        ("{close: 1000, drop: error}", "rule 1, drop: there is no reply whose events"),
        ("{reply: echo, on: 1}", "the key True is a bool to YAML; put it in quotes"),
        ("{reply: echo, drop: [x.y]}", "rule 1, drop: 'x.y' is no type of event"),
        ("{reply: hello}", "rule 1, reply: expected a list of steps, or 'echo'"),
        ("{error: 5}", "rule 1, error: expected a mapping, not 5"),
        ("{error: {}}", "rule 1, error: the frame is empty; it needs an 'error'"),
        ("{error: {at: 2024-01-01}}", "error, at: 2024-01-01 is a date to YAML; put it in quotes"),
        ("{error: {n: .inf}}", "rule 1, error, n: JSON has no inf"),
        ("{close: 1005}", "rule 1, close: 1005 cannot be sent; allowed: 1000-1003,"),
        ("{close: {reason: x}}", "rule 1, close: a close needs its 'code'"),
        (f"{{close: {{code: 1000, reason: {'x' * 124}}}}}", "reason: over 123 bytes"),
        ("{reply: echo, when: {usr: a}}", "rule 1, when: unknown key 'usr'; allowed: user, tools"),
        ("{reply: echo, when: {user: '('}}", "rule 1, when, user: '(' is no regular expression"),
        ("{reply: echo, when: {user: yes}}", "rule 1, when, user: expected text, not True"),
        ("{reply: echo, when: {turn: x}}", "when, turn: expected a turn such as 2, 2-4 or 2-, not"),
        ("{reply: echo, when: {turn: 4-2}}", "turn: the turns 4-2 end before they begin"),
        (
            "{reply: echo, when: {times: 0}}",
            "when, times: expected a whole number from 1 on, not 0",
        ),
        ("{reply: echo, when: {outputs: 1}}", "when, outputs: expected true or false, not 1"),
        ("{reply: echo, when: {tools: [1]}}", "when, tools, entry 1: expected text, not 1"),
        ("{reply: &a [{repeat: 2, steps: *a}]}", "more than 64 levels deep, or an alias of itself"),
    ],
)
def test_a_bad_rule_is_told_where(rule: str, error: str) -> None:
    """The rule by its number, the key, and what is allowed there."""
    with pytest.raises(ConfigError, match=re.escape(error)):
        parse_script(f"rules: [{rule}]")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("rules:\n  - a: [\n", "s.yaml, line 3: "),
        ("rules: {a: 1\n\nb: 2}", "s.yaml, line 3: "),
        ("a: !!python/object:os.system x", "s.yaml, line 1: could not determine a constructor"),
        ("rules:\n- reply: echo\n  when: {}\n  reply: echo", "s.yaml, line 4: the key 'reply' is"),
        ("rules: []\n'rules': []", "s.yaml, line 2: the key 'rules' is there twice"),
        (b"\xff\xfe\xff", "s.yaml: unacceptable character"),
        ("a: !!timestamp x", "s.yaml: a value is not what YAML takes it for"),
        ("a: 2024-13-45", "s.yaml: a value is not what YAML takes it for"),
        ("[" * 3000, "s.yaml: a value is not what YAML takes it for"),
    ],
)
def test_what_is_not_yaml_is_told_by_its_line(text: str | bytes, error: str) -> None:
    """Nothing but data is read, and no error of the parser comes through as it is."""
    with pytest.raises(ConfigError, match=re.escape(error)):
        parse_script(text, name="s.yaml")


def test_what_an_alias_brings_may_be_said_anew() -> None:
    """A key beside ``<<`` comes before the one that is merged in; that is not twice."""
    error = "error: {<<: &a {status: 400, code: a}, code: b}"
    (first, second) = parse_script(f"rules: [{{{error}}}, {{error: {{<<: *a, status: 1}}}}]").rules
    assert first.error == {"type": "error", "status": 400, "code": "b"}
    assert second.error == {"type": "error", "status": 1, "code": "a"}


@given(
    st.one_of(st.binary(max_size=60), st.text(alphabet="{}[]:-&*!|>'\"#, \nab1?%@", max_size=60))
)
def test_no_text_breaks_the_reader(text: str | bytes) -> None:
    """It is a script or a ConfigError."""
    with contextlib.suppress(ConfigError):
        assert parse_script(text).rules


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With what the system says about it."""
    with pytest.raises(ConfigError, match=r"cannot read the script .*none\.yaml: .*No such file"):
        read_script(tmp_path / "none.yaml")


def test_a_file_is_read_in_utf_8(tmp_path: Path) -> None:
    """Whatever the locale says."""
    path = tmp_path / "s.yaml"
    path.write_bytes("rules: [{reply: [{text: Grüße}]}]\nmodels: grüße".encode())
    assert read_script(path).models == ["grüße"]
