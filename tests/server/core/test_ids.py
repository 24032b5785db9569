"""Ids and padding."""

from __future__ import annotations

import random
import re

from pyresponses_ws.server.core.ids import Ids, Padding

NOW = 0x6AFFEFF1


def test_an_id_has_the_live_form() -> None:
    """16 hex of the conversation, 01, the time, 24 of its own."""
    made = Ids(random.Random(1)).new("msg", NOW)
    assert re.fullmatch(r"msg_[0-9a-f]{16}016affeff1[0-9a-f]{24}", made)


def test_ids_are_unique_and_share_the_parents_root() -> None:
    """A continuation keeps the first 16 digits of its parent."""
    ids = Ids(random.Random(1), parent_id="resp_0123456789abcdef01" + "0" * 32)
    made = {ids.new("fc", NOW) for _ in range(100)}
    assert len(made) == 100
    assert {name[3:19] for name in made} == {"0123456789abcdef"}


def test_a_foreign_parent_id_gives_a_new_root() -> None:
    """Ids that are not of the live form are nothing to inherit from."""
    for parent in ("resp_short", "nothing", "resp_" + "x" * 50):
        assert re.fullmatch(
            r"resp_[0-9a-f]{50}", Ids(random.Random(1), parent_id=parent).new("resp", NOW)
        )


def test_a_call_id_is_24_letters_and_digits() -> None:
    """``call_`` and 24 alphanumerics, as live."""
    assert re.fullmatch(r"call_[A-Za-z0-9]{24}", Ids(random.Random(1)).new_call())


def test_padding_varies_and_fills_to_sixteen() -> None:
    """Deltas of one length get different padding; an aligned one gets none."""
    padding = Padding(random.Random(1))
    cuts = [padding.next_for("abc") for _ in range(500)]
    assert {len(cut) for cut in cuts} == {13}
    assert len(set(cuts)) > 400
    assert padding.next_for("x" * 32) == ""
