"""A relay between a client and the server that keeps what the client sent."""

from __future__ import annotations

import json
import threading
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve


class Recorder:
    """Listens from ``with`` on; ``commands`` holds the frames of every client, in order."""

    def __init__(self, base_url: str) -> None:
        self._upstream = base_url.replace("http", "ws", 1) + "/responses"
        #: Appended by the thread of each connection.
        self.commands: list[dict[str, Any]] = []
        #: Connections that clients opened; written by the thread of each.
        self.connections = 0
        self._server: Server = serve(self._relay, "127.0.0.1", 0, max_size=None)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def base_url(self) -> str:
        """The URL that stands for the server's own."""
        return f"http://127.0.0.1:{self._server.socket.getsockname()[1]}/v1"

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)

    def _relay(self, client: ServerConnection) -> None:
        self.connections += 1
        assert client.request is not None
        key = {"Authorization": client.request.headers["Authorization"]}
        with connect(self._upstream, additional_headers=key, proxy=None, max_size=None) as server:
            back = threading.Thread(target=_pass_on, args=(server, client))
            back.start()
            try:
                for text in client:
                    self.commands.append(json.loads(text))
                    server.send(text)
            except ConnectionClosed:
                pass  # A client that leaves without a close frame has left all the same.
        back.join(10)


def _pass_on(server: ClientConnection, client: ServerConnection) -> None:
    try:
        for text in server:
            client.send(text)
    except ConnectionClosed:
        return
