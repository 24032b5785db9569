"""For tests of your own code: a server on loopback, and the doubles of our own tests."""

from __future__ import annotations

from pyresponses_ws.testing.clock import ManualClock
from pyresponses_ws.testing.local_server import LocalServer
from pyresponses_ws.testing.scripted import ScriptedTransport

__all__ = ["LocalServer", "ManualClock", "ScriptedTransport"]
