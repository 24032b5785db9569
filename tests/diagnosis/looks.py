"""Looks at a server as a client with a secret in every place would."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws.config import ClientConfig, Timeouts
from pyresponses_ws.diagnosis import Diagnosis, diagnose
from tests.support.raw_server import Peer, close_frame

KEY = "sk-canary-key"
HEADER = "canary-header"
QUERY = "canary-query"
USER = "canary-user"
PASSWORD = "canary-password"
#: None of these may ever be in a diagnosis.
CANARIES = (KEY, HEADER, QUERY, USER, PASSWORD)


def stay(peer: Peer) -> None:
    """Accept, say nothing, and answer the client's goodbye."""
    peer.accept()
    with contextlib.suppress(EOFError, OSError):
        peer.read_frame()
        peer.send(close_frame(1000))


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port whose backlog is full, so that it takes no connection and refuses none."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def look(url: str, *, watch: float = 0.05, is_anonymous: bool = False, **options: Any) -> Diagnosis:
    """Diagnose a client of this server; no canary may come through."""
    timeouts = Timeouts(connect=options.pop("connect", 5))
    config = ClientConfig(
        **{
            "api_key": KEY,
            "base_url": url.removesuffix("/responses"),
            "headers": {"X-Canary": HEADER},
            "query": {"tenant": QUERY},
            "timeouts": timeouts,
            **options,
        }
    )
    found = diagnose(config, Threads(), watch=watch, is_anonymous=is_anonymous)
    shown = f"{found} {found!r} {json.dumps(found.to_dict())}"
    assert [canary for canary in CANARIES if canary in shown] == []
    assert "{" not in found.verdict + found.advice
    return found
