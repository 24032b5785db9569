"""What a turn over HTTP leaves behind when it is dropped or given up."""

from __future__ import annotations

import gc
import itertools
from typing import Any

import pytest

from pyresponses_ws.errors import TurnTimeoutError
from tests.acceptance.test_http_turns import BIG_TURN, Phase, begin_and_wait, first, over_http
from tests.support.two_way_peer import TwoWayPeer


def test_a_dropped_http_turn_runs_no_more() -> None:
    """stats() says so at once, not only after the next turn."""
    with TwoWayPeer(post=first(begin_and_wait)) as peer, over_http(peer) as client:
        list(itertools.islice(client.stream(model="m", input="a"), 2))
        gc.collect()
        peer.wait_for_ends(1)
        assert client.stats().turns_running == 0


def test_a_stream_dropped_after_close_leaves_no_socket_to_the_collector() -> None:
    """ResourceWarning otherwise."""
    with TwoWayPeer(post=first(begin_and_wait)) as peer:
        client = over_http(peer)
        stream: Any = client.stream(model="m", input="a")
        next(stream)
        client.close(timeout=0)
        del stream
        del client
        gc.collect()


def test_an_upload_that_the_caller_gave_up_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over WebSocket: state sent, attempts 1. Over HTTP the same should be told."""
    phase = Phase("upload", monkeypatch)
    with phase.peer() as peer, over_http(peer) as client:
        with pytest.raises(TurnTimeoutError) as caught:
            client.create(**BIG_TURN, timeout=0.3)
        assert (caught.value.attempts, caught.value.state) == (1, "sent")
