"""Callbacks of a connection."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import pytest

from tests._runtime.rig import created, reconnect, rig


def test_callbacks_hear_what_they_subscribed_to() -> None:
    """By type, by "*", of opening and closing; until they unsubscribe."""
    heard: list[Any] = []
    with rig(None, None) as made, made.client.connect() as connection:
        stop = connection.on("response.created", lambda event: heard.append(event.type))
        connection.on("*", lambda event: heard.append("*"))
        connection.on("close", lambda info: heard.append(info.code))
        connection.on("open", lambda report: heard.append(report.link))
        told: SimpleQueue[Any] = SimpleQueue()
        connection.on("keepalive", told.put)
        made.transport.feed(created(), {"type": "keepalive"})
        told.get(timeout=10)
        stop()
        stop()
        made.transport.feed(created("resp_2"))
        made.transport.end(1001)
        reconnect(made, 1)
        made.transports[1].feed({"type": "keepalive"})
        told.get(timeout=10)
    # "*" comes after the type's own callbacks; the last one may not have been told yet.
    assert heard[:6] == ["response.created", "*", "*", "*", 1001, 2]


def test_a_callback_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The others still hear."""
    with rig(None) as made, made.client.connect() as connection:
        ready: SimpleQueue[Any] = SimpleQueue()
        connection.on("keepalive", lambda event: 1 // 0)
        connection.on("keepalive", ready.put)
        made.transport.feed({"type": "keepalive"})
        assert ready.get(timeout=10).type == "keepalive"
    assert "a callback of 'keepalive' raised" in caplog.text


def test_the_last_close_is_told_before_the_dispatcher_goes() -> None:
    """Also when the user closes."""
    for _ in range(20):
        with rig(None) as made:
            connection = made.client.connect()
            told: SimpleQueue[Any] = SimpleQueue()
            connection.on("close", told.put)
            connection.close()
            assert told.get(timeout=10).code == 1000
