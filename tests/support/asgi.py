"""Calls an ASGI application without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.server.app import ServerApp

_HEADERS = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]


@dataclass
class Answer:
    """What an application sent; ``status`` is None if it sent nothing."""

    status: int | None = None
    body: bytes = b""

    def take(self, message: Any) -> None:
        """Add one message of the application."""
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")


def ask(
    app: ServerApp,
    method: str,
    path: str,
    body: object = None,
    *,
    leaves: Callable[[], object] | None = None,
) -> Answer:
    """Send one request and return the answer.

    The client stays for it, or else leaves when ``leaves``, called on a thread, returns.
    """
    return asyncio.run(_ask(app, method, path, json.dumps(body).encode(), leaves))


async def _ask(
    app: ServerApp, method: str, path: str, body: bytes, leaves: Callable[[], object] | None
) -> Answer:
    answer = Answer()
    incoming: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if incoming:
            return incoming.pop()
        if leaves is None:
            await asyncio.Event().wait()
        else:
            await asyncio.to_thread(leaves)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answer.take(message)

    await app.asgi(_make_scope(method, path), receive, send)
    return answer


def _make_scope(method: str, path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": _HEADERS,
        "state": {},
    }
