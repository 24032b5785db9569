"""The public names: there, complete, and cheap until they are used."""

from __future__ import annotations

import importlib
import inspect
import pickle
import re
import subprocess
import sys
from typing import Any

import pytest

import pyresponses_ws
from pyresponses_ws import errors, events, items

#: What the documentation calls public, beside the errors, events and items.
NAMED = {
    *("Connection", "Hooks", "ResponseStream", "ResponsesClient", "Timeouts", "parse_event"),
    *("ErrorDetails", "Event", "Partial", "Response", "TurnReport", "UnknownEvent", "UnknownItem"),
    *("ClientStats", "LinkReport", "ResponseCreate", "ResponseSteer", "RetryReport", "__version__"),
    *("normalize_error",),
}
#: What only servers, terminals and tests need.
HEAVY = {"asyncio", "django", "openai", "pydantic", "rich", "starlette", "uvicorn", "yaml"}


def _loaded_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter; return the top-level modules that it loaded."""
    program = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def _classes(module: object) -> set[str]:
    return {name for name, value in inspect.getmembers(module, inspect.isclass)}


def test_every_documented_name_is_exported() -> None:
    """Documentation and ``__all__`` agree."""
    assert set(pyresponses_ws.__all__) >= NAMED


def test_every_exported_name_is_there() -> None:
    """None of the lazy names leads nowhere, and each is listed once."""
    missing = [name for name in pyresponses_ws.__all__ if not hasattr(pyresponses_ws, name)]
    assert missing == []
    assert len(set(pyresponses_ws.__all__)) == len(pyresponses_ws.__all__)


def test_every_error_is_exported() -> None:
    """Whatever is raised can be caught by a name from the root; the tree in the docs is whole."""
    drawn = set(re.findall(r"\b[A-Z]\w+Error\b", errors.__doc__ or ""))
    drawn -= {"RuntimeError", "TimeoutError", "ValueError"} - vars(errors).keys()
    assert drawn <= set(pyresponses_ws.__all__)
    assert {name for name in _classes(errors) if name.endswith("Error")} == drawn


@pytest.mark.parametrize("module", [events, items], ids=["events", "items"])
def test_every_event_and_item_is_exported(module: object) -> None:
    """The root's class is the module's class."""
    names = [name for name in module.__all__ if not name.isupper()]  # type: ignore[attr-defined]
    assert len(names) > 60
    assert set(names) <= set(pyresponses_ws.__all__)
    assert all(getattr(pyresponses_ws, name) is getattr(module, name) for name in names)


@pytest.mark.parametrize(
    ("package", "home"),
    [(package, home) for package in (events, items) for home in package.HOMES],
    ids=lambda value: value if isinstance(value, str) else value.__name__.split(".")[1],
)
def test_the_table_of_names_is_that_of_the_modules(package: Any, home: str) -> None:
    """Every public name of a module is importable from the package, and is the same object."""
    module = importlib.import_module(f"{package.__name__}.{home}")
    assert sorted(package.HOMES[home]) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(package, name) is getattr(module, name)
        assert name in dir(package)
        assert name in package.__all__


def test_no_name_has_two_homes() -> None:
    """Events, items and the rest share no name, so none hides another."""
    homes = [name for names in pyresponses_ws._HOMES.values() for name in names]
    assert len(homes) == len(set(homes))


@pytest.mark.parametrize("package", [pyresponses_ws, events, items])
def test_an_unknown_name_is_an_attribute_error(package: Any) -> None:
    """As of any module; ``hasattr`` and ``from ... import`` depend on it."""
    with pytest.raises(AttributeError, match="no attribute 'Respones'"):
        _ = package.Respones


def test_names_are_listed_before_they_are_loaded() -> None:
    """Completion in a shell offers them."""
    assert set(dir(pyresponses_ws)) >= NAMED


def test_an_exported_class_pickles_by_its_own_home() -> None:
    """Lazy loading leaves no trace in the class."""
    assert pickle.loads(pickle.dumps(pyresponses_ws.TurnReport)) is pyresponses_ws.TurnReport


def test_star_import_overwrites_no_constant() -> None:
    """Names in capitals are tables of ours; a user's own must survive the import."""
    assert [name for name in pyresponses_ws.__all__ if name.isupper()] == []


def test_importing_the_package_loads_no_dependency() -> None:
    """The import alone costs the standard library only."""
    loaded = _loaded_by("import pyresponses_ws")
    assert loaded & (HEAVY | {"dataclasses_json", "requests", "websocket", "orjson"}) == set()


@pytest.mark.parametrize("name", ["parse_event", "ResponsesClient", "Connection", "*"])
def test_using_the_package_loads_nothing_heavy(name: str) -> None:
    """No server, table or web framework comes with the client."""
    assert _loaded_by(f"from pyresponses_ws import {name}") & HEAVY == set()
