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
        # Taken out, it goes back in as the one seen last.
        full_at = min(max(self._full_at.pop(owner, now), now), now + capacity)
        cost = 1.0 / self._rate
        wait = full_at + cost - (now + capacity)
        # Sums of floats miss by their last digits; a microsecond early is in time.
        is_early = wait > 1e-6
        self._full_at[owner] = full_at if is_early else full_at + cost
        if len(self._full_at) > self._max_owners:
            self._full_at.popitem(last=False)
        return wait if is_early else None

    def __len__(self) -> int:
        """Return how many owners are remembered."""
        return len(self._full_at)
