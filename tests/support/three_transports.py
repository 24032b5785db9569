"""The same turns over WebSocket, over server-sent events and as plain JSON, made comparable.

What every run makes anew is replaced: an id by its kind and the order in which it is first met, so
that two places that held one id still do; a time by the word; padding and encrypted contents by
a word too. ``stream_id`` is a WebSocket's alone and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws import Response, ResponsesClient, codec
from pyresponses_ws._protocol.turn import Ending
from pyresponses_ws._runtime.api_call import APICall
from pyresponses_ws._runtime.api_request import APIRequest
from pyresponses_ws._runtime.verdict import ending_error
from pyresponses_ws.errors import APIError, ResponsesWSError
from pyresponses_ws.events import Event
from pyresponses_ws.failures import normalize_error

Json = dict[str, Any]
#: What a turn sends, made of the Responses of the turns before it; None for one without.
TurnOf = Callable[[Sequence["Response | None"]], Json]

_ID = re.compile(r"\b([a-z]+)_(?:[0-9a-f]{50}|(?<=call_)[A-Za-z0-9]{24})\b")
_TIMES = {"created_at", "completed_at"}
_RANDOM = {"obfuscation", "encrypted_content"}


class Settler:
    """Puts words in the place of what every run makes anew. One for each run that is compared."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def settle(self, value: Any, key: str = "") -> Any:
        """Return plain JSON with fixed words; the order of keys counts, so objects are lists."""
        if isinstance(value, dict):
            kept = ((name, each) for name, each in value.items() if name != "stream_id")
            return [(name, self.settle(each, name)) for name, each in kept]
        if isinstance(value, (list, tuple)):
            return [self.settle(each) for each in value]
        if value is not None and key in _TIMES | _RANDOM:
            return key
        return _ID.sub(self._name, value) if isinstance(value, str) else value

    def _name(self, found: re.Match[str]) -> str:
        return self._names.setdefault(found[0], f"{found[1]}#{len(self._names) + 1}")


@dataclass
class Outcome:
    """How one turn ended."""

    response: Response | None = None
    error: ResponsesWSError | None = None
    #: None where the transport has none.
    events: list[Event] | None = None
    #: By the turn's own report.
    transport: str = "json"

    @property
    def final(self) -> Response | None:
        """The Response that came, a failed one too."""
        return self.response or getattr(self.error, "response", None)


@dataclass
class Run:
    """All turns of one conversation over one transport."""

    outcomes: list[Outcome] = field(default_factory=list)

    def responses(self) -> list[Any]:
        """Return the final Responses, settled, with their texts."""
        settler = Settler()
        finals = [outcome.final for outcome in self.outcomes]
        return [r and (settler.settle(r.to_dict()), r.output_text) for r in finals]

    def events(self) -> list[Any]:
        """Return the events of each turn, settled."""
        settler = Settler()
        return [[settler.settle(e.to_dict()) for e in o.events or ()] for o in self.outcomes]

    def told_last(self) -> list[Any]:
        """Return the Responses of the last events as they came, settled."""
        settler = Settler()
        lasts = [outcome.events[-1] for outcome in self.outcomes if outcome.events]
        return [settler.settle(event.to_dict()["response"]) for event in lasts]

    def types(self) -> list[list[str]]:
        """Return the types of the events of each turn."""
        return [[event.type for event in outcome.events or ()] for outcome in self.outcomes]

    def errors(self) -> list[Any]:
        """Return what each turn raised, settled: its class, its facts and its words."""
        settler = Settler()
        return [o.error and settler.settle(_facts(o.error)) for o in self.outcomes]

    def partials(self) -> list[Any]:
        """Return what each error carried of its turn, settled."""
        settler = Settler()
        return [o.error and settler.settle(_partial(o.error)) for o in self.outcomes]


def stream_all(base_url: str, transport: Any, turns: Sequence[TurnOf]) -> Run:
    """Run the turns as streams over ``websocket`` or ``http``."""
    run = Run()
    with _client(base_url, transport) as client:
        for turn in turns:
            run.outcomes.append(_stream(client, turn([o.response for o in run.outcomes])))
    return run


def create_all(base_url: str, transport: Any, turns: Sequence[TurnOf]) -> Run:
    """Run the turns as blocking calls."""
    run = Run()
    with _client(base_url, transport) as client:
        for turn in turns:
            outcome = Outcome()
            try:
                outcome.response = client.create(**turn([o.response for o in run.outcomes]))
            except ResponsesWSError as exc:
                outcome.error = exc
            run.outcomes.append(outcome)
    return run


def post_all(base_url: str, turns: Sequence[TurnOf]) -> Run:
    """Run the turns as plain POSTs that are answered with one JSON object."""
    run = Run()
    with _client(base_url, "http") as client:
        for turn in turns:
            run.outcomes.append(_post(client, turn([o.response for o in run.outcomes])))
    return run


def _client(base_url: str, transport: Any) -> ResponsesClient:
    """Make a client that tries nothing twice, so that every refusal is seen."""
    return ResponsesClient("test", base_url=base_url, transport=transport, replay="never")


def _stream(client: ResponsesClient, fields: Json) -> Outcome:
    outcome = Outcome(events=[])
    assert outcome.events is not None
    try:
        with client.stream(**fields) as stream:
            outcome.transport = stream.report.transport
            outcome.events.extend(event for event in stream)
            outcome.response = stream.get_final_response()
    except ResponsesWSError as exc:
        outcome.error = exc
        outcome.transport = exc.report.transport  # type: ignore[attr-defined]
    return outcome


def _post(client: ResponsesClient, fields: Json) -> Outcome:
    request = APIRequest(method="POST", path="", body=codec.dumps(fields))
    outcome = Outcome()
    try:
        body = APICall(client._pool, request, total=20).fetch()
    except ResponsesWSError as exc:
        outcome.error = exc
        return outcome
    response = codec.decode_response(codec.loads(body))
    if response.status == "failed":
        event = codec.parse_event({"type": "response.failed", "response": response.to_dict()})
        outcome.error = ending_error(Ending("failed", event, response, normalize_error(event)))
    else:
        outcome.response = response
    return outcome


def _facts(error: ResponsesWSError) -> Json:
    facts: Json = {"class": type(error).__name__, "code": getattr(error, "code", None)}
    if not isinstance(error, APIError):
        return facts
    names = ("type", "status", "param", "retry_after")
    return {**facts, **{name: getattr(error, name) for name in names}, "message": str(error)}


def _partial(error: Any) -> Json:
    partial = error.partial
    return {
        "state": error.state,
        "response_id": error.response_id,
        "text": partial.text,
        "items": [item.to_dict() for item in partial.items],
        "calls": len(partial.calls),
        "incomplete_calls": [item.to_dict() for item in partial.incomplete_calls],
        "usage": partial.usage and partial.usage.to_dict(),
    }
