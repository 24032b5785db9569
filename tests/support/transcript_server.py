"""A server that says what a transcript says: as frames, as server-sent events, or as one JSON.

What the service would send over HTTP is known from its protocol: the objects of the frames without
``stream_id``; a refusal that came in the place of a response is a status and a body. JSON tells the
last event's Response, or its error.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyresponses_ws.failures import normalize_error
from tests.support.raw_server import CLOSE, TEXT, Peer, RawServer, frame

Json = dict[str, Any]

TRANSCRIPTS = Path(__file__).parents[1] / "data" / "transcripts"
_ENDS = {"response.completed", "response.incomplete", "response.failed"}


@dataclass
class Play:
    """One create of a transcript, and what the service answered to it."""

    create: Json
    events: list[Json] = field(default_factory=list)

    @property
    def why_left_out(self) -> str | None:
        """Why this create has no counterpart on one of the transports; None if it has."""
        cache = self.create.get("prompt_cache_options") or {}
        if self.create.get("generate") is False or cache.get("prewarm"):
            return "a warm-up: over HTTP it would generate"
        codes = {(event.get("error") or {}).get("code") for event in self.events}
        if "websocket_connection_limit_reached" in codes:
            return "the age of a connection: HTTP has none"
        if codes & {"invalid_stream_id", "websocket_stream_limit_reached"}:
            return "the name of a lane: HTTP has none"
        return None

    @property
    def is_refused(self) -> bool:
        """The answer came in the place of a response."""
        return self.events[0]["type"] == "error"


def read_plays(name: str) -> list[Play]:
    """Return the creates of a transcript with their answers, each lane first come, first served.

    What answers no create (successors of steering, answers to other commands) is left out.
    """
    lines = (TRANSCRIPTS / f"{name}.jsonl").read_text("utf-8").splitlines()[1:]
    plays: list[Play] = []
    waiting: dict[str | None, deque[Play]] = {}
    current: dict[str | None, Play | None] = {}
    for line in map(json.loads, lines):
        wire = line.get("frame") or {}
        lane = wire.get("stream_id")
        if line["dir"] == "client" and wire.get("type") == "response.create":
            plays.append(Play(wire))
            waiting.setdefault(lane, deque()).append(plays[-1])
        elif line["dir"] == "server" and not wire["type"].startswith("response.steer"):
            _take(wire, _lane_of(lane, waiting, current), waiting, current)
    return [play for play in plays if play.events]


def _lane_of(lane: str | None, waiting: Json | Any, current: Any) -> str | None:
    """Find the lane of a refusal whose bad lane name was not echoed."""
    if lane is None and not waiting.get(None) and not current.get(None):
        return next((name for name, plays in waiting.items() if plays), None)
    return lane


def _take(wire: Json, lane: str | None, waiting: Any, current: Any) -> None:
    queue = waiting.get(lane) or deque()
    if wire["type"] == "response.created" or (wire["type"] == "error" and not current.get(lane)):
        current[lane] = queue.popleft() if queue else None
    play = current.get(lane)
    if play is None:
        return
    play.events.append({key: value for key, value in wire.items() if key != "stream_id"})
    if wire["type"] in _ENDS or play.is_refused:
        current[lane] = None


@contextmanager
def serve_plays(plays: Sequence[Play]) -> Iterator[str]:
    """Serve the answers of some creates in their order; yield the base URL."""
    rest = iter(plays)

    def script(peer: Peer) -> None:
        with contextlib.suppress(EOFError, ConnectionError):
            peer.read_request()
            if "upgrade" in peer.headers:
                _talk(peer, rest)
            else:
                _answer(peer, rest)

    with RawServer(script) as server:
        yield f"http://127.0.0.1:{server.port}/v1"


def _talk(peer: Peer, rest: Iterator[Play]) -> None:
    """Speak WebSocket."""
    peer.send(peer.acceptance())
    while True:
        opcode, payload = peer.read_frame()
        if opcode == CLOSE:
            peer.send(frame(CLOSE, payload[:2]))
            return
        texts = [json.dumps(event).encode() for event in next(rest).events]
        peer.send(*(frame(TEXT, text) for text in texts))


def _answer(peer: Peer, rest: Iterator[Play]) -> None:
    """Speak HTTP."""
    while True:
        body = json.loads(peer.read_exactly(int(peer.headers["content-length"])))
        play = next(rest)
        if play.is_refused or not body.get("stream"):
            peer.send(_as_json(play.events))
        else:
            peer.send(_as_stream(play.events))
        peer.headers = {}
        peer.read_request()


def _as_stream(events: Sequence[Json]) -> bytes:
    texts = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return _http("200 OK", "text/event-stream", "".join(texts).encode())


def _as_json(events: Sequence[Json]) -> bytes:
    last = events[-1]
    if "response" in last:
        return _http("200 OK", "application/json", json.dumps(last["response"]).encode())
    details = normalize_error(last)
    error = dict(last["error"])
    headers = {**error.pop("headers", {}), **last.get("headers", {})}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    body = json.dumps({"error": error}).encode()
    return _http(f"{details.implied_status or 500} No", "application/json", body, *lines)


def _http(status: str, kind: str, body: bytes, *lines: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body
