"""A server under fire: a process whose log is kept, and a bystander whom nothing may disturb."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

#: Seconds for anything that is not supposed to fail.
PATIENCE = 20.0

#: The line that the WebSocket library writes for it.
_BAD_UTF8 = "Invalid UTF-8 sequence received from client."


@dataclass(frozen=True)
class Fortress:
    """A server in a process of its own, at its default log level."""

    base_url: str
    log_file: Path

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, _, port = self.base_url.split("/")[2].partition(":")
        return host, int(port)

    def log(self) -> list[str]:
        """Return what it logged so far."""
        return self.log_file.read_text("utf-8", "replace").splitlines()

    def complaints(self) -> list[str]:
        """Return the lines of its log that no peer may cause; bad UTF-8 may cause one."""
        signs = ("Traceback", " ERROR ", " CRITICAL ", "Warning:", "never retrieved")
        lines = [line for line in self.log() if not line.endswith(_BAD_UTF8)]
        return [line for line in lines if any(sign in line for sign in signs)]


@contextlib.contextmanager
def run_fortress(folder: Path, *options: str) -> Iterator[Fortress]:
    """Run the server as users do, with its log in a file."""
    command = [sys.executable, "-W", "default", "-m", "pyresponses_ws.server", *options]
    log_file = folder / "server.log"
    pipe = subprocess.PIPE
    with (
        log_file.open("wb") as log,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            yield Fortress(process.stdout.readline().strip(), log_file)
            assert process.poll() is None, log_file.read_text("utf-8", "replace")
        finally:
            process.terminate()


def open_socket(base_url: str) -> ClientConnection:
    """Open a WebSocket of a peer that means well."""
    url = base_url.replace("http", "ws", 1) + "/responses"
    return connect(url, compression=None, ping_interval=None, open_timeout=PATIENCE)


def ask(ws: ClientConnection, text: str, **fields: Any) -> str:
    """Run one turn and return the text of its answer; every event must be of that turn."""
    ws.send(json.dumps({"type": "response.create", "model": "m", "input": text, **fields}))
    number = 0
    while True:
        frame = json.loads(ws.recv(timeout=PATIENCE))
        assert (frame["sequence_number"], frame.get("stream_id")) == (
            number,
            fields.get("stream_id"),
        )
        number += 1
        if frame["type"] == "response.completed":
            return str(frame["response"]["output"][0]["content"][0]["text"])


class Bystander:
    """Runs turns all the time on a thread of its own, and compares every answer."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._stop = threading.Event()
        # Written by the thread, read once it is joined.
        self._failure: BaseException | None = None
        #: Turns that were right.
        self.turns = 0
        self._thread = threading.Thread(target=self._run, name="bystander")

    def __enter__(self) -> Bystander:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join(2 * PATIENCE)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise AssertionError(f"a bystander was harmed after {self.turns} turns") from (
                self._failure
            )

    def _run(self) -> None:
        try:
            with open_socket(self._base_url) as ws:
                while not self._stop.is_set():
                    self._take_turn(ws)
        except BaseException as exc:  # Shown by the thread that started this one.
            self._failure = exc

    def _take_turn(self, ws: ClientConnection) -> None:
        lane = {"stream_id": "aside"} if self.turns % 2 else {}
        text = f"turn {self.turns}"
        assert ask(ws, text, **lane) == f"You said: {text}"
        self.turns += 1
