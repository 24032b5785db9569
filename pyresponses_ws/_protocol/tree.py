"""JSON that grows: an output item while its pieces arrive, in whatever order they come."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

#: Where a piece belongs: keys of objects, and integers for the places of lists.
Path = tuple["str | int", ...]


class Text:
    """A string that is appended to, and joined only when somebody looks."""

    __slots__ = ("_head", "tail")

    def __init__(self, head: str = "") -> None:
        self._head = head
        #: What came since the last look.
        self.tail: list[Any] = []

    def settle(self) -> str:
        """Return the whole, leaving nothing to join the next time."""
        if self.tail:
            self._head += "".join(piece for piece in self.tail if isinstance(piece, str))
            self.tail.clear()
        return self._head


class Sparse(dict[int, Any]):
    """A list whose places are filled in any order; those that never come leave no gap."""


def put(tree: dict[str, Any], path: Path, value: Any) -> None:
    """Set ``value`` at ``path``, making what is missing on the way.

    A list on the way becomes Sparse. What is of another kind than the path asks for is replaced.
    """
    node: dict[Any, Any] = tree
    for step, following in pairwise(path):
        node[step] = _as_container(node.get(step), following)
        node = node[step]
    node[path[-1]] = value


def get(tree: dict[str, Any], path: Path) -> Any:
    """Return what is at ``path``, or None."""
    node: Any = tree
    for step in path:
        if isinstance(node, list):
            node = Sparse(enumerate(node))
        if not isinstance(node, dict):
            return None
        node = node.get(step)
    return node


def merge(base: Any, grown: Any) -> Any:
    """Lay what has grown over its late beginning.

    Objects and lists are merged. Elsewhere text that grew wins, and the beginning wins over what
    was made up for want of it.
    """
    if isinstance(grown, Sparse):
        places = enumerate(base) if isinstance(base, list) else ()
        return Sparse(_merge_items(dict(places), grown))
    if isinstance(grown, dict) and isinstance(base, dict):
        return _merge_items(base, grown)
    return grown if base is None or isinstance(grown, Text) else base


def _merge_items(base: Mapping[Any, Any], grown: Mapping[Any, Any]) -> dict[Any, Any]:
    return {**base, **{key: merge(base.get(key), value) for key, value in grown.items()}}


def freeze(node: Any) -> Any:
    """Return the plain JSON of now; it shares nothing that can change."""
    if isinstance(node, Text):
        return node.settle()
    if isinstance(node, Sparse):
        return [freeze(node[place]) for place in sorted(node)]
    if isinstance(node, dict):
        return {key: freeze(child) for key, child in node.items()}
    return [freeze(child) for child in node] if isinstance(node, list) else node


def _as_container(node: Any, following: str | int) -> dict[Any, Any]:
    if isinstance(following, int):
        if isinstance(node, list):
            return Sparse(enumerate(node))
        return node if isinstance(node, Sparse) else Sparse()
    return node if isinstance(node, dict) and not isinstance(node, Sparse) else {}
