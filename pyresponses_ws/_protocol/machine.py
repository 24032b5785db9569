"""A state machine as data: a table of what may happen, and one function that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

S = TypeVar("S", bound=Enum)
G = TypeVar("G", bound=Enum)


class IllegalSignalError(RuntimeError):
    """A signal came in a state that does not know it: the code around the machine is wrong.

    Nothing from the network raises this; events that make no sense are ignored, or a
    ``ProtocolError``.
    """


def advance(table: Mapping[tuple[S, G], S], state: S, signal: G) -> S:
    """Return the state that follows ``state`` on ``signal``.

    Raises IllegalSignalError when the table has no such pair.
    """
    try:
        return table[state, signal]
    except KeyError:
        raise IllegalSignalError(f"{signal.name} is not possible when {state.name}") from None
