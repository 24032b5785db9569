"""CPU and wall time of one streamed event: pyresponses_ws beside the official openai package.

Each side runs the same loop in a fresh process, in turns with the others, against a server in a
process of its own; the figures are medians. CPU is the client process's, over all its threads,
for one whole turn on an open connection, after a first turn and a full garbage collection. Every
text is compared. The *floor* is what the work costs at least: read, split frames, ``orjson.loads``.

::

    pip install 'pyresponses-ws[fast]' openai
    python benchmarks/events.py
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from blaster import DELTA_BYTES, blaster, delta_text

#: Deltas of the turn that goes before, so that nothing is measured which is done once a process.
WARM_UP = 200
#: Runs a turn of so many deltas and returns the texts of its deltas.
Turn = Callable[[int], list[str]]

_SETTINGS = re.compile("^OPENAI_|_proxy$", re.IGNORECASE)
_DELTA, _COMPLETED = "response.output_text.delta", "response.completed"


# ---------------------------------------------------------- the sides; each in its own process


def _delta_texts(events: Iterable[Any]) -> list[str]:
    """Read typed events to the end of the turn, as a program does."""
    texts = []
    for event in events:
        if event.type == _DELTA:
            texts.append(event.delta)
        elif event.type == _COMPLETED:
            break
    return texts


def ours(port: int) -> Turn:
    """Stream through the public iterator."""
    from pyresponses_ws import ResponsesClient

    client = ResponsesClient(api_key="none", base_url=f"ws://127.0.0.1:{port}/v1")

    def turn(deltas: int) -> list[str]:
        with client.stream(model="blaster", input=str(deltas)) as stream:
            return _delta_texts(stream)

    return turn


def ours_without_orjson(port: int) -> Turn:
    """Do the same as an installation without the ``fast`` extra."""
    sys.modules["orjson"] = cast(Any, None)  # its import then fails
    return ours(port)


def openai(port: int) -> Turn:
    """Stream typed events through the official package's connection."""
    from openai import OpenAI

    client = OpenAI(api_key="none", websocket_base_url=f"ws://127.0.0.1:{port}/v1")
    connection = client.responses.connect().enter()

    def turn(deltas: int) -> list[str]:
        connection.response.create(model="blaster", input=str(deltas))
        return _delta_texts(connection)

    return turn


def floor(port: int) -> Turn:
    """Read 64 KiB at a time, split the frames and parse them; nothing else, and nothing checked."""
    from orjson import loads

    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(
        b"GET /v1/responses HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert sock.recv(1 << 16).endswith(b"\r\n\r\n")

    def turn(deltas: int) -> list[str]:
        texts = []
        request = json.dumps({"input": str(deltas)}).encode()
        sock.sendall(bytes((0x81, 0x80 | len(request), 0, 0, 0, 0)) + request)
        for payload in _payloads(sock):
            event = loads(payload)
            if event["type"] == _DELTA:
                texts.append(event["delta"])
            elif event["type"] == _COMPLETED:
                break
        return texts

    return turn


def _payloads(sock: socket.socket) -> Iterator[bytes]:
    data = b""
    while True:
        data += sock.recv(1 << 16)
        position = 0
        while len(data) - position >= 10:
            size, start = data[position + 1], position + 2
            if size > 125:
                start += 2 if size == 126 else 8
                size = int.from_bytes(data[position + 2 : start], "big")
            if start + size > len(data):
                break
            position = start + size
            yield data[start:position]
        data = data[position:]


OURS, OURS_STDLIB, OPENAI, FLOOR = "ours, orjson", "ours, stdlib json", "openai", "floor"
SIDES: dict[str, Callable[[int], Turn]] = {
    OURS: ours,
    OURS_STDLIB: ours_without_orjson,
    OPENAI: openai,
    FLOOR: floor,
}
#: What is divided by what.
RATIOS = {
    "openai / ours, orjson": (OPENAI, OURS),
    "openai / ours, stdlib json": (OPENAI, OURS_STDLIB),
    "ours, orjson / floor": (OURS, FLOOR),
}


def measure(side: str, port: int, events: int) -> dict[str, float]:
    """Run one side here; return microseconds an event, and how many texts were right."""
    turn = SIDES[side](port)
    turn(WARM_UP)
    # What the imports made is due for a full collection, at some event in the middle of the turn.
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    texts = turn(events)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    expected = [delta_text(index) for index in range(events)]
    if texts != expected:
        sys.exit(f"{side}: the texts differ from what the server sent")
    return {"cpu_us": cpu / events * 1e6, "wall_us": wall / events * 1e6, "texts": len(texts)}


# --------------------------------------------------------------------------- the comparison


def compare(events: int, runs: int) -> dict[str, Any]:
    """Run every side ``runs`` times, in turns; return medians and all figures."""
    rounds = []
    with blaster(WARM_UP, events) as port:
        for number in range(runs):
            # Each round begins with another side: what comes first finds the machine warmer or
            # colder than what follows.
            names = list(SIDES)
            names = names[number % len(names) :] + names[: number % len(names)]
            rounds.append({name: _measure_apart(name, port, events) for name in names})
    return {
        "events": events,
        "runs": runs,
        "versions": {"python": platform.python_version(), **_versions("openai", "orjson")},
        "sides": {name: _summary([each[name] for each in rounds]) for name in SIDES},
        "ratios": {
            label: statistics.median(each[a]["cpu_us"] / each[b]["cpu_us"] for each in rounds)
            for label, (a, b) in RATIOS.items()
        },
    }


def _measure_apart(side: str, port: int, events: int) -> dict[str, float]:
    """Run one side in a fresh process."""
    command = [sys.executable, __file__, "--side", side, "--port", str(port)]
    # Neither a proxy of the environment nor options of the official package may come in.
    env = {key: os.environ[key] for key in os.environ if not _SETTINGS.search(key)}
    done = subprocess.run(
        [*command, "--events", str(events)], env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    return cast("dict[str, float]", json.loads(done.stdout))


def _versions(*names: str) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in names}


def _summary(figures: list[dict[str, float]]) -> dict[str, Any]:
    cpu = [each["cpu_us"] for each in figures]
    return {
        "cpu_us": statistics.median(cpu),
        "wall_us": statistics.median(each["wall_us"] for each in figures),
        "cpu_us_of_each_run": cpu,
        "texts": sum(each["texts"] for each in figures),
    }


def show(report: dict[str, Any]) -> None:
    """Print the comparison for people."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    print(f"{report['events']} deltas of {DELTA_BYTES} bytes, {report['runs']} runs; {versions}")
    print(f"\n{'µs an event, median':24}{'CPU':>8}{'lowest':>8}{'highest':>8}{'wall':>8}")
    for name, side in report["sides"].items():
        cpu = side["cpu_us_of_each_run"]
        row = (side["cpu_us"], min(cpu), max(cpu), side["wall_us"])
        print(f"{name:24}" + "".join(f"{figure:8.2f}" for figure in row))
    print("\nratio of CPU, median of the rounds")
    for label, ratio in report["ratios"].items():
        print(f"{label:32}{ratio:8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000, help="deltas of the measured turn")
    parser.add_argument("--runs", type=int, default=5, help="processes for each side")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options.side, options.port, options.events)))
        return
    report = compare(options.events, options.runs)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)


if __name__ == "__main__":
    main()
