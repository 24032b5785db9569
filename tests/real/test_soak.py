"""Eight threads and a network that breaks every second, for a minute."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def test_nothing_goes_wrong_while_the_network_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    """No wrong outcome, nothing run twice, no memory or thread left; the figures are printed."""
    command = [sys.executable, str(ROOT / "benchmarks/soak.py"), "--seconds", "60"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=240)
    with capsys.disabled():
        print(done.stdout, done.stderr)
    figures = json.loads(done.stdout)
    assert (figures["wrong"], figures["duplicates"], figures["is_flat"]) == ([], 0, True)
    assert sum(figures["faults"].values()) > 20
    assert set(figures["transports"]) == {"websocket", "http"}
    assert done.returncode == 0
