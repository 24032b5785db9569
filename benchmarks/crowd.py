"""Many WebSocket clients in one process: some hold a connection, others stream turns at once.

Figures about a server need clients that do not use its processor time. This process obeys the lines
of its standard input, one command each, and answers each with one line of JSON, so that whoever
reads the server's figures knows in which state it is. Every text is compared with what was sent,
and every event's number with its place.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

#: What the echo engine puts before a user's text; two deltas.
GREETING = "You said: "
#: Deltas of a short turn, by which an idle connection shows that it still works.
SHORT = 3
#: Connections that are opened at the same time; arbitrary, well under a server's backlog.
_OPENING = 50
#: Seconds in which anything must have happened. A turn of 200 deltas takes four or five.
_PATIENCE = 60.0
#: Reasons that are told in full; what breaks one connection mostly breaks many alike.
_TOLD = 5
_TERMINALS = ("response.completed", "response.incomplete", "response.failed", "error")


def user_text(number: int, deltas: int) -> str:
    """Return what client ``number`` says so that an echo has so many deltas, one a word.

    Each word holds the number and its place, so that a lost, swapped or misled one shows.
    """
    return " ".join(f"{mark(number)}{place:04}" for place in range(deltas - len(GREETING.split())))


def mark(number: int) -> str:
    """Return what tells the texts of one client from those of others."""
    return f"n{number:04}."


class WrongAnswer(Exception):
    """What came is not what was asked for."""


@dataclass
class Answer:
    """What one turn brought."""

    events: int = 0
    pieces: list[str] = field(default_factory=list)
    #: When each delta came.
    times: list[float] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def gaps(self) -> Iterator[float]:
        """Seconds between a delta and the next."""
        return (after - before for before, after in itertools.pairwise(self.times))


async def ask(socket: ClientConnection, text: str, frames: list[str] | None = None) -> Answer:
    """Run one turn and check it against itself; keep its frames in ``frames``."""
    await socket.send(json.dumps({"type": "response.create", "model": "crowd", "input": text}))
    answer, kind, event = Answer(), "", {}
    while kind not in _TERMINALS:
        frame = await socket.recv(decode=True)
        if frames is not None:
            frames.append(frame)
        event = json.loads(frame)
        kind = event["type"]
        if event.get("sequence_number") != answer.events:
            raise WrongAnswer(f"event {answer.events} is {frame[:200]}")
        answer.events += 1
        if kind == "response.output_text.delta":
            answer.times.append(time.monotonic())
            answer.pieces.append(event["delta"])
    _check_end(event, answer.text)
    return answer


def _check_end(event: dict[str, Any], text: str) -> None:
    if event["type"] != "response.completed":
        raise WrongAnswer(f"the turn ended with {json.dumps(event)[:200]}")
    parts = [part for item in event["response"]["output"] for part in item.get("content", ())]
    if "".join(part.get("text", "") for part in parts) != text:
        raise WrongAnswer("the text of the response is not that of its deltas")


class Crowd:
    """The clients of one server, and what they have seen."""

    def __init__(self, url: str, *, is_echo: bool, is_deflated: bool) -> None:
        self._url = url
        self._is_echo = is_echo
        self._compression = "deflate" if is_deflated else None
        self._idle: list[ClientConnection] = []
        self._ready: list[ClientConnection] = []
        self._opening = asyncio.Semaphore(_OPENING)

    async def record(self, deltas: int) -> dict[str, Any]:
        """Run one turn of so many deltas; return its frames."""
        frames: list[str] = []
        socket = await self._open()
        await self._ask(socket, 0, deltas, frames)
        await socket.close()
        return {"frames": frames}

    async def idle(self, count: int) -> dict[str, Any]:
        """Open connections that then say nothing."""
        return await self._open_all(count, self._idle)

    async def ready(self, count: int) -> dict[str, Any]:
        """Open connections that are to stream."""
        return await self._open_all(count, self._ready)

    async def stream(self, deltas: int) -> dict[str, Any]:
        """Stream a turn of so many deltas on every connection made ready, all at once."""
        begin = time.monotonic()
        answered = await _settle(
            self._ask(socket, number, deltas) for number, socket in enumerate(self._ready)
        )
        seconds = time.monotonic() - begin
        return _sum_up(answered.results, seconds) | answered.failures

    async def wake(self) -> dict[str, Any]:
        """Ping every idle connection and run a short turn on it."""
        answered = await _settle(
            self._ping_and_ask(socket, number) for number, socket in enumerate(self._idle)
        )
        return _sum_up(answered.results, 0.0) | answered.failures

    async def leave(self) -> dict[str, Any]:
        """Close what is open."""
        closed = await _settle(socket.close() for socket in (*self._idle, *self._ready))
        return {"closed": len(closed.results), **closed.failures}

    async def _open_all(self, count: int, sockets: list[ClientConnection]) -> dict[str, Any]:
        opened = await _settle(self._open() for _ in range(count))
        sockets += opened.results
        return {"open": len(sockets), **opened.failures}

    async def _open(self) -> ClientConnection:
        async with self._opening:
            return await connect(
                self._url,
                additional_headers={"Authorization": "Bearer none"},
                compression=self._compression,
                # The pings of the server are what is to be measured, not those of its clients.
                ping_interval=None,
                proxy=None,
                max_size=None,
                open_timeout=_PATIENCE,
            )

    async def _ping_and_ask(self, socket: ClientConnection, number: int) -> Answer:
        await (await socket.ping())
        return await self._ask(socket, number, SHORT)

    async def _ask(
        self, socket: ClientConnection, number: int, deltas: int, frames: list[str] | None = None
    ) -> Answer:
        text = user_text(number, deltas)
        answer = await ask(socket, text, frames)
        if self._is_echo and answer.text != GREETING + text:
            raise WrongAnswer(f"client {number} was told {answer.text[:200]!r}")
        if self._is_echo and len(answer.pieces) != deltas:
            raise WrongAnswer(f"client {number} got {len(answer.pieces)} deltas, not {deltas}")
        return answer


@dataclass
class _Settled:
    """What became of work done side by side."""

    results: list[Any] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def failures(self) -> dict[str, Any]:
        return {"failures": len(self.reasons), "reasons": self.reasons[:_TOLD]}


async def _settle(work: Iterable[Awaitable[Any]]) -> _Settled:
    """Do everything at once and to its end, whatever fails."""
    settled = _Settled()
    timed = [asyncio.wait_for(each, _PATIENCE) for each in work]
    for result in await asyncio.gather(*timed, return_exceptions=True):
        if isinstance(result, BaseException):
            settled.reasons.append(f"{type(result).__name__}: {result}")
        else:
            settled.results.append(result)
    return settled


def _sum_up(answers: list[Answer], seconds: float) -> dict[str, Any]:
    gaps = sorted(gap for answer in answers for gap in answer.gaps) or [0.0]
    return {
        "texts": len(answers),
        "events": sum(answer.events for answer in answers),
        "deltas": sum(len(answer.pieces) for answer in answers),
        "seconds": seconds,
        "gap_median": statistics.median(gaps),
        "gap_p99": gaps[len(gaps) * 99 // 100],
        "gap_worst": gaps[-1],
    }


# ------------------------------------------------------------------------- the two ends of the pipe


async def obey(crowd: Crowd) -> None:
    """Carry out commands until standard input ends."""
    commands: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
        "record": crowd.record,
        "idle": crowd.idle,
        "ready": crowd.ready,
        "stream": crowd.stream,
        "wake": crowd.wake,
        "leave": crowd.leave,
    }
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, *numbers = line.split()
        print(json.dumps(await commands[name](*map(int, numbers))), flush=True)


#: Gives a command to a crowd and waits for its answer.
Command = Callable[..., dict[str, Any]]


@contextlib.contextmanager
def crowd(url: str, *, is_echo: bool = True, is_deflated: bool = False) -> Iterator[Command]:
    """Run a crowd in its own process; yields what gives it commands."""
    arguments = [sys.executable, __file__, re.sub("^http", "ws", url)]
    arguments += ["--echo"] * is_echo + ["--deflate"] * is_deflated
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, text=True) as process:

        def command(*words: object) -> dict[str, Any]:
            assert process.stdin is not None
            assert process.stdout is not None
            print(*words, file=process.stdin, flush=True)
            line = process.stdout.readline()
            if not line:
                sys.exit(f"the clients' process ended at: {' '.join(map(str, words))}")
            answer: dict[str, Any] = json.loads(line)
            return answer

        try:
            yield command
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", help="where to connect")
    parser.add_argument("--echo", action="store_true", help="expect what was sent, greeted")
    parser.add_argument("--deflate", action="store_true", help="offer compression")
    options = parser.parse_args()

    async def run() -> None:
        await obey(Crowd(options.url, is_echo=options.echo, is_deflated=options.deflate))

    asyncio.run(run())


if __name__ == "__main__":
    main()
