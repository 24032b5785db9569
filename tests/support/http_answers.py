"""An HTTP server made of scripts, one a connection, and a client of it that does not wait long."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyresponses_ws import ResponsesClient
from pyresponses_ws.config import ApiKey
from tests._transport.http_scripts import read_request, sized
from tests.support.raw_server import Peer, RawServer

Json = dict[str, Any]
Script = Callable[[Peer], object]

KEY = "sk-never-to-be-shown"


class NoJitter(random.Random):
    """Draws the shortest pause, which is none."""

    def uniform(self, a: float, b: float) -> float:
        return a


def answer(body: Json | bytes, status: str = "200 OK", *lines: str) -> Script:
    """A script that answers one request and ends the connection."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def script(peer: Peer) -> None:
        read_request(peer)
        peer.send(sized(data, status, "Connection: close", *lines))

    return script


def refuse(status: str, code: str, *lines: str) -> Script:
    """A script that answers with an error of the API."""
    return answer({"error": {"message": f"no: {code}", "code": code}}, status, *lines)


def reset(peer: Peer) -> None:
    """A script that takes the request and resets the connection."""
    read_request(peer)
    peer.reset()


def stored(response_id: str = "resp_1", **fields: Any) -> Json:
    """A Response, as small as it can be."""
    return {
        "id": response_id,
        "object": "response",
        "status": "completed",
        "output": [],
        **fields,
    }


@contextmanager
def serving(
    *scripts: Script, key: ApiKey = KEY, **options: Any
) -> Iterator[tuple[ResponsesClient, list[str]]]:
    """Run the n-th script on the n-th connection; yield a client, and the requests that came.

    A request is its line; a connection more than there are scripts fails the test.
    """
    rest, lines = iter(scripts), list[str]()

    def script(peer: Peer) -> None:
        each = next(rest)
        with contextlib.suppress(EOFError):
            each(peer)
        lines.append(peer.request.split(b"\r\n")[0].decode())

    with RawServer(script) as server:
        base_url = f"http://127.0.0.1:{server.port}/v1"
        with ResponsesClient(key, base_url=base_url, **options) as client:
            client._pool.rng = NoJitter()
            yield client, lines
