"""The words of a diagnosis are whole, and the page lists them."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from pyresponses_ws.config import ClientConfig
from pyresponses_ws.diagnosis import problems, verdict
from pyresponses_ws.diagnosis.probe import Findings
from pyresponses_ws.diagnosis.remedies import OK, REMEDIES, Remedy
from pyresponses_ws.diagnosis.trace import Trace

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "doctor.md").read_text("utf-8")


def test_every_problem_that_is_named_has_words() -> None:
    """And none has words that nothing names."""
    sources = "".join(
        Path(module.__file__ or "").read_text("utf-8") for module in (problems, verdict)
    )
    named = set(re.findall(r'"([a-z]+(?:_[a-z]+)*)"', sources)) & set(REMEDIES)
    assert named == set(REMEDIES)


@pytest.mark.parametrize("remedy", [OK, *REMEDIES.values()], ids=["ok", *REMEDIES])
def test_every_field_of_the_words_is_filled(remedy: Remedy) -> None:
    """Each is a sentence, and nothing in braces is left for the reader."""
    config = ClientConfig(api_key="k")
    found = verdict.conclude(Findings(), Trace(lambda: 0.0), config, is_anonymous=False)
    assert found.verdict.endswith(".")
    words = verdict._words(Findings(), config, {**vars(found)}, str)
    for text in remedy:
        fields = {name for _, name, _, _ in string.Formatter().parse(text) if name}
        assert fields <= set(words)
        assert text.endswith((".", "{fallback}"))


def test_the_page_lists_every_problem() -> None:
    """By its name, as ``Diagnosis.problem`` has it."""
    section = PAGE[PAGE.index("\n## What it can find\n") :].split("\n## ")[1]
    assert sorted(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == sorted(REMEDIES)


def test_the_page_names_every_option() -> None:
    """Of the command."""
    import argparse

    from pyresponses_ws.cli.doctor import add_options

    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser)
    flags = {flag for action in parser._actions for flag in action.option_strings}
    assert flags == set(re.findall(r"`(--[a-z-]+)", PAGE))
