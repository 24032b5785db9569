"""What the embedded server costs: memory a connection, CPU an event, with many clients at once.

A crowd of clients in one process opens idle connections to a server in another; then others stream
a turn each at the same time; then the idle ones are pinged and run a turn each. Every text is
compared with what was sent and every event's number with its place; one failure and the benchmark
exits with 1. The *floor* is a server of nothing but ``websockets`` that sends the recorded frames
of ours at the same pace. CPU and memory are those of the server's process alone, read from /proc,
so this runs on Linux only.

::

    pip install 'pyresponses-ws[fast,server]'
    python benchmarks/server.py
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bare import Recordings, bare
from crowd import GREETING, SHORT, Command, crowd

#: Descriptors of a process besides its connections: pipes, modules, the loop's own. Arbitrary.
_SPARE_DESCRIPTORS = 100
#: Seconds between looks at the number of threads; rare enough to cost nothing.
_LOOK_EVERY = 0.1


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the clients ask for."""

    idle: int
    streaming: int
    deltas: int
    #: Seconds before each delta.
    every: float
    #: Seconds for which the idle connections are left alone besides.
    hold: float
    engine: str
    is_deflated: bool

    @property
    def is_echo(self) -> bool:
        """Whether it is known beforehand what the server will say."""
        return self.engine == "echo"

    def crowd(self, url: str) -> contextlib.AbstractContextManager[Command]:
        """Run the clients in their own process."""
        return crowd(url, is_echo=self.is_echo, is_deflated=self.is_deflated)


# --------------------------------------------------------------------- the sides; each a process


@contextlib.contextmanager
def ours(load: Load, *, every: float) -> Iterator[tuple[int, str]]:
    """Run the embedded server; yields its process id and its URL."""
    from pyresponses_ws.testing import LocalServer

    with LocalServer(load.engine, process=True, delta_delay=every) as server:
        assert server.pid is not None
        yield server.pid, f"{server.base_url}/responses"


def record(load: Load) -> Recordings:
    """Return the frames of ours, for both lengths of turn."""
    with ours(load, every=0.0) as (_, url), load.crowd(url) as command:
        return {deltas: command("record", deltas)["frames"] for deltas in (SHORT, load.deltas)}


OURS, FLOOR = "ours", "floor"
#: Runs a server; yields its process id and its URL.
Side = Callable[[], contextlib.AbstractContextManager[tuple[int, str]]]


def make_sides(load: Load) -> dict[str, Side]:
    """Record ours once, then return what starts each server."""
    recordings = record(load)
    clients = max(load.idle, load.streaming, 1)
    return {
        OURS: lambda: ours(load, every=load.every),
        FLOOR: lambda: bare(
            recordings, clients=clients, every=load.every, is_deflated=load.is_deflated
        ),
    }


# ------------------------------------------------------------------------------ what is measured


