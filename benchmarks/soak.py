"""Eight threads, two clients, and a network that breaks every second: nothing may go wrong.

A turn may end in the error that the recovery table names. It may not bring another turn's answer, a
piece of its own twice, or an error of another kind, nor may the server run a request more often
than the table allows; and at the end no thread, descriptor or memory may be left. One client is
free to go over HTTP, and soon does for minutes; the other must stay on WebSocket.

    python benchmarks/soak.py                  ten minutes
    python benchmarks/soak.py --seconds 60
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyresponses_ws import ResponsesClient, ResponsesWSError, Timeouts
from pyresponses_ws.errors import (
    ConnectError,
    DeliveryUnknownError,
    ResponseInterruptedError,
    ServerError,
    TurnTimeoutError,
)

THREADS = 8
TRANSPORTS = ("websocket", "auto")
#: Seconds that a program waits which could not connect.
PAUSE = 0.05
#: What a turn may end with here: each is in the recovery table, and the network deserves it.
DESERVED = (
    ConnectError,
    DeliveryUnknownError,
    ResponseInterruptedError,
    ServerError,
    TurnTimeoutError,
)
#: Short timers, so that a stalled link is found dead many times in a run.
TIMEOUTS = Timeouts(
    connect=2, send=2, first_event=3, ping_interval=1, ping_timeout=1, silence=3, total=20, idle=5
)
#: A turn that takes longer than its ``total`` and this has outlived its timers.
GRACE = 1.0
#: Part of the run after which memory is looked at for the first time: caches are full by then.
WARM = 0.25
#: Seconds that threads have to end after the clients are closed.
SETTLING = 6.0
#: Growth of memory between that and the end that counts as flat, in MB: what the allocator keeps.
FLAT_MB = 8.0


#: Flags of a turn: its request must not run twice; it was answered.
ACTS, ANSWERED = 1, 2


def make_mark(worker: int, number: int) -> str:
    """Return what tells a turn's request and answer from all others."""
    return f"m{worker}.{number}"


