"""Run the matrix, or the cells whose names hold every word given, and print the grid.

``python -m tests.matrix [word ...]``, for example ``python -m tests.matrix stall create``.
"""

from __future__ import annotations

import sys

from tests.matrix.cells import Cell, possible_cells
from tests.matrix.stage import play
from tests.matrix.verdict import differences, render


def judge(cell: Cell) -> list[str]:
    """Run one cell; return what was wrong."""
    try:
        return differences(cell, play(cell))
    except Exception as exc:  # the grid is to be drawn whole
        return [repr(exc)]


def main(words: list[str]) -> int:
    """Print what went wrong as it comes, and the grid at the end; return the exit status."""
    results = {}
    for cell in possible_cells():
        if all(word in str(cell) for word in words):
            wrong = judge(cell)
            results[cell] = not wrong
            for line in wrong:
                print(f"{cell}: {line}", flush=True)
    print(render(results))
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
