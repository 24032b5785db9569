"""A server of nothing but ``websockets``: it sends recorded frames on time, and does no more.

The floor of the server's benchmark. The frames are those that the measured server sent, with the
client's own mark in them, made before the first client comes. It reads one recording for each
length of turn from standard input, prints its port, and serves until it is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from crowd import GREETING, mark
from websockets.asyncio.server import ServerConnection, serve

#: Frames of a turn by its number of deltas.
Recordings = Mapping[int, Sequence[str]]

_DELTA = '"response.output_text.delta"'


class Bare:
    """Every client's turns, ready to send."""

    def __init__(self, recordings: Recordings, *, clients: int, every: float) -> None:
        self._every = every
        self._turns = {
            (mark(number), deltas): [frame.replace(mark(0), mark(number)) for frame in frames]
            for deltas, frames in recordings.items()
            for number in range(clients)
        }

    async def answer(self, socket: ServerConnection) -> None:
        """Answer each request with the turn that it asks for, until the client leaves."""
        async for message in socket:
            words = json.loads(message)["input"].split()
            deltas = len(words) + len(GREETING.split())
            for frame in self._turns[words[0][: len(mark(0))], deltas]:
                if _DELTA in frame[:64]:
                    await asyncio.sleep(self._every)
                await socket.send(frame)


async def run(peer: Bare, *, is_deflated: bool) -> None:
    """Print the port, then serve for ever."""
    compression = "deflate" if is_deflated else None
    async with serve(peer.answer, "127.0.0.1", 0, compression=compression) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


@contextlib.contextmanager
def bare(
    recordings: Recordings, *, clients: int, every: float, is_deflated: bool
) -> Iterator[tuple[int, str]]:
    """Run the server in its own process; yields its process id and its URL."""
    arguments = [sys.executable, __file__, "--clients", str(clients), "--every", str(every)]
    arguments += ["--deflate"] * is_deflated
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, text=True) as server:
        try:
            assert server.stdin is not None
            assert server.stdout is not None
            print(json.dumps(recordings), file=server.stdin, flush=True)
            yield server.pid, f"http://127.0.0.1:{int(server.stdout.readline())}/"
        finally:
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--every", type=float, required=True)
    parser.add_argument("--deflate", action="store_true")
    options = parser.parse_args()
    recordings = {int(deltas): frames for deltas, frames in json.loads(input()).items()}
    peer = Bare(recordings, clients=options.clients, every=options.every)
    asyncio.run(run(peer, is_deflated=options.deflate))


if __name__ == "__main__":
    main()