class Process:
    """What the kernel knows of another process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._folder = Path(f"/proc/{pid}")

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        # /proc counts in hundredths. This is the clock that clock_getcpuclockid(3) names.
        return time.clock_gettime((~self._pid << 3) | 2)

    @property
    def kernel_cpu(self) -> float:
        """Seconds of it that were spent in the kernel, to a hundredth."""
        # The name in brackets may hold spaces; the fields behind it are numbers.
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return int(fields[12]) / os.sysconf("SC_CLK_TCK")

    @property
    def kilobytes(self) -> int:
        """Memory in use; pages shared with others count by their share."""
        return self._number("smaps_rollup", "Pss")

    @property
    def threads(self) -> int:
        return self._number("status", "Threads")

    @property
    def descriptors(self) -> int:
        return len(list((self._folder / "fd").iterdir()))

    def _number(self, file: str, name: str) -> int:
        lines = (self._folder / file).read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


@contextlib.contextmanager
def watch_threads(process: Process) -> Iterator[Callable[[], int]]:
    """Look at the number of threads again and again; yields what returns the highest."""
    seen, is_over = [process.threads], threading.Event()

    def look() -> None:
        while not is_over.wait(_LOOK_EVERY):
            seen.append(process.threads)

    watcher = threading.Thread(target=look, name="watcher")
    watcher.start()
    try:
        yield lambda: max(seen)
    finally:
        is_over.set()
        watcher.join()


def measure(load: Load, side: Side) -> dict[str, Any]:
    """Put the load on a fresh server; return what it cost and what failed."""
    with side() as (pid, url), load.crowd(url) as command:
        process = Process(pid)
        # So that nothing is measured which is done once a process.
        command("record", SHORT)
        idle, at_rest = _measure_idle(load, process, command)
        streams, in_motion = _measure_streams(load, process, command)
        time.sleep(load.hold)
        awake = command("wake")
        left = command("leave")
    phases = (idle, streams, awake, left)
    return {
        **at_rest,
        **in_motion,
        "texts": streams["texts"] + awake["texts"],
        "failures": sum(phase["failures"] for phase in phases),
        "reasons": [reason for phase in phases for reason in phase["reasons"]],
    }


def _measure_idle(
    load: Load, process: Process, command: Command
) -> tuple[dict[str, Any], dict[str, float]]:
    cpu, memory = process.cpu, process.kilobytes
    descriptors, threads = process.descriptors, process.threads
    reply = command("idle", load.idle)
    count = max(reply["open"], 1)
    return reply, {
        "connection_kb": (process.kilobytes - memory) / count,
        "connection_descriptors": (process.descriptors - descriptors) / count,
        "connection_threads": (process.threads - threads) / count,
        "connection_cpu_us": (process.cpu - cpu) / count * 1e6,
    }


def _measure_streams(
    load: Load, process: Process, command: Command
) -> tuple[dict[str, Any], dict[str, float]]:
    opened = command("ready", load.streaming)
    cpu, kernel = process.cpu, process.kernel_cpu
    with watch_threads(process) as most_threads:
        reply = command("stream", load.deltas)
    cpu, kernel = process.cpu - cpu, process.kernel_cpu - kernel
    reply |= {key: opened[key] + reply[key] for key in ("failures", "reasons")}
    events = max(reply["events"], 1)
    return reply, {
        "event_cpu_us": cpu / events * 1e6,
        "event_kernel_us": kernel / events * 1e6,
        "events": reply["events"],
        "deltas": reply["deltas"],
        "events_a_second": reply["events"] / reply["seconds"],
        "busy_percent": cpu / reply["seconds"] * 100,
        "streaming_threads": most_threads(),
        **{
            f"late_{name}_ms": (reply[f"gap_{name}"] - load.every) * 1e3
            for name in ("median", "p99", "worst")
        },
    }


# --------------------------------------------------------------------------------- the comparison

#: Figures that are added up over the runs, and of which the highest counts; of others the median.
_SUMS = ("texts", "failures", "events", "deltas")
_WORST = ("late_worst_ms", "streaming_threads")
#: Figures whose ratio says something.
_RATIOS = ("connection_kb", "connection_cpu_us", "event_cpu_us")


def compare(load: Load, runs: int) -> dict[str, Any]:
    """Run both sides ``runs`` times, in turns; return medians, ratios and all figures."""
    raise_descriptor_limit(load.idle + load.streaming + _SPARE_DESCRIPTORS)
    sides = make_sides(load)
    rounds = []
    for number in range(runs):
        # Each round begins with the other side: what comes first finds the machine warmer or
        # colder than what follows.
        names = list(sides)[:: -1 if number % 2 else 1]
        rounds.append({name: measure(load, sides[name]) for name in names})
    return {
        "load": vars(load),
        "runs": runs,
        "versions": {"python": platform.python_version(), **_versions()},
        "sides": {name: _summary([each[name] for each in rounds]) for name in sides},
        "ratios": {
            key: statistics.median(_divide(each[OURS][key], each[FLOOR][key]) for each in rounds)
            for key in _RATIOS
        },
    }


def raise_descriptor_limit(needed: int) -> None:
    """Let this process and those it starts have so many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(
            f"so many connections need {needed} open files in one process, and the hard limit is "
            f"{hard}: raise it (ulimit -Hn), or ask for fewer by --idle and --streaming"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("uvicorn", "websockets")}


