"""Engines by the name that ``--engine`` takes."""

from __future__ import annotations

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.engines.base import Engine
from pyresponses_ws.server.engines.echo import EchoEngine


def make_engine(name: str, *, delta_delay: float = 0.0) -> Engine:
    """Make the engine that ``name`` stands for. Raises ConfigError if there is none."""
    if name == "echo":
        return EchoEngine(delta_delay=delta_delay)
    raise ConfigError(f"unknown engine {name!r}; known: 'echo'")
