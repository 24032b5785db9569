"""One accepted WebSocket: reads frames, does what the session decides, runs its turns."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core.errors import engine_failed
from pyresponses_ws.server.core.service import Service
from pyresponses_ws.server.core.session import Run, Session
from pyresponses_ws.server.core.turn import Turn
from pyresponses_ws.server.core.wire import encode
from pyresponses_ws.server.pump import EngineRoom, Pump

_logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
SendMessage = Callable[[Message], Awaitable[None]]

#: Replies that may wait for a peer that does not read, before its next frame waits too. Arbitrary.
_MAX_BACKLOG = 256

#: Close codes of RFC 6455: what we cannot accept, and what is too big.
_UNSUPPORTED_DATA = 1003
_MESSAGE_TOO_BIG = 1009
_GOING_AWAY = 1001


class Peer:
    """The loop's side of one connection; every method runs on the loop."""

    def __init__(
        self,
        receive: Receive,
        send: SendMessage,
        *,
        owner: str,
        service: Service,
        room: EngineRoom,
        max_message_bytes: int,
    ) -> None:
        self._receive = receive
        self._send = send
        self._room = room
        self._max_message_bytes = max_message_bytes
        self._session = Session(owner=owner, service=service)
        # Held while actions are done, so that they happen in the session's order.
        self._doing = asyncio.Lock()
        # Tasks of running turns; each removes itself.
        self._turns: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def run(self) -> None:
        """Serve the socket until it closes; afterwards no turn of it runs."""
        await self._send({"type": "websocket.accept"})
        try:
            while (text := await self._read()) is not None:
                self._session.receive_text(text, time.time())
                if not self._doing.locked() or self._session.backlog > _MAX_BACKLOG:
                    await self._act()
        finally:
            self._is_closed = True
            await self._cancel_turns()

    async def close(self, code: int = _GOING_AWAY, reason: str = "") -> None:
        """Send a close frame; ``run`` then returns. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def _read(self) -> str | None:
        """Return the next text frame; None when the peer left or had to be sent away."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            return None
        text: str | None = message.get("text")
        if text is None:
            await self._refuse(_UNSUPPORTED_DATA, "text frames only")
        elif _is_longer(text, self._max_message_bytes):
            await self._refuse(_MESSAGE_TOO_BIG, "message too big")
            return None
        return text

    async def _refuse(self, code: int, reason: str) -> None:
        try:
            await self.close(code, reason)
        except OSError:
            _logger.debug("the peer left before it was refused")

    async def _act(self) -> None:
        """Do what the session wants until it wants nothing more.

        Whoever finds another task doing so may leave it to that one, which sees the new actions
        before it stops.
        """
        async with self._doing:
            while not self._is_closed and (action := self._session.take_action()) is not None:
                if isinstance(action, Run):
                    self._start(action.turn)
                else:
                    await self._send_frame(action.frame)

    async def _send_frame(self, frame: dict[str, Any]) -> None:
        try:
            await self._send({"type": "websocket.send", "text": encode(frame)})
        except OSError:
            # The socket is gone; the read loop learns it from its own call.
            self._is_closed = True

    def _start(self, turn: Turn) -> None:
        task = asyncio.create_task(self._run_turn(turn))
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)

    async def _run_turn(self, turn: Turn) -> None:
        async with self._room.run(turn.engine_request) as pump:
            failure = await self._feed(turn, pump)
        self._session.receive_end(turn, failure, time.time())
        await self._act()

    async def _feed(self, turn: Turn, pump: Pump) -> APIError | None:
        """Pass the engine's deltas on; return why the turn failed, or None."""
        try:
            while deltas := await pump.take():
                self._session.receive_deltas(turn, deltas)
                await self._act()
        except Exception as exc:  # The safety net of this task: a turn always ends.
            _logger.error("a turn failed: %s: %s", type(exc).__name__, exc)
            _logger.debug("a turn failed", exc_info=True)
            return engine_failed()
        return pump.failure

    async def _cancel_turns(self) -> None:
        turns = list(self._turns)
        for task in turns:
            task.cancel()
        await asyncio.gather(*turns, return_exceptions=True)


def _is_longer(text: str, limit: int) -> bool:
    """Say whether the UTF-8 form is over ``limit`` bytes, encoding only where that is in doubt."""
    return len(text) > limit or (len(text) * 4 > limit and len(text.encode()) > limit)
