"""What the steps of a reply may say, and how it is told what is wrong with them."""

from __future__ import annotations

import re

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.engines.script.file import parse_script
from tests.server.engines.script.playing import reply


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ("{}", "reply, step 1: expected one of text, reasoning,"),
        ("{text: a}, {txt: b}", "reply, step 2: expected one of text, reasoning,"),
        ("{text: a, hang: true}", "found text and hang"),
        ("{text: 5}", "step 1, text: expected text, not 5"),
        ("{text: a, times: 2}", "step 1: unknown key 'times'; allowed: text, chunk, every"),
        ("{text: a, chunk: 0}", "step 1, chunk: expected a whole number from 1 on, not 0"),
        ("{text: a, chunk: line}", "chunk: expected word or a number of characters, not 'line'"),
        ("{text: a, every: -1}", "step 1, every: expected seconds, from 0 to 1000000, not -1"),
        ("{delay: soon}", "step 1, delay: expected seconds, from 0 to 1000000, not 'soon'"),
        ("{delay: 1.0e+20}", "step 1, delay: expected seconds, from 0 to 1000000, not 1e+20"),
        ("{delay: true}", "step 1, delay: expected seconds, from 0 to 1000000, not True"),
        ("{call: {arguments: {}}}", "step 1, call: a call needs the 'name' of its tool"),
        ("{call: {name: a, arguments: [1]}}", "call, arguments: expected a mapping, not a list"),
        ("{call: {name: a, custom: true, arguments: {}}}", "arguments: expected text, not a map"),
        ("{item: {id: a}}", "step 1, item: an item needs its 'type'"),
        ("{usage: {tokens: 1}}", "step 1, usage: unknown key 'tokens'; allowed: input_tokens"),
        ("{cut: steered}", "step 1, cut: expected max_output_tokens or content_filter or"),
        ("{fail: {status: x}}", "step 1, fail, status: expected a whole number from 100 on"),
        ("{frame: text}", "step 1, frame: expected a mapping, not 'text'"),
        ("{hang: false}", "step 1, hang: expected true"),
        ("{repeat: 2}", "step 1, repeat: expected 'steps' beside it"),
        ("{repeat: 2, steps: [{a: b}]}", "step 1, steps, step 1: expected one of text,"),
        ("{close: 1000}, {text: a}", "reply, step 1: no step can follow 'close'"),
    ],
)
def test_a_bad_step_is_told_where(steps: str, error: str) -> None:
    """The step by its number, the key, and what is allowed there."""
    with pytest.raises(ConfigError, match=re.escape(error)):
        parse_script(reply(steps))
