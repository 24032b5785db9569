"""Halves of pairs that no tokenizer and no UTF-8 has."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.server.engines.transformers.surrogates import (
    has_surrogate,
    replace_surrogates,
)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", json.loads('"\\ude00\\ud83d"')])
def test_a_half_is_found_and_replaced(text: str) -> None:
    """By what decoders have for a character that is none."""
    assert has_surrogate(text)
    replaced = replace_surrogates(text)
    assert not has_surrogate(replaced)
    assert len(replaced) == len(text)
    assert "\N{REPLACEMENT CHARACTER}" in replaced


@given(st.text())
def test_any_other_text_stays(text: str) -> None:
    """What hypothesis calls text has no halves."""
    assert not has_surrogate(text)
    assert replace_surrogates(text) == text
