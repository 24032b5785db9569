"""One accepted WebSocket: reads frames, does what the session decides, runs its turns."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core.errors import engine_failed
from pyresponses_ws.server.core.session import Action, Close, Run, Session, Stop
from pyresponses_ws.server.core.turn import Turn
from pyresponses_ws.server.core.wire import encode
from pyresponses_ws.server.log import log_failure
from pyresponses_ws.server.pump import EngineRoom, Pump

_logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
SendMessage = Callable[[Message], Awaitable[None]]

#: Replies that may wait for a peer that does not read, and characters that it may have sent
#: meanwhile, which replies may quote, before its next frame waits too. Arbitrary.
_MAX_BACKLOG = 256
_MAX_AHEAD = 2**20

#: Frames after which others get their turn; reading what has come and writing to who reads never
#: wait by themselves. Arbitrary.
_FRAMES_IN_A_ROW = 32

#: Close codes of RFC 6455: what we cannot accept, and what is too big.
_UNSUPPORTED_DATA = 1003
_MESSAGE_TOO_BIG = 1009
_GOING_AWAY = 1001
#: Codes that stand for a connection that ended without one, and that no frame may carry.
_NOT_ON_THE_WIRE = frozenset({1004, 1005, 1006, 1015})

#: Seconds that running turns may take over the age limit of their connection.
_AGE_GRACE = 60.0


class Peer:
    """The loop's side of one connection; every method runs on the loop."""

    def __init__(
        self,
        receive: Receive,
        send: SendMessage,
        *,
        session: Session,
        room: EngineRoom,
        max_message_bytes: int,
        max_age: float,
        abort: Callable[[], None],
    ) -> None:
        self._receive = receive
        self._send = send
        self._room = room
        self._max_message_bytes = max_message_bytes
        # Seconds that the connection may last.
        self._max_age = max_age
        # Cuts the connection without a close frame.
        self._abort = abort
        self._session = session
        # Held while actions are done, so that they happen in the session's order.
        self._doing = asyncio.Lock()
        # Tasks that run beside the read loop; each removes itself.
        self._tasks: set[asyncio.Task[None]] = set()
        # The engines of running turns; _run_turn adds and removes its own.
        self._pumps: dict[Turn, Pump] = {}
        self._is_closed = False

    @property
    def is_running(self) -> bool:
        """Whether a turn runs, or has ended and its last frames are on their way."""
        return self._session.is_running or self._session.backlog > 0 or self._doing.locked()

    async def run(self) -> None:
        """Serve the socket until it closes; afterwards no turn of it runs."""
        await self._send({"type": "websocket.accept"})
        ageing = asyncio.create_task(self._age())
        # Frames read, and the characters of those since the replies last went out.
        frames = ahead = 0
        try:
            while (text := await self._read()) is not None:
                self._session.receive_text(text, time.time())
                frames, ahead = frames + 1, ahead + len(text)
                is_behind = self._session.backlog > _MAX_BACKLOG or ahead > _MAX_AHEAD
                if not self._doing.locked() or is_behind:
                    await self._act()
                    ahead = 0
                if frames % _FRAMES_IN_A_ROW == 0:
                    await asyncio.sleep(0)
        finally:
            self._is_closed = True
            await _cancel({ageing, *self._tasks})

    async def close(self, code: int = _GOING_AWAY, reason: str = "") -> None:
        """Send a close frame; ``run`` then returns. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def refuse_waiting(self, error: APIError) -> None:
        """Answer every create that waits with ``error``; running turns go on."""
        self._session.refuse_waiting(error)
        self._start(self._act())

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

    async def _age(self) -> None:
        """Tell the session when the connection is too old, and when that has been long enough."""
        for seconds in (self._max_age, _AGE_GRACE):
            await asyncio.sleep(seconds)
            self._session.receive_age()
            await self._act()

    async def _act(self) -> None:
        """Do what the session wants until it wants nothing more.

        Whoever finds another task doing so may leave it to that one, which sees the new actions
        before it stops.
        """
        async with self._doing:
            while not self._is_closed and (action := self._session.take_action()) is not None:
                await self._do(action)

    async def _do(self, action: Action) -> None:
        if isinstance(action, Run):
            self._start(self._run_turn(action.turn))
        elif isinstance(action, Stop):
            self._stop(action.turn)
        elif isinstance(action, Close):
            await self._end(action)
        else:
            text = encode(action.frame)
            for _ in range(action.times):
                await self._send_text(text)

    async def _send_text(self, text: str) -> None:
        try:
            await self._send({"type": "websocket.send", "text": text})
        except OSError:
            # The socket is gone; the read loop learns it from its own call.
            self._is_closed = True

    async def _end(self, action: Close) -> None:
        if action.code in _NOT_ON_THE_WIRE:
            self._is_closed = True
            self._abort()
        else:
            await self._refuse(action.code, action.reason)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _stop(self, turn: Turn) -> None:
        # Without a pump the turn still waits for its thread, and asks ``is_cut`` once it has it.
        if turn in self._pumps:
            self._pumps[turn].cancel()

    async def _run_turn(self, turn: Turn) -> None:
        try:
            failure = await self._run_engine(turn)
        except Exception as exc:  # The safety net of this task: a turn always ends.
            log_failure(_logger, "a turn", exc)
            failure = engine_failed()
        self._session.receive_end(turn, failure, time.time())
        await self._act()

    async def _run_engine(self, turn: Turn) -> APIError | None:
        """Pass the engine's deltas on; return why the turn failed, or None."""
        async with self._room.run(turn.engine_request) as pump:
            self._pumps[turn] = pump
            try:
                if turn.is_cut:
                    pump.cancel()
                while deltas := await pump.take():
                    self._session.receive_deltas(turn, deltas)
                    await self._act()
            finally:
                del self._pumps[turn]
        return pump.failure


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _is_longer(text: str, limit: int) -> bool:
    """Say whether the UTF-8 form is over ``limit`` bytes, encoding only where that is in doubt."""
    return len(text) > limit or (len(text) * 4 > limit and len(text.encode()) > limit)
