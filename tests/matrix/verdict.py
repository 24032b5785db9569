"""What happened beside what was to happen, and all of it as a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.matrix.cells import FAULTS, MODES, PHASES, Cell, Fault, Outcome, Phase, expected, longest
from tests.matrix.stage import Result

#: How the grid writes a mode: small where it is well, large where it is not.
LETTERS = {
    "create": "c",
    "stream": "s",
    "auto": "a",
    "two_lanes": "l",
    "http": "h",
    "http_stream": "t",
}


def differences(cell: Cell, result: Result) -> list[str]:
    """Name everything that is not as expected."""
    due = expected(cell)
    return [
        *_of_errors(result, due),
        *_of_facts(cell, result),
        *_of_answers(result),
        *_of_time(cell, result),
    ]


def _of_errors(result: Result, due: Outcome) -> Iterator[str]:
    kind = type(result.error) if result.error is not None else None
    if kind is not due.error and (due.or_error is None or kind is not due.or_error):
        yield f"raised {result.error!r}, not {_name(due.error)}"
    neighbour = type(result.neighbour) if result.neighbour is not None else None
    if neighbour is not due.neighbour:
        yield f"its neighbour raised {result.neighbour!r}, not {_name(due.neighbour)}"


def _of_facts(cell: Cell, result: Result) -> Iterator[str]:
    due = expected(cell)
    for name in ("attempts", "replayed", "requests", "partial", "transport"):
        is_open = getattr(due, name) is None or cell.phase == "closing"
        # One of two endings that both are good.
        is_open = is_open or (due.or_error is not None and result.error is not None)
        if not is_open and getattr(result, name) != getattr(due, name):
            yield f"{name} is {getattr(result, name)!r}, not {getattr(due, name)!r}"


def _of_answers(result: Result) -> Iterator[str]:
    for said, due in result.answers:
        if said != due:
            yield f"the answer to another came: {said!r}, not {due!r}"


def _of_time(cell: Cell, result: Result) -> Iterator[str]:
    limit = longest(cell)
    if limit is not None and result.seconds > limit:
        yield f"it took {result.seconds:.2f} s, not {limit:.2f} at most"


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
