"""What a connection can continue."""

from __future__ import annotations

import pytest

from pyresponses_ws.errors import PreviousResponseNotFoundError
from pyresponses_ws.server.core.chain import Chain, Checkpoint
from pyresponses_ws.server.core.store import ResponseStore
from tests.server.drivers import NOW, make_request


def make_chain() -> Chain:
    """Make a chain of owner ``me`` with an empty store."""
    return Chain(owner="me", store=ResponseStore())


def make_checkpoint(response_id: str, lane: str | None = None) -> Checkpoint:
    """Make a checkpoint of owner ``me``."""
    return Checkpoint(id=response_id, items=(), owner="me", lane=lane)


def test_a_checkpoint_of_any_lane_is_found() -> None:
    """A fork names the latest response of another lane."""
    chain = make_chain()
    chain.commit(make_checkpoint("resp_1", "a"))
    found = chain.find(make_request(previous_response_id="resp_1", stream_id="b"), NOW)
    assert found == make_checkpoint("resp_1", "a")


def test_only_the_latest_of_a_lane_is_kept() -> None:
    """A new checkpoint replaces the lane's old one."""
    chain = make_chain()
    chain.commit(make_checkpoint("resp_1"))
    chain.commit(make_checkpoint("resp_2"))
    with pytest.raises(PreviousResponseNotFoundError, match="resp_1"):
        chain.find(make_request(previous_response_id="resp_1"), NOW)


def test_eviction_leaves_other_checkpoints_alone() -> None:
    """Only the lane's own latest goes, and only if it is the parent."""
    chain = make_chain()
    chain.commit(make_checkpoint("resp_1", "a"))
    chain.commit(make_checkpoint("resp_2", "b"))
    request = make_request(previous_response_id="resp_1", stream_id="b")
    chain.evict(request, chain.find(request, NOW))
    assert chain.find(make_request(previous_response_id="resp_2"), NOW) is not None
