"""Plays an upstream's bytes to the engine without a socket, and its deltas to the real builder."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws._transport.base import Check, HTTPRequest
from pyresponses_ws.errors import APIError, ConnectionLostError
from pyresponses_ws.server.engines.base import CancelToken, Delta, EngineRequest, StartDelta
from pyresponses_ws.server.engines.upstream.engine import UpstreamEngine
from tests.server.drivers import NOW, Frame, make_builder, user

URL = "http://127.0.0.1:9/v1"

_PART = r"(content_part.added (output_text.delta )*(output_text.annotation.added )*"
_PART += r"(output_text.delta |output_text.annotation.added )*output_text.done content_part.done )"
_REFUSAL = r"(content_part.added (refusal.delta )*refusal.done content_part.done )"
_SUMMARY = r"(reasoning_summary_part.added (reasoning_summary_text.delta )*"
_SUMMARY += r"reasoning_summary_text.done reasoning_summary_part.done )"
_RAW = r"(content_part.added (reasoning_text.delta )*reasoning_text.done content_part.done )"
#: What is between an item's first and its last event.
_ORDER = {
    "message": f"({_PART}|{_REFUSAL})*",
    "reasoning": f"({_SUMMARY}|{_RAW})*",
    "function_call": r"((function_call_arguments.delta )*function_call_arguments.done )?",
    "custom_tool_call": r"((custom_tool_call_input.delta )*custom_tool_call_input.done )?",
}


@dataclass
class PlayedCall:
    """One HTTP call whose answer is known."""

    request: HTTPRequest
    status: int
    headers: Mapping[str, str]
    pieces: list[bytes]
    is_lost: bool
    check: Check
    send_error: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    bytes_sent: int = 0
    bytes_received: int = 0
    is_reused: bool = False
    connect_ms: float | None = None
    is_aborted: bool = False
    is_disposed: bool = False

    def send(self, *, on_sent: Callable[[], None]) -> None:
        self.gate.wait()
        self.check()
        if self.send_error is not None:
            raise self.send_error
        on_sent()

    def read(self) -> bytes:
        if self.pieces:
            return self.pieces.pop(0)
        if self.is_lost or self.is_aborted:
            raise ConnectionLostError("the connection was lost: reset", reason="reset")
        return b""

    def unsent_bytes(self) -> int | None:
        return 0

    def abort(self) -> None:
        self.is_aborted = True

    def dispose(self) -> None:
        self.is_disposed = True


@dataclass
class PlayedHTTP:
    """Answers every call alike."""

    pieces: Iterable[bytes] = ()
    is_lost: bool = False
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    send_error: Exception | None = None
    calls: list[PlayedCall] = field(default_factory=list)
    is_closed: bool = False
    #: Heads come while it is set.
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def start(
        self, request: HTTPRequest, *, check: Check, connect_timeout: float, send_timeout: float
    ) -> PlayedCall:
        call = PlayedCall(
            request,
            self.status,
            self.headers,
            list(self.pieces),
            self.is_lost,
            check,
            self.send_error,
            self.gate,
        )
        self.calls.append(call)
        return call

    def close(self) -> None:
        self.is_closed = True


def ask(text: str = "hi", **settings: Any) -> EngineRequest:
    """Make the request of a turn."""
    given = {"model": "m", **settings}
    return EngineRequest(model="m", items=[user(text)], settings=given)


@dataclass(frozen=True)
class Played:
    """What became of one answer."""

    deltas: list[Delta]
    error: APIError | None
    #: The events of the response; none where the turn was refused.
    events: list[Frame]

    @property
    def final(self) -> Frame:
        """The Response of the last event."""
        response: Frame = self.events[-1]["response"]
        return response

    @property
    def output(self) -> list[Frame]:
        """The output of the last event's Response."""
        items: list[Frame] = self.final["output"]
        return items


def play(http: PlayedHTTP, request: EngineRequest | None = None, **fields: Any) -> Played:
    """Run a turn through engine and builder; what is no APIError comes out."""
    engine = UpstreamEngine(URL, http=http)
    builder = make_builder(is_played=False, **fields)
    deltas: list[Delta] = []
    events: list[Frame] = []
    try:
        for delta in engine.run(request or ask(**fields), CancelToken()):
            deltas.append(delta)
            if isinstance(delta, StartDelta):
                events += builder.start()
            else:
                events += builder.add(delta)  # type: ignore[arg-type]  # no faults come of it
    except APIError as exc:
        if events:
            events += builder.fail(exc, NOW + 1)
        return Played(deltas, exc, events)
    return Played(deltas, None, events + builder.finish(NOW + 1))


def check_events(events: list[Frame]) -> None:
    """Assert that a response's events are in order, and that its parts add up."""
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    kinds = [each["type"].removeprefix("response.") for each in events]
    assert kinds[:2] == ["created", "in_progress"]
    ends = [kind for kind in kinds if kind in ("completed", "incomplete", "failed")]
    assert len(ends) == 1
    assert kinds[-1] == ends[0]
    final = events[-1]["response"]
    assert final["status"] == ends[0]
    done = [each["item"] for each in events if each["type"] == "response.output_item.done"]
    assert final["output"] == done
    _check_items(events, is_whole=ends[0] != "failed")


def _check_items(events: list[Frame], *, is_whole: bool) -> None:
    items: dict[int, list[Frame]] = {}
    for each in events:
        if "output_index" in each:
            items.setdefault(each["output_index"], []).append(each)
    assert list(items) == list(range(len(items)))
    for at, told in items.items():
        is_last = at == len(items) - 1
        _check_item(told, must_end=is_whole or not is_last)


def _check_item(told: list[Frame], *, must_end: bool) -> None:
    kinds = [each["type"].removeprefix("response.") for each in told]
    assert kinds[0] == "output_item.added"
    is_done = kinds[-1] == "output_item.done"
    assert is_done or not must_end
    if is_done:
        middle = "".join(f"{kind} " for kind in kinds[1:-1])
        assert re.fullmatch(_ORDER.get(told[0]["item"]["type"], ""), middle), (kinds, middle)
    pieces: list[str] = []
    for each in told:
        name, _, last = each["type"].rpartition(".")
        if last == "delta":
            pieces.append(each["delta"])
        elif last == "done" and name.rpartition(".")[2] not in _NO_TEXTS:
            whole = next(
                each[key] for key in ("text", "refusal", "arguments", "input") if key in each
            )
            assert whole == "".join(pieces)
            pieces = []


_NO_TEXTS = ("output_item", "content_part", "reasoning_summary_part")


def flatten(item: Frame) -> tuple[str, ...]:
    """Return what an output item says, in whichever parts."""
    kind = item["type"]
    if kind == "message":
        return (kind, *_texts_of(item["content"], "text"), *_texts_of(item["content"], "refusal"))
    if kind == "reasoning":
        told = (_texts_of(item.get(key) or [], "text") for key in ("summary", "content"))
        return (kind, *("".join(texts) for texts in told))
    text = item.get("arguments", item.get("input", ""))
    return kind, item.get("name", ""), item.get("call_id", ""), text


def _texts_of(parts: list[Frame], key: str) -> list[str]:
    # Parts of one kind become one, those of a summary as paragraphs.
    return ["".join(part[key] for part in parts if key in part).replace("\n\n", "")]
