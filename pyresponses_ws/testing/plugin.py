"""pytest fixtures, registered by the package itself: a server for the session, and a client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyresponses_ws.client import ResponsesClient
    from pyresponses_ws.testing.local_server import LocalServer


@pytest.fixture(scope="session")
def responses_server() -> Iterator[LocalServer]:
    """Run the embedded server for the whole session; it answers by the rules of ``echo``."""
    from pyresponses_ws.testing.local_server import LocalServer

    with LocalServer() as server:
        yield server


@pytest.fixture
def responses_client(responses_server: LocalServer) -> Iterator[ResponsesClient]:
    """Make a client of the session's server; it is closed after the test."""
    from pyresponses_ws.client import ResponsesClient

    with ResponsesClient(api_key="test", base_url=responses_server.base_url) as client:
        yield client
