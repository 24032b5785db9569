"""For tests of your own code: a server, a proxy that breaks connections, and doubles of ours."""

from __future__ import annotations

from pyresponses_ws.testing.clock import ManualClock
from pyresponses_ws.testing.fault_proxy import FaultProxy
from pyresponses_ws.testing.faults import (
    BlackHole,
    Corrupt,
    Cut,
    Delay,
    Duplicate,
    Fault,
    HalfClose,
    Refuse,
    Reset,
    Stall,
    Trickle,
)
from pyresponses_ws.testing.local_server import LocalServer
from pyresponses_ws.testing.scripted import ScriptedTransport

__all__ = [
    "BlackHole",
    "Corrupt",
    "Cut",
    "Delay",
    "Duplicate",
    "Fault",
    "FaultProxy",
    "HalfClose",
    "LocalServer",
    "ManualClock",
    "Refuse",
    "Reset",
    "ScriptedTransport",
    "Stall",
    "Trickle",
]
