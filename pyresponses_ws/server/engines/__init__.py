"""Engines by the name that ``--engine`` takes."""

from __future__ import annotations

import os

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.engines.base import Engine
from pyresponses_ws.server.engines.echo import EchoEngine

#: The key for an upstream. Never the client's own variable: that key is not for any server.
UPSTREAM_KEY_VARIABLE = "PYRESPONSES_WS_UPSTREAM_API_KEY"

#: What stands behind the colon.
_ARGUMENTS = {"script": "FILE", "upstream": "URL", "transformers": "DIR"}


def make_engine(name: str, *, delta_delay: float = 0.0) -> Engine:
    """Make the engine that ``name`` stands for; a model is loaded when it returns.

    Raises ConfigError if there is none, if its script or model cannot be read, or if it needs
    packages that are missing.
    """
    kind, _, path = name.partition(":")
    if name == "echo":
        return EchoEngine(delta_delay=delta_delay)
    if kind == "script" and path:
        return _make_script_engine(path, delta_delay)
    if kind == "upstream" and path:
        return _make_upstream_engine(path)
    if kind == "transformers" and path:
        return _make_transformers_engine(path)
    known = ("echo", *(f"{each}:{argument}" for each, argument in _ARGUMENTS.items()))
    if kind in _ARGUMENTS:
        raise ConfigError(f"the engine {kind!r} needs its {_ARGUMENTS[kind]}: {kind}:...")
    raise ConfigError(f"unknown engine {name!r}; known: {', '.join(map(repr, known))}")


def _make_script_engine(path: str, delta_delay: float) -> Engine:
    """Import what reads YAML only for whoever asks for a script."""
    try:
        from pyresponses_ws.server.engines.script.file import read_script
    except ModuleNotFoundError as exc:
        problem = f"the script engine needs {exc.name}: pip install 'pyresponses-ws[server]'"
        raise ConfigError(problem) from exc
    from pyresponses_ws.server.engines.script.engine import ScriptEngine

    return ScriptEngine(read_script(path), delta_delay=delta_delay)


def _make_upstream_engine(url: str) -> Engine:
    """Import the HTTP transport only for whoever asks for an upstream."""
    from pyresponses_ws.server.engines.upstream.engine import UpstreamEngine

    return UpstreamEngine(url, api_key=os.environ.get(UPSTREAM_KEY_VARIABLE))


def _make_transformers_engine(directory: str) -> Engine:
    """Import what loads a model, which takes seconds, only for whoever asks for one."""
    from pyresponses_ws.server.engines.transformers.engine import TransformersEngine

    return TransformersEngine(directory)
