"""Plays scripts without a server."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pyresponses_ws.server.engines.base import (
    CallDelta,
    CancelToken,
    Delta,
    Direction,
    EngineRequest,
    TextDelta,
)
from pyresponses_ws.server.engines.script.engine import ScriptEngine
from pyresponses_ws.server.engines.script.file import parse_script
from tests.server.drivers import user


def make_script_engine(script: str, **options: Any) -> ScriptEngine:
    """Make an engine of the text of a script."""
    return ScriptEngine(parse_script(script), **options)


def ask(*texts: str, **fields: Any) -> EngineRequest:
    """Make the request of a context in which the user said these texts."""
    return EngineRequest(**{"model": "m", "items": [user(text) for text in texts], **fields})


def direct(script: str | ScriptEngine, *texts: str, **fields: Any) -> Direction:
    """Return the direction of one turn."""
    engine = make_script_engine(script) if isinstance(script, str) else script
    return engine.direct(ask(*texts, **fields))


def perform(script: str | ScriptEngine, *texts: str, **fields: Any) -> list[Delta]:
    """Direct and run one turn; return all its deltas."""
    engine = make_script_engine(script) if isinstance(script, str) else script
    request = ask(*texts, **fields)
    directed = dataclasses.replace(request, direction=engine.direct(request))
    return list(engine.run(directed, CancelToken()))


def reply(steps: str) -> str:
    """Make a script of one rule that replies with these steps, in flow style, to everything."""
    return f"rules: [{{when: {{user: '(?P<first>.).*'}}, reply: [{steps}]}}]"


def text_of(deltas: Sequence[Delta]) -> str:
    """Return what was said or called, joined."""
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta | CallDelta))
