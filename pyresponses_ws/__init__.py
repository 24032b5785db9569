"""The OpenAI Responses API over one WebSocket, for programs that are not asynchronous.

Every public name is importable from here. Its module is loaded when the name is first asked for,
so that a program pays for what it uses: ``import pyresponses_ws`` itself loads no dependency.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyresponses_ws import errors, events, items
from pyresponses_ws.lazy import lazy_names
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
    from pyresponses_ws.diagnosis import Diagnosis as Diagnosis
    from pyresponses_ws.errors import *  # noqa: F403
    from pyresponses_ws.events import *  # noqa: F403
    from pyresponses_ws.failures import ErrorDetails as ErrorDetails
    from pyresponses_ws.failures import normalize_error as normalize_error
    from pyresponses_ws.input_items import InputItemPage as InputItemPage
    from pyresponses_ws.items import *  # noqa: F403
    from pyresponses_ws.partial import Partial as Partial
    from pyresponses_ws.report import ClientStats as ClientStats
    from pyresponses_ws.report import CloseInfo as CloseInfo
    from pyresponses_ws.report import FallbackReport as FallbackReport
    from pyresponses_ws.report import LinkReport as LinkReport
    from pyresponses_ws.report import RetryReport as RetryReport
    from pyresponses_ws.report import RotateReport as RotateReport
    from pyresponses_ws.report import TurnReport as TurnReport
    from pyresponses_ws.responses import Responses as Responses
    from pyresponses_ws.stored_stream import StoredStream as StoredStream
    from pyresponses_ws.stream import ResponseStream as ResponseStream

#: Module to the public names that it defines.
_HOMES = {
    "client": ["ResponsesClient"],
    "codec": ["parse_event"],
    "commands": ["ResponseCreate", "ResponseSteer"],
    "config": ["Hooks", "Timeouts"],
    "connection": ["Connection", "Lane"],
    "diagnosis": ["Diagnosis"],
    "errors": [name for name in vars(errors) if name.endswith("Error")],
    "events": [name for names in events.HOMES.values() for name in names],
    "failures": ["ErrorDetails", "normalize_error"],
    "input_items": ["InputItemPage"],
    "items": [name for names in items.HOMES.values() for name in names],
    "partial": ["Partial"],
    "report": [
        *("ClientStats", "CloseInfo", "FallbackReport", "LinkReport", "RetryReport"),
        *("RotateReport", "TurnReport"),
    ],
    "responses": ["Responses"],
    "stored_stream": ["StoredStream"],
    "stream": ["ResponseStream"],
}
if not TYPE_CHECKING:
    # Type checkers take the imports above; here they could only see that any name may be there.
    names, __getattr__, __dir__ = lazy_names(__name__, _HOMES)
    #: Tables, in capitals, stay out: a star import must not overwrite somebody's TOOLS.
    __all__ = sorted(["__version__", *(name for name in names if not name.isupper())])
    del names
