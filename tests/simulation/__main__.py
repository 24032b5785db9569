"""Run one seed again: ``python -m tests.simulation --seed N``, with ``--core`` that of the core."""

from __future__ import annotations

import argparse
import sys

from tests.simulation.core import World
from tests.simulation.runtime import Run
from tests.simulation.scheduler import SimulationError
from tests.simulation.test_core import TURNS as CORE_TURNS
from tests.simulation.test_runtime import TURNS


def main() -> int:
    """Return 1 when a promise is broken, after saying which and where."""
    options = _parse()
    try:
        print(_run_core(options) if options.core else _run_runtime(options))
    except (AssertionError, SimulationError) as exc:
        print(f"seed {options.seed}: {exc}", file=sys.stderr)
        return 1
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, required=True, help="as the failed test names it")
    parser.add_argument("--core", action="store_true", help="the pure core, not the runtime")
    parser.add_argument("--turns", type=int, help="as many as the tests run unless given")
    parser.add_argument("--trace", action="store_true", help="print each step of the runtime")
    return parser.parse_args()


def _run_core(options: argparse.Namespace) -> str:
    world = World(options.seed, options.turns or CORE_TURNS)
    world.run()
    return f"{dict(world.outcomes)}\n{dict(world.rows)}"


def _run_runtime(options: argparse.Namespace) -> str:
    run = Run(options.seed, options.turns or TURNS)
    try:
        run.run()
    finally:
        if options.trace:
            for name, where in run.scheduler.trace:
                print(f"{name}: {where}")
    return f"{dict(run.outcomes())}\n{run.digest()}"


if __name__ == "__main__":
    sys.exit(main())
