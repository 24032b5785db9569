"""Print docs/recovery.md from the table by which turns are recovered.

From the top of the checkout: ``PYTHONPATH=. python scripts/print_recovery.py > docs/recovery.md``
"""

from __future__ import annotations

from collections.abc import Iterator

from pyresponses_ws._protocol.breaker import (
    DEFINITE_STATUSES,
    FIRST_COOL_DOWN,
    JITTER,
    LONGEST_COOL_DOWN,
    SOFT_FAILURES,
    SOFT_WINDOW,
)
from pyresponses_ws._protocol.rebuild import REBUILD_RULES
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
from pyresponses_ws._runtime.breaker import PROVING_TIME

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
- **A timer** that stands for a lost link, `first_event` or `send`, ends the turn as such, with no
  replay behind it: the end was promised by then, and a replay would double the wait.
- **The pause** of an overloaded server is random, up to {RETRY_BASE:g} s and then twice that (never
  more than {RETRY_CAP:g} s), and not shorter than its `retry-after`; one above
  {MAX_RETRY_AFTER:g} s is not waited for.
- **What `connection.send` has sent** is never sent again: whoever holds a connection sees each loss
  as a ConnectionLostError, and the connection opens its next link by itself.

## When a turn goes over HTTP

With `transport="auto"` a turn that finds no WebSocket goes over HTTP at once, after one attempt:
when the name, the address, TLS or the proxy fails, when the handshake takes longer than
`Timeouts.connect`, when anything but 101 answers it, and by the rows above that say so. Not after
401, a 403 with the API's own error object, or 429: HTTP would hear the same. Never after you have
seen some of the answer, and never a warm-up, which would generate there. A turn that has gone over
to HTTP stays there; the rows hold for it too, with HTTP connections for links. If HTTP fails as
well, the WebSocket's error is its `__cause__`.

A breaker keeps later turns off a WebSocket that fails: one answer of
{{statuses}} opens it, or {SOFT_FAILURES} other failures within {SOFT_WINDOW:g} s.
It stays open for {FIRST_COOL_DOWN:g} s, then twice as long each time, up to
{LONGEST_COOL_DOWN / 60:g} minutes, up to {JITTER:.0%} less at random. At the end of each a link is
opened in the background; if it holds for {PROVING_TIME:g} s, turns use WebSocket again.

## When the server has forgotten the chain

With the row `chain_lost` the whole input goes out, without the id, if it can stand alone. The first
row that applies to an item decides. *(later: conversations, which remember the input, are not in
this version; until then the error is raised)*

| row | item | what happens |
|---|---|---|
{{rebuild}}"""

VERDICTS = {
    "keep": "It is sent.",
    "drop": "It is left out.",
    "missing": "ContinuationLostError names it, and nothing is sent.",
}


def main() -> None:
    print(HEAD)
    print("\n".join(map(_row, RULES)))
    statuses = ", ".join(map(str, sorted(DEFINITE_STATUSES)))
    print(
        FOOT.format(
            budget=", ".join(_budget()), statuses=statuses, rebuild="\n".join(_rebuild_rows())
        )
    )


def _row(rule: Rule) -> str:
    is_to_come = rule.action in TO_COME or rule.name in ROWS_TO_COME
    outcome = f"{rule.outcome} *(later)*" if is_to_come else rule.outcome
    is_same = rule.action is Action.RAISE or rule.is_always_safe
    return f"| `{rule.name}` | {rule.situation} | {outcome} | {'same' if is_same else 'raise'} |"


def _rebuild_rows() -> Iterator[str]:
    for rule in REBUILD_RULES:
        yield f"| `{rule.name}` | {rule.situation} | {VERDICTS[rule.verdict]} |"


def _budget() -> Iterator[str]:
    """Name what a turn may spend, without the remedies to come."""
    purses = {rule.purse: rule.name for rule in RULES if rule.purse and rule.action not in TO_COME}
    for purse, row in purses.items():
        yield f"{Budget().left(purse)} for `{row}`"


if __name__ == "__main__":
    main()
