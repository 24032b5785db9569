"""The fixtures that the package registers with pytest."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

TEST = """
def test_it(responses_client, responses_server):
    response = responses_client.create(model="m", input="Say hello.")
    assert response.output_text == "You said: Say hello."
    assert responses_server.base_url.endswith("/v1")
"""


def test_a_users_test_gets_a_client_of_a_running_server(pytester: pytest.Pytester) -> None:
    """No set-up but the names of the fixtures."""
    pytester.makepyfile(TEST)
    # Where the package is installed, its plugin comes by itself as well: once is enough.
    plugin = ("-p", "no:pyresponses_ws", "-p", "pyresponses_ws.testing.plugin")
    result = pytester.runpytest_subprocess(*plugin, "-W", "error")
    result.assert_outcomes(passed=1)
