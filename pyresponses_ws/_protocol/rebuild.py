"""Whether a chain that the server forgot can be sent again whole: a table, one row a kind of item.

The history must be self-contained, since the server looks up nothing of it: every output has its
call before it, nothing is named by id alone, and reasoning carries its own content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Item = Mapping[str, Any]

#: ``keep`` travels as it is, ``drop`` is left out without harm, ``missing`` makes it impossible.
Verdict = Literal["keep", "drop", "missing"]


@dataclass(frozen=True, kw_only=True)
class RebuildRule:
    """One row. ``situation`` says in words what ``applies`` says in code.

    ``applies`` is given the item and the keys of the calls before it.
    """

    name: str
    situation: str
    verdict: Verdict
    applies: Callable[[Item, frozenset[str]], bool]


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """The whole input, or what it lacks."""

    items: Sequence[Item]
    #: One line an item that is missing, by type and id; no content of it.
    missing: Sequence[str] = ()


def _kind(item: Item) -> str:
    return str(item.get("type") or "message")


def _is_reference(item: Item, calls: frozenset[str]) -> bool:
    return _kind(item) == "item_reference"


def _is_bare_reasoning(item: Item, calls: frozenset[str]) -> bool:
    return _kind(item) == "reasoning" and not item.get("encrypted_content")


def _is_orphan(item: Item, calls: frozenset[str]) -> bool:
    key = _answered_call(item)
    return key is not None and key not in calls


REBUILD_RULES: tuple[RebuildRule, ...] = (
    RebuildRule(
        name="item_reference",
        situation="An item is named by its id alone, and the server may no longer have it.",
        verdict="missing",
        applies=_is_reference,
    ),
    RebuildRule(
        name="orphan_output",
        situation="An output, or an answer to an approval request, without its call before it.",
        verdict="missing",
        applies=_is_orphan,
    ),
    RebuildRule(
        name="bare_reasoning",
        situation="Reasoning without encrypted content, which only its own connection could read.",
        verdict="drop",
        applies=_is_bare_reasoning,
    ),
    RebuildRule(
        name="self_contained",
        situation="Anything else.",
        verdict="keep",
        applies=lambda item, calls: True,
    ),
)


def rebuild(history: Sequence[Item]) -> Rebuilt:
    """Return the input that stands for ``history`` without ``previous_response_id``."""
    calls: set[str] = set()
    items: list[Item] = []
    missing: list[str] = []
    for item in history:
        rule = next(rule for rule in REBUILD_RULES if rule.applies(item, frozenset(calls)))
        if rule.verdict == "keep":
            items.append(item)
            calls.update(_offered_keys(item))
        elif rule.verdict == "missing":
            missing.append(f"{rule.name}: {_kind(item)} {_answered_call(item) or item.get('id')}")
    return Rebuilt(items=() if missing else items, missing=missing)


def _answered_call(item: Item) -> str | None:
    """Key of the call that this item answers; None when it answers none."""
    if _kind(item) == "mcp_approval_response":
        return str(item.get("approval_request_id"))
    return str(item.get("call_id")) if _kind(item).endswith("_output") else None


def _offered_keys(item: Item) -> set[str]:
    """Keys by which a later item may answer this one."""
    if _kind(item) == "mcp_approval_request":
        return {str(item.get("id"))}
    is_call = _answered_call(item) is None and item.get("call_id") is not None
    return {str(item["call_id"])} if is_call else set()