@dataclass
class Record:
    """What the threads saw. Each adds under the lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    #: What became of each turn, a byte a turn by its number: a record that grew with the turns
    #: could not be told from a client that does. One for each worker.
    flags: list[bytearray] = field(default_factory=lambda: [bytearray() for _ in range(THREADS)])
    outcomes: Counter[str] = field(default_factory=Counter)
    transports: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    wrong: list[str] = field(default_factory=list)

    def note(self, outcome: str, report: Any) -> None:
        with self.lock:
            self.outcomes[outcome] += 1
            if report is not None:
                self.transports[report.transport] += 1
                self.replayed += report.replayed

    def blame(self, words: str) -> None:
        with self.lock:
            self.wrong.append(words)


class Server:
    """The process of soak_server.py."""

    def __init__(self, *, every: float, seed: int) -> None:
        file = Path(__file__).with_name("soak_server.py")
        command = [sys.executable, str(file), "--every", str(every), "--seed", str(seed)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.address = self._answer()

    def ask(self, word: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        self._process.communicate(timeout=30)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))


class Worker:
    """One thread's turns, drawn at random."""

    def __init__(self, client: ResponsesClient, record: Record, number: int, seed: int) -> None:
        self._client = client
        self._record = record
        self._number = number
        self._random = random.Random(seed * 1000 + number)
        self._flags = record.flags[number]

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            self.turn()

    def turn(self) -> None:
        count = len(self._flags)
        mark = make_mark(self._number, count)
        text = " ".join(f"{mark}:{n}" for n in range(self._random.randrange(1, 60)))
        acts = self._random.random() < 0.3
        turn: dict[str, Any] = {"model": "echo", "input": text, "metadata": {"mark": mark}}
        if acts:
            # A tool that acts outside by itself: such a request must never run twice.
            turn["tools"] = [{"type": "mcp", "server_label": "far", "server_url": "http://far"}]
        self._flags.append(ACTS if acts else 0)
        started = time.monotonic()
        try:
            self._consume(mark, f"You said: {text}", turn)
        except DESERVED as exc:
            self._judge_partial(mark, f"You said: {text}", exc)
            self._record.note(type(exc).__name__, exc.report)
            if isinstance(exc, ConnectError):
                time.sleep(PAUSE)
        except ResponsesWSError as exc:
            self._record.blame(f"{mark}: {type(exc).__name__}: {exc}")
        if time.monotonic() - started > (TIMEOUTS.total or 0) + GRACE:
            self._record.blame(f"{mark}: outlived its timers")

    def _consume(self, mark: str, expected: str, turn: dict[str, Any]) -> None:
        way = self._random.choice(("create", "stream", "stream", "leave", "cancel"))
        if way == "create":
            response = self._client.create(**turn, timeout=TIMEOUTS.total)
            self._judge(mark, response.output_text, expected)
            return self._record.note("answered", response.report)
        with self._client.stream(**turn) as stream:
            if way == "stream":
                self._judge(mark, "".join(stream.text_deltas()), expected)
                return self._record.note("answered", stream.report)
            pieces = []
            for piece in stream.text_deltas():
                pieces.append(piece)
                if self._random.random() < 0.2:
                    break
            if way == "cancel":
                stream.cancel()
        if not expected.startswith("".join(pieces)):
            self._record.blame(f"{mark}: read {''.join(pieces)!r}")
        return self._record.note("left", stream.report)

    def _judge(self, mark: str, text: str, expected: str) -> None:
        if text != expected:
            self._record.blame(f"{mark}: {text!r} in place of {expected!r}")
        self._flags[-1] |= ANSWERED

    def _judge_partial(self, mark: str, expected: str, exc: Any) -> None:
        if exc.partial is not None and not expected.startswith(exc.partial.text):
            self._record.blame(f"{mark}: the partial text is {exc.partial.text!r}")


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def vitals() -> dict[str, float]:
    """Memory in MB, threads and descriptors of this process."""
    gc.collect()
    return {
        "rss_mb": round(resident_mb(), 1),
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


def settle(threads: float) -> list[str]:
    """Give threads that are ending their time; return the names of those that stay.

    A closed link's reader lets go of its socket a moment after ``close`` has heard of its end.
    """
    ends_at = time.monotonic() + SETTLING
    while threading.active_count() > threads and time.monotonic() < ends_at:
        time.sleep(0.05)
    own = threading.current_thread()
    return [each.name for each in threading.enumerate() if each is not own]


def judge_runs(record: Record, runs: dict[str, int]) -> int:
    """Count the requests that ran more often than they may; an answered one ran at all."""
    duplicates = 0
    for worker, flags in enumerate(record.flags):
        for number, flag in enumerate(flags):
            mark = make_mark(worker, number)
            count = runs.get(mark, 0)
            if count > (1 if flag & ACTS else 2):
                duplicates += 1
                record.blame(f"{mark}: ran {count} times{' though it acts' * (flag & ACTS)}")
            if not count and flag & ANSWERED:
                record.blame(f"{mark}: answered, and never ran")
    return duplicates


def soak(seconds: float, *, every: float, seed: int) -> dict[str, Any]:
    """Run it all; returns the figures."""
    server, record = Server(every=every, seed=seed), Record()
    before = vitals()
    clients = [
        ResponsesClient("key", transport=transport, timeouts=TIMEOUTS, **server.address)
        for transport in TRANSPORTS
    ]
    workers = [
        Worker(clients[number % len(clients)], record, number, seed) for number in range(THREADS)
    ]
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=worker.run, args=(until,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - seconds * (1 - WARM) - time.monotonic()))
    warm = vitals()
    for thread in threads:
        thread.join()
    server.ask("calm")
    for worker in workers:
        worker.turn()
    stats = [client.stats() for client in clients]
    for client in clients:
        client.close()
    left = settle(before["threads"])
    after, told = vitals(), server.ask("report")
    server.stop()
    duplicates = judge_runs(record, told["runs"])
    return {
        "seconds": seconds,
        "turns": sum(map(len, record.flags)),
        "outcomes": dict(record.outcomes),
        "transports": dict(record.transports),
        "replayed": record.replayed,
        "faults": told["faults"],
        "links_opened": sum(each.links_opened for each in stats),
        "http_turns": sum(each.http_turns for each in stats),
        "wrong": record.wrong,
        "duplicates": duplicates,
        "before": before,
        "warm": warm,
        "after": after,
        "threads_left": left,
        "is_flat": after["threads"] <= before["threads"]
        and after["descriptors"] <= before["descriptors"] + 2
        and after["rss_mb"] - warm["rss_mb"] < FLAT_MB,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between faults")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    args = parser.parse_args()
    print(f"seed {args.seed}", file=sys.stderr)
    figures = soak(args.seconds, every=args.every, seed=args.seed)
    print(json.dumps(figures, indent=1))
    return int(bool(figures["wrong"] or figures["duplicates"] or not figures["is_flat"]))


if __name__ == "__main__":
    sys.exit(main())
