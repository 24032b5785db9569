"""The package of items: names that load their module when asked for."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from pyresponses_ws import items
from pyresponses_ws.model import WireModel, slots_of


def test_rare_families_are_not_loaded_with_the_codec() -> None:
    """Importing the codec leaves tools, shells and screens alone."""
    code = "import sys, pyresponses_ws.codec; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "pyresponses_ws.items.content" in loaded
    rare = {"tools", "hosted_tools", "computer", "shell", "mcp", "skills", "searches", "code"}
    assert not loaded & {f"pyresponses_ws.items.{name}" for name in rare}


def classes() -> list[Any]:
    names = (getattr(items, name) for name in items.__all__)
    return [each for each in names if isinstance(each, type) and issubclass(each, WireModel)]


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_every_class_explains_itself(cls: type[WireModel]) -> None:
    """A docstring, and no field that a method hides."""
    assert cls.__doc__
    assert not cls.__doc__.startswith(cls.__name__ + "(")
    for slot in slots_of(cls):
        assert not hasattr(WireModel, slot.name)
