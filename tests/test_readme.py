"""The README tells the truth: its commands are there and its code runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyresponses_ws import errors

README = (Path(__file__).resolve().parent.parent / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "command",
    ["pip install '.[server]' && pyresponses-ws demo", "pip install '.[test]' && pytest"],
)
def test_command_is_there_to_be_copied(command: str) -> None:
    """Each of the two commands is a block of its own, and what the checks run."""
    assert f"```console\n{command}\n```" in README


def test_there_are_blocks_to_run() -> None:
    """A changed fence must not leave the next test with nothing to do."""
    assert len(BLOCKS) >= 3
    assert "ResponsesClient()" in BLOCKS[0]


@pytest.mark.usefixtures("_served_offline")
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_block_runs(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each block is a whole program, run here against the embedded server."""
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    assert bool(capsys.readouterr().out) == ("print(" in block)


def test_first_answer_takes_ten_lines() -> None:
    """A newcomer reads no more than that before something streams."""
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 10


def test_error_tree_names_every_class() -> None:
    """No class is missing from the tree, and none is made up."""
    tree = README[README.index("## Errors") : README.index("## Not there yet")]
    named = set(re.findall(r"\b[A-Z]\w+Error\b", tree))
    builtin = {"ValueError", "RuntimeError"}
    public = {n for n in vars(errors) if n.endswith("Error") and not n.startswith("_")}
    assert named - builtin == public
