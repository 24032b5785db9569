"""The keeper thread: one per client; pings quiet links, cuts dead ones, retires dropped turns.

It blocks on the clock only. It never waits for a lock: a link whose sender holds the socket is
alive by that, or that sender's own timer ends it. It holds links, which hold nothing above them,
and ends when no link is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pyresponses_ws._runtime.clock import Empty
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Sink
from pyresponses_ws._runtime.threads import Threads, Worker
from pyresponses_ws._transport.base import Close
from pyresponses_ws.config import Timeouts


@dataclass
class _Watch:
    """What the keeper knows of one link; its thread only."""

    link: Link
    #: When the ping that still waits for an answer left.
    pinged_at: float | None = None
    #: Bytes that the kernel held back at the last look; while they shrink, the clocks stand still.
    unsent: int = 0


class Keeper:
    """Watches links. Safe from any thread; ``wake`` and ``drop`` in a finalizer too."""

    def __init__(self, threads: Threads, timeouts: Timeouts) -> None:
        self._clock = threads.clock
        self._timeouts = timeouts
        # What to do, or None: look again.
        self._words = threads.queue()
        # Links to watch that the thread has not seen yet; guarded by the worker's lock.
        self._new: list[Link] = []
        self._worker = Worker(threads, "keeper", self._run)

    def watch(self, link: Link) -> None:
        """Keep the link alive from now on; starts the thread if none runs."""
        self._worker.give(lambda: self._new.append(link))
        self.wake()

    def wake(self) -> None:
        """Look again soon: a link has ended."""
        self._words.put(None)

    def drop(self, link: Link, sink: Sink) -> None:
        """Retire a turn that nobody waits for. Only queues a word: finalizers call it."""
        self._words.put(partial(link.abandon, sink))

    def say_goodbye(self, link: Link, close: Close) -> None:
        """Close a link politely: the close frame may have to wait up to a second for room."""
        if link.begin_goodbye(close):
            self._words.put(partial(link.writer.say_goodbye, close.code, close.reason))
        else:
            link.transport.abort()

    def _run(self) -> None:
        watches: list[_Watch] = []

        def is_idle() -> bool:
            watches.extend(_Watch(link) for link in self._new)
            self._new.clear()
            watches[:] = [watch for watch in watches if not watch.link.is_ended]
            return not watches

        while not self._worker.may_leave(is_idle):
            due = min(self._look_at(watch) for watch in watches)
            self._wait(None if due == math.inf else due)

    def _wait(self, due: float | None) -> None:
        try:
            word: Callable[[], object] | None = self._clock.get(self._words, due)
        except Empty:
            return
        if word is not None:
            word()

    def _look_at(self, watch: _Watch) -> float:
        """Do what is due for one link; returns when to look again."""
        now, link, interval = self._clock.now(), watch.link, self._timeouts.ping_interval
        if interval is None:
            return math.inf
        if watch.pinged_at is not None and link.last_received >= watch.pinged_at:
            watch.pinged_at = None
        if watch.pinged_at is not None:
            return self._judge(watch, now)
        if now < link.last_received + interval:
            return link.last_received + interval
        if self._is_uploading(watch) or not link.writer.ping():
            return now + interval
        watch.pinged_at = now
        # Our own ping is in the queue now, and its leaving is a sign of life too.
        watch.unsent = link.transport.unsent_bytes() or 0
        return now + self._timeouts.ping_timeout

    def _judge(self, watch: _Watch, now: float) -> float:
        """Cut the link if its ping has waited too long, unless an upload is draining."""
        assert watch.pinged_at is not None
        timeout = self._timeouts.ping_timeout
        if self._is_uploading(watch):
            watch.pinged_at = now
        elif now >= watch.pinged_at + timeout:
            watch.link.abort(Close(reason=f"no answer to a ping within {timeout:g} s"))
        return max(now, watch.pinged_at) + timeout

    def _is_uploading(self, watch: _Watch) -> bool:
        """Whether the peer is still taking bytes of ours: the kernel's queue has shrunk.

        Pings queue behind an upload, so their answers cannot come earlier.
        """
        unsent = watch.link.transport.unsent_bytes() or 0
        is_shrinking = 0 < unsent < watch.unsent
        watch.unsent = unsent
        return is_shrinking