def _divide(one: float, other: float) -> float:
    # A small run may cost less than the kernel's clock shows.
    return one / other if other else 0.0


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for key in runs[0]:
        figures = [run[key] for run in runs]
        if key == "reasons":
            summary[key] = [reason for reasons in figures for reason in reasons]
        elif key in _SUMS:
            summary[key] = sum(figures)
        else:
            summary[key] = max(figures) if key in _WORST else statistics.median(figures)
    of_each_run = [run["event_cpu_us"] for run in runs]
    # A median alone hides that runs of the same code differ by a third.
    summary["event_cpu_us_lowest"] = min(of_each_run)
    summary["event_cpu_us_highest"] = max(of_each_run)
    summary["event_cpu_us_of_each_run"] = of_each_run
    return summary


#: What is printed, with how many decimals.
_ROWS = {
    "failures, all runs": ("failures", 0),
    "texts compared, all runs": ("texts", 0),
    "KB an idle connection": ("connection_kb", 1),
    "descriptors an idle connection": ("connection_descriptors", 2),
    "threads an idle connection": ("connection_threads", 2),
    "µs CPU to open one": ("connection_cpu_us", 0),
    "µs CPU an event": ("event_cpu_us", 1),
    "  in the lowest run": ("event_cpu_us_lowest", 1),
    "  in the highest run": ("event_cpu_us_highest", 1),
    "  in the kernel": ("event_kernel_us", 1),
    "events a second": ("events_a_second", 0),
    "% of one processor": ("busy_percent", 0),
    "threads at most": ("streaming_threads", 0),
    "ms a delta is late, median": ("late_median_ms", 2),
    "ms a delta is late, p99": ("late_p99_ms", 2),
    "ms a delta is late, worst": ("late_worst_ms", 1),
}


def show(report: dict[str, Any]) -> None:
    """Print the comparison for people."""
    load, sides = report["load"], report["sides"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    print(
        f"{load['idle']} idle connections, then {load['streaming']} turns at once of "
        f"{load['deltas']} deltas, {load['every'] * 1e3:g} ms apart; {report['runs']} runs; "
        f"{'compressed' if load['is_deflated'] else 'not compressed'}; {versions}"
    )
    print(f"\n{'median of the runs':34}" + "".join(f"{name:>10}" for name in sides) + "     ratio")
    for title, (key, decimals) in _ROWS.items():
        cells = "".join(f"{side[key]:10.{decimals}f}" for side in sides.values())
        ratio = f"{report['ratios'][key]:10.1f}" if key in report["ratios"] else ""
        print(f"{title:34}{cells}{ratio}")
    for name, side in sides.items():
        for reason in side["reasons"]:
            print(f"{name}: {reason}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--idle", type=int, default=500, help="connections that say nothing")
    parser.add_argument("--streaming", type=int, default=100, help="turns at the same time")
    parser.add_argument("--deltas", type=int, default=200, help="deltas of a turn")
    parser.add_argument("--every", type=float, default=0.02, help="seconds before each delta")
    # Longer than the server waits for a first request: no such timer may outlive the upgrade.
    parser.add_argument("--hold", type=float, default=12.0, help="seconds idle, besides the turns")
    parser.add_argument("--engine", default="echo", help="texts are known for echo alone")
    parser.add_argument("--deflate", action="store_true", help="clients offer compression")
    parser.add_argument("--runs", type=int, default=5, help="fresh processes for each side")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    options = parser.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("this benchmark reads /proc, which only Linux has")
    # A turn begins with a greeting; a text of a client has at least one word.
    if options.deltas <= len(GREETING.split()):
        parser.error("--deltas must be at least 3")
    report = compare(_load(options), options.runs)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)
    sys.exit(1 if any(side["failures"] for side in report["sides"].values()) else 0)


def _load(options: argparse.Namespace) -> Load:
    return Load(
        idle=options.idle,
        streaming=options.streaming,
        deltas=options.deltas,
        every=options.every,
        hold=options.hold,
        engine=options.engine,
        is_deflated=options.deflate,
    )


if __name__ == "__main__":
    main()
