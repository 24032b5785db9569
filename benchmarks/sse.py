"""CPU and wall time of one event over HTTP: pyresponses_ws beside the official openai package.

Each side runs the same loop in a fresh process, in turns with the others, against a server in a
process of its own; the figures are medians. CPU is the client process's, over all its threads,
for one whole turn on an open connection, after a first turn and a full garbage collection. Every
text is compared. The *floor* is what the work costs at least with requests: its chunks, split on
blank lines, ``orjson.loads``.

Servers put each event in an HTTP chunk of its own, and many of these in a packet; ``--chunks
large`` has 64 KiB in each instead, as after a proxy that gathers. The public iterator also builds
the Response and keeps a partial; *transport alone* does not.

::

    pip install 'pyresponses-ws[fast]' openai
    python benchmarks/sse.py
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from blaster import DELTA_BYTES, build_turn, delta_text
from events import _SETTINGS, _summary, _versions

#: Deltas of the turn that goes before, so that nothing is measured which is done once a process.
WARM_UP = 200
#: Bytes of a large chunk, and of one write of the server.
LARGE = 64 * 1024
#: Runs a turn of so many deltas and returns the texts of its deltas.
Turn = Callable[[int], list[str]]

_DELTA, _COMPLETED = "response.output_text.delta", "response.completed"
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


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


def ours(url: str) -> Turn:
    """Stream through the public iterator."""
    from pyresponses_ws import ResponsesClient

    client = ResponsesClient(api_key="none", base_url=url, transport="http")

    def turn(deltas: int) -> list[str]:
        with client.stream(model="blaster", input=str(deltas)) as stream:
            return _delta_texts(stream)

    return turn


def ours_without_orjson(url: str) -> Turn:
    """Do the same as an installation without the ``fast`` extra."""
    sys.modules["orjson"] = cast(Any, None)  # its import then fails
    return ours(url)


def transport_alone(url: str) -> Turn:
    """Read typed events from the transport, with nothing above it."""
    from pyresponses_ws._runtime.threads import Threads
    from pyresponses_ws._transport.base import Endpoint, HTTPRequest
    from pyresponses_ws._transport.http import RequestsPool

    pool = RequestsPool(run_with_deadline=Threads().run_with_deadline)

    def turn(deltas: int) -> list[str]:
        body = json.dumps({"model": "blaster", "input": str(deltas), "stream": True}).encode()
        request = HTTPRequest(
            method="POST", endpoint=Endpoint(url=f"{url}/responses"), body=body, accept="*/*"
        )
        call = pool.start(request, check=lambda: None, connect_timeout=10, send_timeout=30)
        call.send(on_sent=lambda: None)
        texts = _delta_texts(_typed_events(call.read))
        call.dispose()
        return texts

    return turn


def _typed_events(read: Callable[[], bytes]) -> Iterator[Any]:
    from pyresponses_ws import codec
    from pyresponses_ws._protocol.sse import SSEParser

    parser = SSEParser()
    while data := read():
        events: list[Any] = []
        codec.parse_events(parser.receive_data(data), events)
        yield from events


def openai(url: str) -> Turn:
    """Stream typed events through the official package."""
    from openai import OpenAI

    client = OpenAI(api_key="none", base_url=url)

    def turn(deltas: int) -> list[str]:
        with client.responses.create(model="blaster", input=str(deltas), stream=True) as stream:
            return _delta_texts(stream)

    return turn


def floor(url: str) -> Turn:
    """Split what requests yields on blank lines and parse it; nothing typed, nothing checked."""
    import requests
    from orjson import loads

    session = requests.Session()

    def turn(deltas: int) -> list[str]:
        texts, rest = [], b""
        body = {"model": "blaster", "input": str(deltas), "stream": True}
        with session.post(f"{url}/responses", json=body, stream=True) as response:
            for data in response.iter_content(chunk_size=None):
                *blocks, rest = (rest + data).split(b"\n\n")
                for block in blocks:
                    event = loads(block.partition(b"\ndata: ")[2])
                    if event["type"] == _DELTA:
                        texts.append(event["delta"])
        return texts

    return turn


OURS, OURS_STDLIB, ALONE = "ours, orjson", "ours, stdlib json", "transport alone"
OPENAI, FLOOR = "openai", "floor"
SIDES: dict[str, Callable[[str], Turn]] = {
    OURS: ours,
    OURS_STDLIB: ours_without_orjson,
    ALONE: transport_alone,
    OPENAI: openai,
    FLOOR: floor,
}
#: What is divided by what.
RATIOS = {
    "openai / ours, orjson": (OPENAI, OURS),
    "openai / ours, stdlib json": (OPENAI, OURS_STDLIB),
    "openai / transport alone": (OPENAI, ALONE),
    "ours, orjson / floor": (OURS, FLOOR),
    "transport alone / floor": (ALONE, FLOOR),
}


def measure(side: str, url: str, events: int) -> dict[str, float]:
    """Run one side here; return microseconds an event, and how many texts were right."""
    turn = SIDES[side](url)
    turn(WARM_UP)
    # What the imports made is due for a full collection, at some event in the middle of the turn.
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    texts = turn(events)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if texts != [delta_text(index) for index in range(events)]:
        sys.exit(f"{side}: the texts differ from what the server sent")
    return {"cpu_us": cpu / events * 1e6, "wall_us": wall / events * 1e6, "texts": len(texts)}


# ------------------------------------------------------------------------------- the server


def build_stream(deltas: int, chunks: str) -> bytes:
    """Return the body of a whole answer, ready to be written."""
    from pyresponses_ws._transport.frames import FrameParser

    texts = FrameParser().receive_data(b"".join(build_turn(deltas)))
    events = [f"event: {json.loads(text)['type']}\ndata: {text}\n\n".encode() for text in texts]
    if chunks == "large":
        whole = b"".join(events)
        events = [whole[start : start + LARGE] for start in range(0, len(whole), LARGE)]
    return b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events) + b"0\r\n\r\n"


def serve(chunks: str, sizes: list[int]) -> None:
    """Print the port, then answer one connection after another for ever."""
    streams = {deltas: build_stream(deltas, chunks) for deltas in sizes}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with sock, contextlib.suppress(EOFError, ConnectionError):
                answer(sock, streams)


def answer(sock: socket.socket, streams: dict[int, bytes]) -> None:
    """Answer each request with the turn that it asks for, until the client leaves."""
    for number in itertools.count(1):
        stream = streams[int(json.loads(_read_body(sock))["input"])]
        # Whoever meets an id again takes the response for one that is over.
        sock.sendall(
            _HEAD + stream.replace(b"resp_0000000000000000", f"resp_{number:016}".encode())
        )


def _read_body(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    size = next(
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    while len(body) < size:
        body += _receive(sock)
    return body


def _receive(sock: socket.socket) -> bytes:
    data = sock.recv(1 << 16)
    if not data:
        raise EOFError
    return data


@contextlib.contextmanager
def serving(chunks: str, *sizes: int) -> Iterator[str]:
    """Run the server in its own process; yields its base URL."""
    command = [sys.executable, __file__, "--serve", *map(str, sizes), "--chunks", chunks]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        finally:
            server.kill()


# --------------------------------------------------------------------------- the comparison


def compare(events: int, runs: int, chunks: str) -> dict[str, Any]:
    """Run every side ``runs`` times, in turns; return medians and all figures."""
    rounds = []
    with serving(chunks, WARM_UP, events) as url:
        for number in range(runs):
            # Each round begins with another side: what comes first finds the machine warmer or
            # colder than what follows.
            names = list(SIDES)
            names = names[number % len(names) :] + names[: number % len(names)]
            rounds.append({name: _measure_apart(name, url, events) for name in names})
    return {
        "events": events,
        "runs": runs,
        "chunks": chunks,
        "versions": {
            "python": platform.python_version(),
            **_versions("openai", "requests", "orjson"),
        },
        "sides": {name: _summary([each[name] for each in rounds]) for name in SIDES},
        "ratios": {
            label: statistics.median(each[a]["cpu_us"] / each[b]["cpu_us"] for each in rounds)
            for label, (a, b) in RATIOS.items()
        },
    }


def _measure_apart(side: str, url: str, events: int) -> dict[str, float]:
    """Run one side in a fresh process."""
    command = [sys.executable, __file__, "--side", side, "--url", url, "--events", str(events)]
    # Neither a proxy of the environment nor options of the official package may come in.
    env = {key: os.environ[key] for key in os.environ if not _SETTINGS.search(key)}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return cast("dict[str, float]", json.loads(done.stdout))


def show(report: dict[str, Any]) -> None:
    """Print the comparison for people."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    shape = "an event a chunk" if report["chunks"] == "event" else "chunks of 64 KiB"
    print(f"{report['events']} deltas of {DELTA_BYTES} bytes, {shape}, {report['runs']} runs")
    print(
        f"{versions}\n\n{'µs an event, median':24}{'CPU':>8}{'lowest':>8}{'highest':>8}{'wall':>8}"
    )
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
    parser.add_argument("--chunks", choices=("event", "large"), default="event")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.chunks, options.serve)
    elif options.side:
        print(json.dumps(measure(options.side, options.url, options.events)))
    else:
        report = compare(options.events, options.runs, options.chunks)
        print(json.dumps(report, indent=2)) if options.json else show(report)


if __name__ == "__main__":
    main()
