"""The keeper thread: one per client; keeps links alive, and ends or replaces those that need it.

It blocks on the clock only. It never waits for a lock: a link whose sender holds the socket is
alive by that, or that sender's own timer ends it. It holds links, which hold nothing above them,
and ends when no link is left.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pyresponses_ws._protocol.upkeep import Chore, Upkeep
from pyresponses_ws._runtime.clock import Empty
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Sink
from pyresponses_ws._runtime.threads import Threads, Worker
from pyresponses_ws._transport.base import NORMAL_CLOSURE, Close
from pyresponses_ws.config import Timeouts

logger = logging.getLogger("pyresponses_ws.keeper")

#: What the peer hears when a link goes because nobody uses it.
IDLE = Close(code=NORMAL_CLOSURE, reason="Idle")


@dataclass(frozen=True)
class _Watch:
    """A link and what it needs; the keeper's thread only."""

    link: Link
    upkeep: Upkeep


class Keeper:
    """Watches links. Safe from any thread; ``wake`` and ``drop`` in a finalizer too."""

    def __init__(self, threads: Threads, timeouts: Timeouts) -> None:
        self._clock = threads.clock
        self._timeouts = timeouts
        # For jitter: it spreads links out and guards nothing.
        self._rng = random.Random()
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

    def say_goodbye(self, link: Link, close: Close, *, if_idle: bool = False) -> bool:
        """Close a link politely: the close frame may have to wait up to a second for room.

        ``if_idle``: leave it alone if a turn runs. Returns whether a close frame is on its way.
        """
        if link.begin_goodbye(close, if_idle=if_idle):
            self._words.put(partial(self._part, link, close))
            return True
        if not if_idle:
            link.transport.abort()
        return False

    def _part(self, link: Link, close: Close) -> None:
        link.writer.say_goodbye(close.code, close.reason)
        # The peer has the time of a ping's answer; nothing else that it sends prolongs that.
        link.vitals.ends_at = self._clock.now() + self._timeouts.ping_timeout

    def _run(self) -> None:
        watches: list[_Watch] = []

        def is_idle() -> bool:
            watches.extend(self._begin(link) for link in self._new)
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

    def _begin(self, link: Link) -> _Watch:
        idle = self._timeouts.idle if link.closes_when_idle else None
        upkeep = Upkeep(self._timeouts, opened_at=link.vitals.opened_at, idle=idle, rng=self._rng)
        return _Watch(link, upkeep)

    def _look_at(self, watch: _Watch) -> float:
        """Do what is due for one link; returns when to look again."""
        while True:
            now, facts = self._clock.now(), watch.link.vitals.facts()
            if watch.link.vitals.ends_at < math.inf:
                return self._look_at_end(watch.link, now)
            chore = watch.upkeep.look(now, facts)
            if chore is Chore.NOTHING:
                return watch.upkeep.due(now, facts)
            if chore is Chore.PING:
                self._ping(watch, now)
            elif chore is Chore.CUT:
                timeout = self._timeouts.ping_timeout
                watch.link.abort(Close(reason=f"no answer to a ping within {timeout:g} s"))
                return math.inf
            elif chore is Chore.CLOSE_IDLE:
                self.say_goodbye(watch.link, IDLE, if_idle=True)
            else:
                self._tell_owner(watch.link, chore)

    def _ping(self, watch: _Watch, now: float) -> None:
        link = watch.link
        link.vitals.note_ping()
        if link.writer.ping():
            watch.upkeep.pinged(now, unsent=link.transport.unsent_bytes() or 0)
        else:
            watch.upkeep.skipped(now)

    def _look_at_end(self, link: Link, now: float) -> float:
        """Cut a link whose peer has not answered our close."""
        if now < link.vitals.ends_at:
            return link.vitals.ends_at
        link.abort(Close(reason="no answer to our close"))
        return math.inf

    def _tell_owner(self, link: Link, chore: Chore) -> None:
        owner = link.owner
        if owner is None:
            return
        try:
            if chore is Chore.REPLACE:
                owner.link_ageing(link)
            else:
                owner.link_expired(link)
        except Exception:
            # Safety net: one owner's trouble must not end the upkeep of other links.
            logger.exception("link %d could not be replaced", link.number)
