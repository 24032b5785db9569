"""Half of a surrogate pair: JSON can name one, but no tokenizer knows it, and no UTF-8 has it."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def has_surrogate(text: str) -> bool:
    """Say whether a text holds any."""
    return not text.isascii() and _SURROGATE.search(text) is not None


def replace_surrogates(text: str) -> str:
    """Return a text with the character for "no character" in the place of each."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text) if has_surrogate(text) else text
