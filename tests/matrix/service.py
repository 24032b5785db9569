"""The server of the matrix: one script, over WebSocket and HTTP, on one port."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.matrix.cells import CLOSE_CODES, ERRORS, Fault, Phase
from tests.support.answers import Json, completed, created, delta, item_done
from tests.support.responses_peer import PeerLink, PeerTurn, ResponsesPeer

#: Every event is so long that its size takes four bytes of a frame's header and three digits of a
#: chunk's: then the place of the next event's first byte is known.
_PAD = "x" * 300
#: Bytes before the JSON of an event: of the header of a frame, or behind the blank line of the
#: event before, of ``\r\n`` of its chunk, three digits with ``\r\n``, and ``data: ``.
FRAME_HEADER, CHUNK_HEADER = 4, 13
ARGUMENTS = '{"city": "Paris"}'
CALL: Json = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "get_weather"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Plan:
    """What the server does wrong in its first turn, or lets others do."""

    phase: Phase
    fault: Fault
    on_request: Callable[[], object]


class Service(ResponsesPeer):
    """Answers every create; the ``plan`` is for the first one, or the first pair.

    With ``lanes`` of 2 creates on lanes are answered in pairs, event by event, in turns: so nothing
    of an answer, and nothing that goes wrong in it, comes before both have been sent.
    """

    def __init__(
        self, plan: Plan | None, *, lanes: int = 1, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(self._play, accept=self._greet, tls=tls)
        self._plan = plan
        # The creates that came and wait until they are as many as there are lanes.
        self._waiting: list[PeerTurn] = []
        self._lanes = lanes

    # --- WebSocket ----------------------------------------------------------------------------

    def _play(self, turn: PeerTurn) -> None:
        if self._lanes > 1 and "stream_id" not in turn.request:
            turn.send(*answer(turn.request, turn.number))
            return
        self._waiting.append(turn)
        if len(self._waiting) == self._lanes:
            turns, self._waiting = self._waiting, []
            plan, self._plan = self._plan, None
            if plan is not None:
                plan.on_request()
            self._answer_by_turns(turns, plan)

    def _answer_by_turns(self, turns: list[PeerTurn], plan: Plan | None) -> None:
        """Say one event on each lane after the other; the last lane is where it goes wrong."""
        self._go_wrong(turns, plan, "sent")
        for events in zip(*(answer(each.request, each.number) for each in turns), strict=True):
            for turn, event in zip(list(turns), events, strict=False):
                turn.send(event)
            self._go_wrong(turns, plan, events[0]["mark"].partition("/")[0])

    def _go_wrong(self, turns: list[PeerTurn], plan: Plan | None, mark: str) -> None:
        """Do what is planned for behind the events with this mark; a failed turn is removed."""
        if plan is None or plan.phase != mark:
            return
        if plan.fault in CLOSE_CODES:
            turns[-1].close(CLOSE_CODES[plan.fault], "as planned")
        if plan.fault in ERRORS:
            turn = turns.pop()
            name = turn.request.get("stream_id")
            turn.send({**ERRORS[plan.fault], **({"stream_id": name} if name else {})})

    # --- HTTP ---------------------------------------------------------------------------------

    def _greet(self, peer: PeerLink) -> None:
        """Accept an upgrade, or answer requests until the client leaves."""
        while peer.read_request().startswith(b"POST"):
            body = peer.read_exactly(int(peer.headers["content-length"]))
            number = self._note(partial(self._count_request, json.loads(body)))
            self._reply(PeerTurn(peer, self.requests[number - 1], number))
        peer.send(peer.acceptance())

    def _reply(self, turn: PeerTurn) -> None:
        plan, self._plan = self._plan, None
        if plan is not None:
            plan.on_request()
        if plan is not None and plan.fault in ERRORS and plan.phase == "sent":
            turn.peer.send(_refusal(ERRORS[plan.fault]))
            return
        pieces = [HEAD]
        for event in answer(turn.request, turn.number):
            pieces.append(_chunk(event))
            if plan is not None and plan.fault in ERRORS and plan.phase in event["mark"]:
                pieces.append(_chunk(ERRORS[plan.fault]))
                break
        turn.peer.send(*pieces, b"0\r\n\r\n")


def _chunk(event: Json) -> bytes:
    data = b"data: " + json.dumps(event).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def _refusal(error: Json) -> bytes:
    body = json.dumps({"error": error["error"]}).encode()
    return (
        b"HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (
            error["status"],
            len(body),
            body,
        )
    )


def answer(request: Json, number: int) -> list[Json]:
    """The events of an answer that quotes its input, each with the mark of the phase it begins."""
    text, response_id = str(request["input"]), f"resp_{number}"
    marked = _call(response_id) if "call" in text else _text(f" {text}", response_id)
    name = request.get("stream_id")
    lane = {"stream_id": name} if name else {}
    return [
        {**event, **lane, "mark": f"{mark}/{name or ''}", "pad": _PAD} for mark, event in marked
    ]


def _text(last: str, response_id: str) -> list[tuple[str, Json]]:
    whole = "one two" + last
    return [
        ("accepted", created(response_id)),
        ("first_output", _added({"id": "msg_1", "type": "message", "role": "assistant"})),
        ("", delta("one")),
        ("mid_text", delta(" two")),
        ("", delta(last)),
        ("", item_done(whole)),
        ("end", completed(whole, response_id)),
    ]


def _call(response_id: str) -> list[tuple[str, Json]]:
    done = {**CALL, "status": "completed", "arguments": ARGUMENTS}
    response = {"id": response_id, "object": "response", "status": "completed", "output": [done]}
    return [
        ("accepted", created(response_id)),
        ("first_output", _added(CALL)),
        ("mid_call_arguments", _arguments(ARGUMENTS[:6])),
        ("", _arguments(ARGUMENTS[6:])),
        ("", {"type": "response.output_item.done", "output_index": 0, "item": done}),
        ("end", {"type": "response.completed", "response": response}),
    ]


def _added(item: Json) -> Json:
    item = {**item, "status": "in_progress", "content": []} if item["id"] == "msg_1" else item
    return {"type": "response.output_item.added", "output_index": 0, "item": item}


def _arguments(text: str) -> dict[str, Any]:
    kind = "response.function_call_arguments.delta"
    return {"type": kind, "item_id": "fc_1", "output_index": 0, "delta": text}
