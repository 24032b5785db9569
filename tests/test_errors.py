"""The exception tree."""

from __future__ import annotations

import inspect
import pickle

import pytest

from pyresponses_ws import errors
from pyresponses_ws.partial import Partial
from pyresponses_ws.report import TurnReport

CLASSES = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, errors.ResponsesWSError) and each is not errors.TurnFacts
]
#: Arguments that some classes insist on.
NEEDED = {
    errors.ReconnectError: {"attempts": 5},
    errors.TurnTimeoutError: {"phase": "total"},
    errors.ConnectError: {"status": 404, "stage": "upgrade"},
    errors.APIError: {"code": "x", "status": 400, "raw": {"code": "x"}},
}


@pytest.mark.parametrize("cls", CLASSES)
def test_each_is_drawn_and_named_as_an_error(cls: type[Exception]) -> None:
    """The docstring's tree is complete."""
    assert cls.__name__.endswith("Error")
    assert cls.__name__ in str(errors.__doc__)
    assert cls.__doc__


@pytest.mark.parametrize("cls", CLASSES)
def test_each_pickles_with_its_facts(cls: type[errors.ResponsesWSError]) -> None:
    """A worker hands it to its parent, partial output included."""
    error = cls("what happened", **NEEDED.get(cls, {}))
    if isinstance(error, errors.TurnFacts):
        error.set_facts(partial=Partial(text="half"), report=TurnReport(attempts=2), attempts=2)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_python_knows_them_too() -> None:
    """A caller may catch the built-in kinds."""
    assert issubclass(errors.ConfigError, ValueError)
    assert issubclass(errors.UsageError, RuntimeError)
    assert issubclass(errors.TurnTimeoutError, TimeoutError)
    assert issubclass(errors.PoolTimeoutError, TimeoutError)


def test_a_fact_has_a_known_name() -> None:
    """A misspelt one is a bug of ours, not a silent attribute."""
    with pytest.raises(AttributeError, match="colour"):
        errors.TurnError("x").set_facts(colour="red")


def test_a_protocol_error_repeats_only_a_little() -> None:
    """200 characters of the peer's text at most."""
    assert errors.ProtocolError("x", text="y" * 200).text == "y" * 200
    assert errors.ProtocolError("x", text="y" * 201).text == "y" * 200 + "…"
