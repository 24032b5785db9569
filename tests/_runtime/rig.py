"""A client over scripted transports and a manual clock, and the frames they exchange."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyresponses_ws.client import ResponsesClient
from pyresponses_ws.testing.clock import ManualClock
from pyresponses_ws.testing.scripted import Answer, ScriptedTransport
from tests._protocol import wire
from tests.support.scripted_http import Plan, Reply, ScriptedHTTP

#: Real seconds that a thread of a test may take.
_PATIENCE = 10.0


def created(response_id: str = "resp_1", **fields: Any) -> dict[str, Any]:
    return dict(wire.created(response_id, **fields).to_dict())


def delta(text: str = "x") -> dict[str, Any]:
    return dict(wire.delta(text).to_dict())


def completed(response_id: str = "resp_1", **fields: Any) -> dict[str, Any]:
    return dict(wire.completed(response_id, **fields).to_dict())


def refusal(code: str, *, status: int | None = None, **error: Any) -> dict[str, Any]:
    """An ``error`` frame that answers a request."""
    frame = {"type": "error", "error": {"type": "error", "code": code, "message": "No.", **error}}
    return frame if status is None else {**frame, "status": status}


def turn(text: str = "Hello", response_id: str = "resp_1") -> list[dict[str, Any]]:
    """A whole answer."""
    return [created(response_id), delta(text), completed(response_id)]


def echo(command: dict[str, Any]) -> list[dict[str, Any]]:
    """Answer with the input as text; the id is made of it too."""
    return turn(command["input"], f"resp_{command['input']}")


def echo_http(body: dict[str, Any]) -> Reply:
    """Do the same over HTTP."""
    return Reply.of(*echo(body))


class Rig:
    """A client whose n-th link is the n-th of ``transports``, and its n-th POST that of ``http``.

    A further link or POST is an error.
    """

    def __init__(self, *answers: Answer | None, http: Sequence[Plan] = (), **options: Any) -> None:
        self.clock = ManualClock()
        self.transports = [ScriptedTransport(answer) for answer in answers or (None,)]
        self._fresh = iter(self.transports)
        self.client = ResponsesClient(
            options.pop("api_key", "sk-test"),
            base_url="http://localhost:9/v1",
            transport=options.pop("transport", "websocket"),
            transport_factory=lambda: next(self._fresh),
            clock=self.clock,
            **options,
        )
        self.http = ScriptedHTTP(self.clock, *http)
        # The one place that makes connections; it makes its own only while there is none.
        self.client._dialer._http = self.http

    @property
    def transport(self) -> ScriptedTransport:
        """The first link's."""
        return self.transports[0]


@contextmanager
def rig(*answers: Answer | None, **options: Any) -> Iterator[Rig]:
    """Make a rig, and cut its links at the end."""
    made = Rig(*answers, **options)
    try:
        yield made
    finally:
        for socket in (*made.transports, *made.http.calls):
            socket.abort()


class Call:
    """A function running on a thread of its own; ``result`` waits for what it returns."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._outcome: list[Any] = []
        self._error: BaseException | None = None
        self._function = function
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome.append(self._function())
        except BaseException as exc:
            self._error = exc

    def result(self) -> Any:
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), "the call did not end"
        if self._error is not None:
            raise self._error
        return self._outcome[0]


def cut(made: Rig, index: int = 0) -> None:
    """End a link without a close frame."""
    made.transports[index].end(1006)


def create(made: Rig, **turn_options: Any) -> Call:
    """Run a blocking turn on a thread of its own."""
    return Call(lambda: made.client.create(model="m", input="a", **turn_options))


def reconnect(made: Rig, delay: float) -> None:
    """Let the reconnector's next wait pass."""
    made.clock.wait_for_waiters(within=delay)
    made.clock.advance(delay)
