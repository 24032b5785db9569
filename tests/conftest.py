"""Make every test, and every process that a test starts, run the checkout."""

from __future__ import annotations

import os
from pathlib import Path

#: Child processes find their modules by this, as the tests do by ``pythonpath`` in setup.cfg.
_ROOT = str(Path(__file__).resolve().parent.parent)
os.environ["PYTHONPATH"] = os.pathsep.join([_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])])
