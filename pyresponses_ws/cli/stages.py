"""The stages of a diagnosis as a table on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pyresponses_ws.diagnosis import Diagnosis

#: How each outcome stands out.
STYLES = {"ok": "green", "failed": "bold red", "not reached": "dim"}


def print_stages(found: Diagnosis) -> None:
    """Print a line for each stage, what is wrong, and what to do."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("stage", "outcome"):
        table.add_column(heading)
    table.add_column("ms", justify="right")
    table.add_column("", overflow="fold")
    for stage, outcome, ms, detail in found.steps():
        # As Text, in which no bracket of a peer is taken for markup.
        cells = (stage, Text(outcome, STYLES[outcome]), "" if ms is None else f"{ms:.1f}")
        table.add_row(*cells, Text(detail))
    console = Console()
    console.print(table)
    console.print(Text(found.verdict, "green" if found.ok else "bold"), soft_wrap=True)
    console.print(Text(found.advice), soft_wrap=True)
