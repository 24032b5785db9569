"""One answer while the model makes it: tokens in, deltas out, and what they cost."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Container, Iterable, Iterator, Sequence

from pyresponses_ws.server.engines.base import Delta, UsageDelta
from pyresponses_ws.server.engines.transformers.channel import Channel
from pyresponses_ws.server.engines.transformers.output import OutputReader
from pyresponses_ws.server.engines.transformers.text import TextStream

#: Deltas that the model may be ahead of its turn, so that a slow client slows it. The server lets
#: as many wait again before the socket.
MAX_AHEAD = 8


class _Watch:
    """Looks for texts in an answer, wherever tokens cut them."""

    def __init__(self, wanted: Sequence[str], stream: TextStream) -> None:
        self._wanted = wanted
        self._stream = stream
        self._longest = max(map(len, wanted))
        # So much of the end as may be the beginning of one.
        self._tail = ""

    def sees(self, token: int) -> bool:
        """Take the next token; say whether one of the texts has come with it."""
        text = self._tail + self._stream.feed(token)
        self._tail = text[-self._longest :]
        return any(each in text for each in self._wanted)


class Answer:
    """What a model says in one turn, and the listener that its generation reports to.

    The thread that generates calls ``on_token``, ``finish`` and ``fail``; the thread of the turn
    calls ``take_all`` and, behind its end, reads the counts; ``is_over`` and ``stop`` are for any.
    """

    def __init__(
        self,
        reader: OutputReader,
        *,
        decode: Callable[[list[int]], str],
        hidden: Container[int],
        stops: Sequence[str],
    ) -> None:
        # Used by the generating thread alone.
        self._reader = reader
        self._text = TextStream(decode)
        self._hidden = hidden
        # Looks for texts that stop it, in tokens that nobody is shown too.
        self._watch = _Watch(stops, TextStream(decode)) if stops else None
        self._channel = Channel(MAX_AHEAD)
        # Tokens that were taken, those of them that were reasoning, and the last one. The
        # generating thread writes; read by others once it has ended.
        self._tokens = 0
        self._reasoning = 0
        self._last_token: int | None = None
        # Whether the answer is all that was asked for, or said one of the texts that stop it.
        # Likewise, but read at any time too.
        self._is_whole = False
        self._is_stopped = False

    @property
    def tokens(self) -> int:
        """Tokens that the answer is made of: reasoning, markup and the end of the turn count."""
        return self._tokens

    def has_ended(self, ends: Container[int]) -> bool:
        """Say whether the answer came to its end: by one of these tokens, a text, its last call.

        Only a limit ends it otherwise.
        """
        return self._is_whole or self._is_stopped or self._last_token in ends

    def usage(self, input_tokens: int) -> UsageDelta:
        """Return what the turn cost."""
        return UsageDelta(input_tokens, self._tokens, reasoning_tokens=self._reasoning)

    def is_over(self) -> bool:
        """Say whether no more tokens are wanted."""
        return self._channel.is_closed or self._is_stopped or self._reader.is_finished

    def stop(self) -> None:
        """Want no more; idempotent, and it never blocks for long."""
        self._channel.close()

    def hurry(self) -> None:
        """Let the model go on however far behind the turn is: others wait until it is done."""
        self._channel.relax()

    def take_all(self) -> Iterator[Delta]:
        """Yield the deltas as they come, to the end or ``stop``. Raises what the model raised."""
        return self._channel.take_all()

    def on_token(self, token: int) -> None:
        """Take the next token; wait while the turn is too far behind."""
        if self.is_over():
            return
        was_reasoning = self._reader.in_reasoning
        self._tokens += 1
        self._last_token = token
        if self._watch is not None:
            self._is_stopped = self._watch.sees(token)
        if token not in self._hidden:
            self._read(self._text.feed(token))
        self._reasoning += was_reasoning or self._reader.in_reasoning

    def finish(self) -> None:
        """Hand over what was held back, and the end."""
        self._is_whole = self._reader.is_finished
        self._read(self._text.finish())
        self._put_all(self._reader.finish())
        self._channel.end()

    def fail(self, failure: BaseException) -> None:
        """End with what went wrong.

        Frames that are done give up what they hold: tensors would live as long as the error.
        """
        traceback.clear_frames(failure.__traceback__)
        self._channel.end(failure)

    def _read(self, text: str) -> None:
        if text:
            self._put_all(self._reader.feed(text))

    def _put_all(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            self._channel.put(delta)
