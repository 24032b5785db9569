"""What a turn holds, as seen by whoever closes the client."""

from __future__ import annotations

from typing import Any

from pyresponses_ws._runtime.claim import Claim
from tests._runtime.rig import created, echo, rig


class Renewing(Claim):
    """A claim whose turn goes to its next attempt as soon as anybody has looked at its link."""

    _first: Any = None

    @property
    def link(self) -> Any:
        link, self._first = self._first, None
        return link

    @link.setter
    def link(self, link: Any) -> None:
        self._first = link


def test_a_turn_without_a_link_is_not_answered() -> None:
    """It is between two attempts, or has not come to the first."""
    with rig(None) as made:
        claim = Claim(made.client._pool)
        assert not claim.is_answered
        claim.finish()
        assert claim.is_answered


def test_a_turn_is_answered_when_its_terminal_event_has_arrived() -> None:
    """Read or not."""
    with rig(echo) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.settle()
        assert stream._delivery.claim.is_answered
        stream.close()


def test_a_turn_that_runs_is_not_answered() -> None:
    """Whatever has come of it."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created())
        made.transport.settle()
        assert not stream._delivery.claim.is_answered
        stream.close()


def test_close_survives_a_turn_that_goes_to_its_next_attempt() -> None:
    """The link that close saw is gone when it looks again; the turn is cancelled all the same."""
    with rig(None) as made:
        stream = made.client.stream(model="m", input="a")
        claim = Renewing(made.client._pool)
        claim.link = made.client._pool._links[0]
        made.client._pool.enter(claim)
        made.client.close(timeout=0)
        assert claim.is_cancelled
        stream.close()
