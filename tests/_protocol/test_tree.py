"""JSON that grows, in whatever order its pieces come."""

from __future__ import annotations

from typing import Any

from pyresponses_ws._protocol.tree import Sparse, Text, freeze, get, merge, put


def test_a_text_joins_what_was_added_since_the_last_look() -> None:
    """Nothing is left to join after it; what is no string is dropped."""
    text = Text("a")
    text.tail += ["b", None, "c"]
    assert (text.settle(), text.tail) == ("abc", [])
    text.tail.append("d")
    assert text.settle() == "abcd"


def test_put_makes_what_is_missing_on_the_way() -> None:
    """Integers make lists, in the order of their places and without gaps."""
    tree: dict[str, Any] = {}
    put(tree, ("content", 7, "text"), "late")
    put(tree, ("content", 2, "text"), "early")
    assert freeze(tree) == {"content": [{"text": "early"}, {"text": "late"}]}


def test_put_keeps_what_a_list_holds() -> None:
    """A plain list on the way counts its places from 0."""
    tree: dict[str, Any] = {"content": [{"text": "a"}]}
    put(tree, ("content", 1, "text"), "b")
    put(tree, ("content", 0, "more"), 1)
    assert freeze(tree) == {"content": [{"text": "a", "more": 1}, {"text": "b"}]}


def test_put_replaces_what_is_of_the_wrong_kind() -> None:
    """A server that sends text where a list belongs gets no say."""
    tree: dict[str, Any] = {"content": "text", "action": Sparse({0: 1})}
    put(tree, ("content", 0), "a")
    put(tree, ("action", "name"), "b")
    assert freeze(tree) == {"content": ["a"], "action": {"name": "b"}}


def test_get_reads_lists_and_finds_nothing_in_scalars() -> None:
    """What is not there is None."""
    tree: dict[str, Any] = {"content": [{"text": "a"}], "id": "x"}
    assert get(tree, ("content", 0, "text")) == "a"
    assert get(tree, ("content", 1, "text")) is None
    assert get(tree, ("id", 0)) is None


def test_a_late_beginning_keeps_the_text_that_grew() -> None:
    """And wins over the scalars that were made up for want of it."""
    grown = {"id": "made up", "text": Text("grown"), "content": Sparse({0: {"text": Text("b")}})}
    base = {"id": "real", "text": "", "content": [{"text": "", "type": "t"}, {"type": "u"}]}
    assert freeze(merge(base, grown)) == {
        "id": "real",
        "text": "grown",
        "content": [{"text": "b", "type": "t"}, {"type": "u"}],
    }


def test_a_beginning_that_says_nothing_changes_nothing() -> None:
    """Neither None nor a value of another kind hides what grew."""
    assert merge(None, {"a": 1}) == {"a": 1}
    assert merge("text", Sparse({0: 1})) == {0: 1}


def test_a_frozen_tree_shares_nothing() -> None:
    """The caller may keep it."""
    inner: dict[str, Any] = {"list": [{"a": 1}]}
    frozen = freeze(inner)
    inner["list"][0]["a"] = 2
    assert frozen == {"list": [{"a": 1}]}
