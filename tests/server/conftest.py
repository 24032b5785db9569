"""One server for all tests of this folder that need no other."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from pyresponses_ws.server import serve
from pyresponses_ws.testing import LocalServer


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """Run the echo engine in a thread."""
    with LocalServer() as running:
        yield running


@pytest.fixture
def slow_server() -> Iterator[LocalServer]:
    """Run an engine that would take minutes for a sentence."""
    with LocalServer(delta_delay=60) as running:
        yield running


@pytest.fixture(autouse=True)
def _the_loop_has_nothing_to_complain(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail the test in which a callback of a server's loop broke: only the log says so."""
    yield
    told = [record for record in caplog.get_records("call") if record.name == serve.__name__]
    assert [record.getMessage() for record in told if record.levelno >= logging.ERROR] == []
