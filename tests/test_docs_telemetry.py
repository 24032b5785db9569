"""The page of reports, hooks and spans says what the code says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pyresponses_ws import Hooks, TurnReport, otel

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "telemetry.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """Return what stands below a heading."""
    return PAGE[PAGE.index(f"\n## {title}\n") :].split("\n## ")[1]


def names(text: str) -> list[str]:
    """Return the names in code of a text's tables."""
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    return re.findall(r"`([\w.]+)`", rows)


def test_every_field_of_a_report_answers_a_question() -> None:
    """And no other is named."""
    found = sorted(names(section("The report of a turn")))
    assert found == sorted([*(item.name for item in fields(TurnReport)), "bytes_saved"])


def test_every_hook_is_named() -> None:
    """With what it is told."""
    found = {name for name in names(section("Hooks")) if name.startswith("on_")}
    assert found == {item.name for item in fields(Hooks)}


def test_every_attribute_of_a_span_is_named() -> None:
    """Those of the conventions in full, ours behind their prefix."""
    spoken = TurnReport(model="m", response_model="m", host="h", port=1, status="failed")
    attributes = {**otel._span_attributes(spoken), **otel._own_attributes(spoken)}
    table = names(section("OpenTelemetry"))
    missing = [a for a in attributes if a.removeprefix("pyresponses_ws.") not in table]
    assert missing == []


@pytest.mark.usefixtures("_served_offline")
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_block_runs(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each block is a whole program."""
    exec(compile(block, "telemetry.md", "exec"), {"__name__": "page"})
    assert bool(capsys.readouterr().out) == ("print(" in block)
