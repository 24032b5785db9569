"""The page about HTTP says what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from pyresponses_ws import ResponsesClient
from pyresponses_ws.config import TransportChoice
from pyresponses_ws.report import TransportReason

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "http.md").read_text("utf-8")


def rows(head: str) -> list[str]:
    """Return what stands in code in the first cells of the table with this head."""
    table = PAGE[PAGE.index(head) :].split("\n\n")[0]
    return re.findall(r"^\| `\"?(\w+)\"?`", table.split("\n", 1)[1], re.MULTILINE)


def test_the_page_has_every_choice_and_every_reason() -> None:
    """And none that is not there."""
    assert sorted(rows("| `transport=`")) == sorted(get_args(TransportChoice))
    assert sorted(rows("| reason |")) == sorted(get_args(TransportReason))


@pytest.mark.usefixtures("_served_offline")
def test_the_program_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands there."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    exec(compile(block, "http.md", "exec"), {})
    assert capsys.readouterr().out.startswith("message\n[")


def test_the_page_names_every_call() -> None:
    """Whoever looks for one finds it."""
    with ResponsesClient("test") as client:
        names = [name for name in dir(client.responses) if not name.startswith("_")]
    assert [name for name in names if f"`{name}" not in PAGE and f".{name}(" not in PAGE] == []
