"""Print docs/recovery.md from the table by which turns are recovered.

From the top of the checkout: ``PYTHONPATH=. python scripts/print_recovery.py > docs/recovery.md``
"""

from __future__ import annotations

from collections.abc import Iterator

from pyresponses_ws._protocol.recovery import (
    MAX_RETRY_AFTER,
    REPLAY_WINDOW,
    RETRY_BASE,
    RETRY_CAP,
    RULES,
    Action,
    Budget,
    Rule,
)

#: What this version has not: remedies, whose rows raise what came, and a row that never applies.
TO_COME = {Action.REBUILD}
ROWS_TO_COME = {"steering"}

HEAD = """\
# What happens to a turn that gets no answer

A link can be lost, and a server can refuse. The first row that applies decides. A request is sent
again only where nobody can see it twice: it never left, the server said that it did nothing with
it, or running it twice changes nothing and you have seen nothing of the answer.

This page is printed by `scripts/print_recovery.py` from the table in
`pyresponses_ws/_protocol/recovery.py`, and a test keeps the two the same.

| row | situation | what happens | with `replay="never"` |
|---|---|---|---|"""

FOOT = f"""
*later*: planned, and not in this version. Without its remedy a row raises what came.

Each turn has one budget: {{budget}}.
When it is spent, or `timeout` would pass, the error is raised.

- **You have seen some of the answer** once a stream has handed you an event beyond `created`,
  `queued` and `in_progress`. `create()` hands over nothing before the end, so it can be replayed
  for longest.
- **Free of effects** is a request without `conversation`, `prompt` and `background`, and without a
  tool that acts outside by itself (`mcp`, `code_interpreter`, `computer`, a hosted shell,
  `image_generation`, anything unknown). Function tools run in your program, so they do not count.
- **Replayed** turns say so: `report.replayed`, `report.possible_duplicate_charge`. Not later than
  {REPLAY_WINDOW:g} seconds after the request.
- **The pause** of an overloaded server is random, up to {RETRY_BASE:g} s and then twice that (never
  more than {RETRY_CAP:g} s), and not shorter than its `retry-after`; one above
  {MAX_RETRY_AFTER:g} s is not waited for.
- **What `connection.send` has sent** is never sent again: whoever holds a connection sees each loss
  as a ConnectionLostError, and the connection opens its next link by itself."""


def main() -> None:
    print(HEAD)
    print("\n".join(map(_row, RULES)))
    print(FOOT.format(budget=", ".join(_budget())))


def _row(rule: Rule) -> str:
    is_to_come = rule.action in TO_COME or rule.name in ROWS_TO_COME
    outcome = f"{rule.outcome} *(later)*" if is_to_come else rule.outcome
    is_same = rule.action is Action.RAISE or rule.is_always_safe
    return f"| `{rule.name}` | {rule.situation} | {outcome} | {'same' if is_same else 'raise'} |"


def _budget() -> Iterator[str]:
    """Name what a turn may spend, without the remedies to come."""
    purses = {rule.purse: rule.name for rule in RULES if rule.purse and rule.action not in TO_COME}
    for purse, row in purses.items():
        yield f"{Budget().left(purse)} for `{row}`"


if __name__ == "__main__":
    main()
