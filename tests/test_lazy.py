"""Names that load their module when they are asked for."""

from __future__ import annotations

import sys
import types

import pytest

from pyresponses_ws.lazy import lazy_names


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A package whose module ``home`` defines one name of two."""
    home = types.ModuleType("made_up.home")
    home.Thing = object()  # type: ignore[attr-defined]
    made = types.ModuleType("made_up")
    made.__path__ = []
    for module in (made, home):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


def test_a_name_is_loaded_once_and_kept(package: types.ModuleType) -> None:
    """The second time the package has it, and nobody is asked."""
    names, load, _ = lazy_names("made_up", {"home": ["Thing"]})
    assert names == ["Thing"]
    assert "Thing" not in vars(package)
    assert load("Thing") is package.Thing


def test_names_are_listed_before_they_are_loaded(package: types.ModuleType) -> None:
    """Beside what the package has."""
    _, _, list_names = lazy_names("made_up", {"home": ["Thing"]})
    assert {"Thing", "__name__"} <= set(list_names())


@pytest.mark.usefixtures("package")
def test_an_unknown_name_is_an_attribute_error() -> None:
    """It names the package, as of any module."""
    _, load, _ = lazy_names("made_up", {"home": ["Thing"]})
    with pytest.raises(AttributeError, match="module 'made_up' has no attribute 'Nonsense'"):
        load("Nonsense")
