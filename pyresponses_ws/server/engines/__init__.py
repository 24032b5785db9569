"""Engines by the name that ``--engine`` takes."""

from __future__ import annotations

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.engines.base import Engine
from pyresponses_ws.server.engines.echo import EchoEngine


def make_engine(name: str, *, delta_delay: float = 0.0) -> Engine:
    """Make the engine that ``name`` stands for.

    Raises ConfigError if there is none, or if its script cannot be read.
    """
    kind, _, path = name.partition(":")
    if name == "echo":
        return EchoEngine(delta_delay=delta_delay)
    if kind == "script" and path:
        return _make_script_engine(path, delta_delay)
    raise ConfigError(f"unknown engine {name!r}; known: 'echo', 'script:FILE'")


def _make_script_engine(path: str, delta_delay: float) -> Engine:
    """Import what reads YAML only for whoever asks for a script."""
    try:
        from pyresponses_ws.server.engines.script_file import read_script
    except ModuleNotFoundError as exc:
        problem = f"the script engine needs {exc.name}: pip install 'pyresponses-ws[server]'"
        raise ConfigError(problem) from exc
    from pyresponses_ws.server.engines.script import ScriptEngine

    return ScriptEngine(read_script(path), delta_delay=delta_delay)
