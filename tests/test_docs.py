"""The pages of docs/ say what the code says."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
THREADS = (ROOT / "docs" / "threads.md").read_text("utf-8")
#: Where locks of the client are made; the server has its own loop.
PLACES = [*(ROOT / "pyresponses_ws" / "_runtime").glob("*.py"), ROOT / "pyresponses_ws/client.py"]


def classes() -> Iterator[tuple[str, str]]:
    """Yield name and source of each class that may make a lock."""
    for path in PLACES:
        source = path.read_text("utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                yield node.name, ast.get_source_segment(source, node) or ""


def rows(title: str) -> set[str]:
    """Return the first words in code of the rows of a section's table."""
    section = THREADS[THREADS.index(f"\n## {title}\n") :].split("\n## ")[1]
    return set(re.findall(r"^\| `([\w-]+)`", section, re.MULTILINE))


def test_the_page_of_recovery_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """It is what its script prints."""
    runpy.run_path(str(ROOT / "scripts" / "print_recovery.py"), run_name="__main__")
    assert (ROOT / "docs" / "recovery.md").read_text("utf-8") == capsys.readouterr().out


def test_the_page_of_threads_names_every_lock() -> None:
    """Each class that makes one has its row, and no row is left over."""
    makers = {
        name for name, source in classes() if re.search(r"= (\w+\.)*threads\.lock\(\)", source)
    }
    assert rows("Locks") == makers


def test_the_page_of_threads_names_every_thread() -> None:
    """Each role that is started has its row here and in the README."""
    source = "".join(path.read_text("utf-8") for path in PLACES)
    started = re.findall(r"(?:\.start\(f?|Worker\(threads, )\"([a-z]+)", source)
    assert {role.split("-")[0] for role in rows("Threads")} == set(started)
    assert set(started) <= set(
        re.findall(r"^\| `([a-z]+)", (ROOT / "README.md").read_text("utf-8"), re.M)
    )


def test_links_lead_somewhere() -> None:
    """Every file that a page names is there."""
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
