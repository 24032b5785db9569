"""The OpenAI Responses API over one WebSocket, for programs that are not asynchronous.

Every public name is importable from here. Its module is loaded when the name is first asked for,
so that a program pays for what it uses: ``import pyresponses_ws`` itself loads no dependency.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pyresponses_ws import errors, events, items
from pyresponses_ws.version import __version__ as __version__

if TYPE_CHECKING:
    from pyresponses_ws.client import ResponsesClient as ResponsesClient
    from pyresponses_ws.codec import parse_event as parse_event
    from pyresponses_ws.commands import ResponseCreate as ResponseCreate
    from pyresponses_ws.commands import ResponseSteer as ResponseSteer
    from pyresponses_ws.config import Hooks as Hooks
    from pyresponses_ws.config import Timeouts as Timeouts
    from pyresponses_ws.connection import Connection as Connection
    from pyresponses_ws.connection import Lane as Lane
    from pyresponses_ws.errors import *  # noqa: F403
    from pyresponses_ws.events import *  # noqa: F403
    from pyresponses_ws.failures import ErrorDetails as ErrorDetails
    from pyresponses_ws.failures import normalize_error as normalize_error
    from pyresponses_ws.items import *  # noqa: F403
    from pyresponses_ws.partial import Partial as Partial
    from pyresponses_ws.report import ClientStats as ClientStats
    from pyresponses_ws.report import CloseInfo as CloseInfo
    from pyresponses_ws.report import LinkReport as LinkReport
    from pyresponses_ws.report import RetryReport as RetryReport
    from pyresponses_ws.report import TurnReport as TurnReport
    from pyresponses_ws.stream import ResponseStream as ResponseStream

#: Module to the public names that it defines.
_HOMES = {
    "client": ["ResponsesClient"],
    "codec": ["parse_event"],
    "commands": ["ResponseCreate", "ResponseSteer"],
    "config": ["Hooks", "Timeouts"],
    "connection": ["Connection", "Lane"],
    "errors": [name for name in vars(errors) if name.endswith("Error")],
    "events": events.__all__,
    "failures": ["ErrorDetails", "normalize_error"],
    "items": items.__all__,
    "partial": ["Partial"],
    "report": ["ClientStats", "CloseInfo", "LinkReport", "RetryReport", "TurnReport"],
    "stream": ["ResponseStream"],
}
_home_of = {name: module for module, names in _HOMES.items() for name in names}

#: Tables, in capitals, stay out: a star import must not overwrite somebody's TOOLS.
__all__ = sorted(["__version__", *(name for name in _home_of if not name.isupper())])


def __getattr__(name: str) -> Any:
    """Load the module of a public name."""
    if name not in _home_of:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_home_of[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
