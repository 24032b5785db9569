"""The package of items: names that load their module when asked for."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest

from pyresponses_ws import items
from pyresponses_ws.model import WireModel, slots_of


@pytest.mark.parametrize("module", sorted(items.HOMES))
def test_the_table_of_names_is_that_of_the_modules(module: str) -> None:
    """Every public name of a module is importable from the package, and is the same object."""
    home = importlib.import_module(f"pyresponses_ws.items.{module}")
    assert sorted(items.HOMES[module]) == sorted(home.__all__)
    for name in home.__all__:
        assert getattr(items, name) is getattr(home, name)
        assert name in dir(items)
        assert name in items.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As in any module."""
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        items.Nonsense  # type: ignore[attr-defined]  # noqa: B018


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
