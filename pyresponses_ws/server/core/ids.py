"""Ids as the live service makes them, and the padding of its deltas."""

from __future__ import annotations

import random
import string
from typing import Any

_ALPHANUMERIC = string.ascii_letters + string.digits

#: Observed live: a delta and its padding together fill a multiple of this.
_OBFUSCATION_BLOCK = 16

#: Prefixes of item ids by type, as live.
ID_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "web_search_call": "ws",
    "file_search_call": "fs",
    "code_interpreter_call": "ci",
    "mcp_list_tools": "mcpl",
    "mcp_approval_request": "mcpr",
    "mcp_call": "mcp",
    "shell_call": "sh",
    "shell_call_output": "sho",
    "apply_patch_call": "apc",
    "tool_search_call": "tsc",
    "tool_search_output": "tso",
    "compaction": "cmp",
    "program": "cm",
    "image_generation_call": "ig",
}


class Ids:
    """Makes the ids of one response.

    Observed live: a prefix and 50 hex digits, of which the first 16 are shared by every response
    and item of a conversation, then ``01``, 8 of the unix time, and 24 of their own.
    """

    def __init__(self, rng: random.Random, *, parent_id: str | None = None) -> None:
        self._rng = rng
        self._root = _root_of(parent_id) or f"{rng.getrandbits(64):016x}"

    def new(self, prefix: str, now: float) -> str:
        """Make an id such as ``msg_...``."""
        own = self._rng.getrandbits(96)
        return f"{prefix}_{self._root}01{int(now) & 0xFFFFFFFF:08x}{own:024x}"

    def new_for(self, item: dict[str, Any], now: float) -> str:
        """Make the id of an item, with the prefix of its type."""
        return self.new(ID_PREFIXES.get(item["type"], "item"), now)

    def new_call(self) -> str:
        """Make a ``call_id``: 24 letters and digits."""
        return "call_" + "".join(self._rng.choices(_ALPHANUMERIC, k=24))

    def new_steer(self) -> str:
        """Make the id of a submission of steering: 32 hex digits."""
        return f"steer_{self._rng.getrandbits(128):032x}"

    def new_secret(self) -> str:
        """Make a stand-in for ``encrypted_content``; nothing is encrypted in it."""
        return "gAAAAA" + "".join(self._rng.choices(_ALPHANUMERIC, k=42)) + "=="


def _root_of(response_id: str | None) -> str | None:
    root = (response_id or "").partition("_")[2][:16]
    return root if len(root) == 16 and set(root) <= set("0123456789abcdef") else None


class Padding:
    """Cuts the ``obfuscation`` of deltas from one random text.

    Obfuscation hides the length of a delta from who watches the wire; on loopback only its shape
    matters, so a cheap cut stands in for a fresh draw.
    """

    def __init__(self, rng: random.Random) -> None:
        self._text = "".join(rng.choices(_ALPHANUMERIC, k=997))
        self._at = 0

    def next_for(self, delta: str) -> str:
        """Return what fills ``delta`` up to a multiple of 16 characters; "" if it does."""
        length = -len(delta) % _OBFUSCATION_BLOCK
        self._at = (self._at + 37) % (len(self._text) - _OBFUSCATION_BLOCK)
        return self._text[self._at : self._at + length]
