"""Turn reports as one table on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pyresponses_ws.cli.tour import Row


def print_table(rows: list[Row], totals: Row) -> None:
    """Print a line for each turn and one of totals."""
    title = "Bytes sent, against sending the whole history each time"
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("turn", "transport", "link"):
        table.add_column(heading)
    for heading in ("sent", "replay", "first ms", "events", "tokens", "tools"):
        table.add_column(heading, justify="right")
    for number, row in enumerate(rows, 1):
        table.add_row(*_cells(number, row))
    table.add_section()
    table.add_row("all", "", "", *_sums(totals, ""))
    Console().print(table)
    Console().print(_summary(totals), highlight=False)


def _cells(number: int, row: Row) -> list[str]:
    link = "reused" if row["reused_link"] else "new"
    return [str(number), row["transport"], link, *_sums(row, _milliseconds(row["first_event_ms"]))]


def _sums(row: Row, first_event: str) -> list[str]:
    sizes = [f"{row[name]:,}" for name in ("bytes_sent", "full_replay_bytes")]
    counts = [f"{row[name]:,}" for name in ("events", "total_tokens", "tool_calls")]
    return [*sizes, first_event, *counts]


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _summary(totals: Row) -> str:
    sent, replay = totals["bytes_sent"], totals["full_replay_bytes"]
    return (
        f"{totals['turns']} turns, {totals['tool_calls']} tool runs: {sent:,} bytes sent, "
        f"{replay / max(sent, 1):.1f} times fewer than {replay:,} for full replays."
    )
