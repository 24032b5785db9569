"""One server for all tests of this folder that need no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
