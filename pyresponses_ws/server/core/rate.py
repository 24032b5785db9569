"""How many creates a second one owner may send."""

from __future__ import annotations

from collections import OrderedDict

#: Owners whose recent creates are remembered; beyond it the one longest unseen starts afresh. Each
#: takes about 200 bytes. Arbitrary.
MAX_OWNERS = 10_000


class RateLimiter:
    """A token bucket an owner, ``rate`` tokens a second; pure, the caller brings the time.

    An idle owner may send ``max(1, rate)`` creates at once. None for ``rate`` is no limit.
    """

    def __init__(self, rate: float | None, *, max_owners: int = MAX_OWNERS) -> None:
        self._rate = rate
        self._max_owners = max_owners
        # By owner, the time at which its bucket is full again; the longest unseen first.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, owner: str, now: float) -> float | None:
        """Take a token; return None if there was one, else the seconds until there is.

        ``now`` may jump: back, and the owner waits no longer than for an empty bucket.
        """
        if self._rate is None:
            return None
        capacity = max(1.0, self._rate) / self._rate
        empties = min(max(self._full_at.get(owner, now), now), now + capacity)
        cost = 1.0 / self._rate
        wait = empties + cost - (now + capacity)
        # Sums of floats miss by their last digits; a microsecond early is in time.
        if wait > 1e-6:
            return wait
        self._full_at[owner] = empties + cost
        self._full_at.move_to_end(owner)
        if len(self._full_at) > self._max_owners:
            self._full_at.popitem(last=False)
        return None

    def __len__(self) -> int:
        """Return how many owners are remembered."""
        return len(self._full_at)
