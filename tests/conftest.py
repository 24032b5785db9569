"""Make every test, and every process that a test starts, run the checkout; catch left threads."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from pyresponses_ws.testing import LocalServer

pytest_plugins = ["pyresponses_ws.testing.plugin", "tests.matrix.grid"]

#: Child processes find their modules by this, as the tests do by ``pythonpath`` in setup.cfg.
_ROOT = str(Path(__file__).resolve().parent.parent)
os.environ["PYTHONPATH"] = os.pathsep.join([_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])])

# The first text that is drawn in a fresh checkout has hypothesis build its table of Unicode, which
# takes two seconds under coverage: too slow for its own health check, and no fault of a test. Nor
# is a first import, or a busy machine: no test here is about how long an example takes.
hypothesis.settings.register_profile(
    "fresh checkout", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("fresh checkout")


#: Processes that share the plain tests. They mostly wait, but more of them would disturb each other
#: on a machine with two processors.
_WORKERS = 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Share all plain tests out; run a few in this process, and alone those that measure it."""
    is_all = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return _WORKERS if is_all and config.option.markexpr == "not real" else 0


def pytest_collection_finish() -> None:
    """Have the collector pass over the thousands of tests: some of them call it at every step."""
    gc.collect()
    gc.freeze()


#: Threads of a client, which must be gone once the test has let go of it. A resolver may be left
#: behind by design, and the server that all tests share keeps its own.
_ROLES = tuple(f"pyresponses-{role}" for role in ("reader", "keeper", "reconnector", "dispatcher"))
#: Seconds for them to end: retiring a link in the background takes a close frame and a read.
_GRACE = 5.0


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Fail the test that leaves a client's thread running."""
    before = set(threading.enumerate())
    yield
    started = [t for t in threading.enumerate() if t not in before and t.name.startswith(_ROLES)]
    deadline = time.monotonic() + _GRACE
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert [thread.name for thread in started if thread.is_alive()] == []


@pytest.fixture
def _served_offline(responses_server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients that are told nothing talk to the embedded server.

    Two variables of the environment are all that tells it from the service.
    """
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    monkeypatch.setenv("OPENAI_BASE_URL", responses_server.base_url)
