"""What one JSON value may be."""

from __future__ import annotations

import pytest

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.core.rules import (
    INTEGER,
    STRING,
    Shape,
    check,
    join_choices,
    one_of,
    required,
)


def test_choices_are_listed_as_the_service_does() -> None:
    """Quoted, with a comma before the last of three or more."""
    assert join_choices(["a"]) == "'a'"
    assert join_choices(["a", "b"]) == "'a' and 'b'"
    assert join_choices(["a", "b", "c"]) == "'a', 'b', and 'c'"


def test_true_is_no_number() -> None:
    """It is to Python, but not to JSON."""
    with pytest.raises(BadRequestError, match="expected an integer, but got a boolean"):
        check("n", True, INTEGER)


def test_null_counts_as_absent() -> None:
    """Unless the value must be there."""
    Shape({"b": STRING}).check("a", {"b": None})
    with pytest.raises(BadRequestError, match=r"Missing required parameter: 'a\.b'\."):
        Shape({"b": required(STRING)}).check("a", {"b": None})


def test_a_wrong_choice_is_not_returned_whole() -> None:
    """An error must not send megabytes back."""
    with pytest.raises(BadRequestError) as caught:
        check("a", "x" * 10_000, one_of("b"))
    assert len(str(caught.value)) < 300
