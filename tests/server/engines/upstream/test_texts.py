"""The texts of an item, each once, in whichever forms they come."""

from __future__ import annotations

from pyresponses_ws.server.engines.upstream.texts import Texts

TEXT = "output_text"


def texts_of(*pieces: str, before: Texts | None = None) -> Texts:
    """Make texts of which these pieces came."""
    texts = Texts(before)
    for piece in pieces:
        texts.add(TEXT, 0, piece)
    return texts


def test_a_whole_text_adds_what_the_pieces_lack() -> None:
    """Nothing where they were complete; all of it where none came."""
    assert texts_of("Hel").rest(TEXT, "Hello", 0) == "lo"
    assert texts_of("Hel", "lo").rest(TEXT, "Hello", 0) == ""
    assert texts_of().rest(TEXT, "Hello", 0) == "Hello"


def test_what_was_told_stays_told() -> None:
    """A whole text that contradicts the pieces adds nothing."""
    assert texts_of("Hello").rest(TEXT, "Hullo", 0) == ""


def test_a_text_of_several_parts_goes_on_with_the_next() -> None:
    """The channel as a whole is what all parts say."""
    assert texts_of("one").rest(TEXT, "onetwo") == "two"
    assert texts_of("one").rest(TEXT, "two", 1) == "two"


def test_pieces_that_do_not_name_their_part_are_not_told_twice() -> None:
    """The part that is done may have come as more of the first one."""
    texts = Texts()
    texts.add(TEXT, None, "one")
    texts.add(TEXT, None, "two")
    assert texts.rest(TEXT, "two", 1) == ""


def test_a_text_that_is_told_again_under_the_same_id_counts_once() -> None:
    """transformers serve repeats the first message behind a call, and may go on with it."""
    first = texts_of("Let me see.")
    assert texts_of(before=first).rest(TEXT, "Let me see.", 0) == ""
    assert texts_of(before=first).rest(TEXT, "Let me see. Fine.", 0) == " Fine."
    assert texts_of(" Fi", before=first).rest(TEXT, "Let me see. Fine.", 0) == "ne."


def test_a_further_part_is_seen() -> None:
    """The first is none."""
    texts = Texts()
    assert [texts.add(TEXT, place, "a") for place in (0, 0, 1, None, 0)] == [0, 0, 1, 0, 0]
    assert [texts.of(TEXT, place) for place in (0, 1)] == ["aaa", "aa"]


def test_a_whole_text_agrees_if_it_goes_on_or_is_in_it() -> None:
    """Else it is another item's."""
    texts = texts_of("one", "two")
    assert texts.agrees(TEXT, "onetwo!", 0)
    assert texts.agrees(TEXT, "two", 0)
    assert not texts.agrees(TEXT, "three", 0)
