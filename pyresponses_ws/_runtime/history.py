"""How many bytes the history behind each response id holds: the price of a full replay."""

from __future__ import annotations

from collections import OrderedDict

from pyresponses_ws import codec
from pyresponses_ws._runtime.request import TurnRequest
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws.errors import UsageError
from pyresponses_ws.items import Response

#: Ids remembered, an int each. Arbitrary: a busy worker's last hour.
_LIMIT = 10_000


class HistorySizes:
    """Bytes of JSON by response id, the oldest forgotten first. Safe for any thread."""

    def __init__(self, threads: Threads) -> None:
        # Guards the table.
        self._lock = threads.lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def full_replay_bytes(self, request: TurnRequest) -> int | None:
        """Bytes of the request with its history inlined; None if that is not known here."""
        before = self._before(request)
        return None if before is None else before + len(request.payload)

    def note(self, request: TurnRequest, response: Response) -> None:
        """Remember what a turn added, now that it has completed."""
        before = self._before(request)
        if before is None or not isinstance(response.id, str):
            return
        try:
            output = codec.dumps(response.output or [])
        except UsageError:
            # Half an emoji, for one: it came, but could not be sent.
            return
        size = before + request.input_bytes + len(output)
        with self._lock:
            self._sizes[response.id] = size
            if len(self._sizes) > _LIMIT:
                self._sizes.popitem(last=False)

    def _before(self, request: TurnRequest) -> int | None:
        if request.previous_response_id is None:
            return 0
        with self._lock:
            return self._sizes.get(request.previous_response_id)
