"""The page about testing: its programs run, and its tables are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient, testing
from pyresponses_ws.testing.faults import ConnectionFault

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "testing.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
#: What each prints, by a word that it alone has.
PRINTED = {
    "delta_delay": "You  said:  Hello\n",
    "proxy.heal()": "You\nYou said: Hello again\n",
    "def tell": "",
    "def answer": "resp_1\n",
    "wait_an_hour": "total 3600 s\n",
}


def rows(title: str) -> list[list[str]]:
    """Return the cells of the rows of a section's table."""
    section = PAGE[PAGE.index(f"\n### {title}\n") :].split("\n##")[1]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def codes(cell: str) -> set[str]:
    """Return the words in code of a cell."""
    return set(re.findall(r"`(\w+)`", cell))


@pytest.mark.parametrize("word", PRINTED)
def test_a_program_of_the_page_prints_what_it_should(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each can be copied and run as it stands."""
    (block,) = (block for block in BLOCKS if word in block)
    exec(compile(block, "testing.md", "exec"), {"__name__": "page"})
    assert capsys.readouterr().out == PRINTED[word]


def test_every_program_of_the_page_is_run() -> None:
    """The one with the fixture is a test, which the next test runs."""
    assert len(BLOCKS) == len(PRINTED) + 1


def test_the_fixture_of_the_page_greets(responses_client: ResponsesClient) -> None:
    """The page's own test passes."""
    (block,) = (block for block in BLOCKS if "def test_greeting" in block)
    names: dict[str, Any] = {}
    exec(compile(block, "testing.md", "exec"), names)
    names["test_greeting"](responses_client)


def test_the_page_has_every_fault_with_its_options() -> None:
    """Each row is a class of the package, and its options are its fields."""
    common = {item.name for item in fields(ConnectionFault)}
    kinds = {name: getattr(testing, name) for name in testing.__all__}
    faults = {
        name: {item.name for item in fields(kind)} - common
        for name, kind in kinds.items()
        if kind is not testing.Fault and issubclass(kind, testing.Fault)
    }
    assert {next(iter(codes(row[0]))): codes(row[2]) for row in rows("What can go wrong")} == faults


def test_the_page_has_every_moment() -> None:
    """As they are written in a call."""
    words = {re.sub(r"\W.*", "", row[0].strip("`")) for row in rows("When")} - {"none"}
    assert words == {item.name for item in fields(ConnectionFault)}


def test_the_page_names_everything_public() -> None:
    """Whatever the module exports, but the base of the faults."""
    missing = [name for name in testing.__all__ if f"`{name}" not in PAGE and name != "Fault"]
    assert missing == []
