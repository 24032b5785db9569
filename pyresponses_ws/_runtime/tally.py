"""Counts over the life of one client."""

from __future__ import annotations

from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws._transport.base import HTTPCall, Transport
from pyresponses_ws.report import ClientStats


class Tally:
    """Knows every link that is open, pooled or not, and what became of the others. Any thread."""

    def __init__(self, threads: Threads) -> None:
        # Guards what follows.
        self._lock = threads.lock()
        self._links: set[Link] = set()
        self._opened = self._turns = self._retries = self._reconnects = self._rotations = 0
        # Calls over HTTP that are under way; turns over HTTP ever, and those of them that left
        # WebSocket.
        self._calls: set[HTTPCall] = set()
        self._http_turns = self._fallbacks = 0
        # Of the links and HTTP calls that have ended.
        self._bytes_sent = self._bytes_received = 0

    def link_opened(self, link: Link, *, is_reconnect: bool) -> None:
        with self._lock:
            self._links.add(link)
            self._opened += 1
            self._reconnects += is_reconnect

    def link_ended(self, link: Link) -> bool:
        """Returns whether the link had been open."""
        with self._lock:
            if link not in self._links:
                return False
            self._links.discard(link)
            self._bytes_sent += link.transport.bytes_sent
            self._bytes_received += link.transport.bytes_received
            return True

    def link_rotated(self) -> None:
        with self._lock:
            self._rotations += 1

    def http_began(self, call: HTTPCall, *, is_first: bool, is_fallback: bool) -> None:
        """A request leaves over HTTP; ``is_first`` of its turn."""
        with self._lock:
            self._calls.add(call)
            self._http_turns += is_first
            self._fallbacks += is_first and is_fallback

    def http_ended(self, call: HTTPCall) -> None:
        """Idempotent."""
        with self._lock:
            if call in self._calls:
                self._calls.discard(call)
                self._bytes_sent += call.bytes_sent
                self._bytes_received += call.bytes_received

    def turn_ended(self, *, attempts: int) -> None:
        with self._lock:
            self._turns += 1
            self._retries += max(0, attempts - 1)

    def stats(self) -> ClientStats:
        with self._lock:
            links = list(self._links)
            sockets: list[Transport | HTTPCall] = [link.transport for link in links]
            sockets += self._calls
            return ClientStats(
                links=len(links),
                links_opened=self._opened,
                turns_running=len(self._calls) + sum(not link.is_quiet for link in links),
                turns=self._turns,
                retries=self._retries,
                reconnects=self._reconnects,
                http_turns=self._http_turns,
                fallbacks=self._fallbacks,
                rotations=self._rotations,
                bytes_sent=self._bytes_sent + sum(x.bytes_sent for x in sockets),
                bytes_received=self._bytes_received + sum(x.bytes_received for x in sockets),
            )
