"""What happened beside what was to happen, and all of it as a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.matrix.cells import FAULTS, MODES, PHASES, Cell, Fault, Outcome, Phase, expected
from tests.matrix.stage import Result

#: How the grid writes a mode: small where it is well, large where it is not.
LETTERS = {"create": "c", "stream": "s", "two_lanes": "l", "http": "h", "http_stream": "t"}


def differences(cell: Cell, result: Result) -> list[str]:
    """Name everything that is not as expected."""
    return [*_of_errors(result, expected(cell)), *_of_facts(cell, result), *_of_answers(result)]


def _of_errors(result: Result, due: Outcome) -> Iterator[str]:
    kind = type(result.error) if result.error is not None else None
    if kind is not due.error and (due.or_error is None or kind is not due.or_error):
        yield f"raised {result.error!r}, not {_name(due.error)}"
    neighbour = type(result.neighbour) if result.neighbour is not None else None
    if neighbour is not due.neighbour:
        yield f"its neighbour raised {result.neighbour!r}, not {_name(due.neighbour)}"


def _of_facts(cell: Cell, result: Result) -> Iterator[str]:
    due = expected(cell)
    for name in ("attempts", "replayed", "requests", "partial"):
        is_open = getattr(due, name) is None or cell.phase == "closing"
        if not is_open and getattr(result, name) != getattr(due, name):
            yield f"{name} is {getattr(result, name)!r}, not {getattr(due, name)!r}"


def _of_answers(result: Result) -> Iterator[str]:
    for said, due in result.answers:
        if said != due:
            yield f"the answer to another came: {said!r}, not {due!r}"


def _name(kind: type[Exception] | None) -> str:
    return "an answer" if kind is None else kind.__name__


def render(results: Mapping[Cell, bool]) -> str:
    """Draw a grid of faults by phases; a letter is a mode, a large one went wrong."""
    widths = {phase: max(len(phase), len(LETTERS)) + 2 for phase in PHASES}
    head = " " * 12 + "".join(f"{phase:>{width}}" for phase, width in widths.items())
    lines = [
        f"{fault:<12}" + "".join(f"{_square(results, fault, p):>{w}}" for p, w in widths.items())
        for fault in FAULTS
    ]
    key = ", ".join(f"{letter} {mode}" for mode, letter in LETTERS.items())
    return "\n".join([head, *lines, f"{key}; a capital went wrong, a dot cannot be"])


def _square(results: Mapping[Cell, bool], fault: Fault, phase: Phase) -> str:
    cells = [Cell(fault, phase, mode) for mode in MODES]
    letters = [
        LETTERS[cell.mode] if results[cell] else LETTERS[cell.mode].upper()
        for cell in cells
        if cell in results
    ]
    return "".join(letters) or "."
