"""A local model that says what it is told to, token by token; for tests without torch."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws.server.engines.base import CancelToken, Delta, EngineRequest
from pyresponses_ws.server.engines.transformers.engine import Encoded, Listener, TransformersEngine
from pyresponses_ws.server.engines.transformers.markup import Markup, find_markup
from pyresponses_ws.server.engines.transformers.prompt import Prompt
from tests.server.drivers import user

#: The piece that ends a turn, and one more that nobody is to see.
END, HIDDEN = "<|im_end|>", "<|im_start|>"
HERMES = find_markup(template="<think></think><tool_call></tool_call>", tokens=())


@dataclass
class ScriptedModel:
    """Says ``pieces``, one a token; then, unless a limit is met, more of the last one, for ever.

    A prompt has a token a word.
    """

    pieces: Sequence[str] = ("Hello", " there", END)
    context_length: int | None = 1000
    default_length: int | None = 100
    stop_strings: Sequence[str] = ()
    runs_alone: bool = False
    #: What a template puts behind the messages.
    opening: str = ""
    markup: Markup = HERMES
    #: Raised in the place of the token of that number.
    error: tuple[int, BaseException] | None = None
    #: Whether each token waits for ``allow``.
    is_paced: bool = False
    name: str = "scripted"
    accepts_images: bool = False
    #: Tokens that any text has at least.
    least: int = 0
    #: Called with each text that is encoded, and how many were.
    on_encode: Callable[[], object] = lambda: None
    encoded: int = 0
    #: What was asked of it.
    rendered: list[str] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    seeds: list[int | None] = field(default_factory=list)
    #: Inputs of the generations that have begun, as they begin, and the number of those inside.
    begun: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    inside: int = 0
    #: Tokens that were made so far, in all generations together.
    made: int = 0

    def __post_init__(self) -> None:
        self.end_tokens = frozenset({self.token(END)})
        self.hidden_tokens = frozenset({self.token(END), self.token(HIDDEN)})
        self._allowed = threading.Semaphore(0)
        self._lock = threading.Lock()

    def token(self, piece: str) -> int:
        """Return the number of a piece: those of the script, then the others."""
        known = [*self.pieces, END, HIDDEN]
        return known.index(piece)

    def allow(self, tokens: int = 1) -> None:
        """Let a paced model make so many tokens more."""
        self._allowed.release(tokens)

    def render(self, prompt: Prompt, template: Mapping[str, Any]) -> str:
        lines = [f"{message['role']}: {message.get('content')}" for message in prompt.messages]
        lines += [f"{name}={value}" for name, value in template.items()]
        self.rendered.append("\n".join([*lines, self.opening]))
        return self.rendered[-1]

    def count_least(self, text: str) -> int:
        return self.least

    def encode(self, text: str, images: Sequence[Any]) -> Encoded:
        self.encoded += 1
        self.on_encode()
        return Encoded(len(text.split()), text)

    def decode(self, tokens: list[int]) -> str:
        return "".join([*self.pieces, END, HIDDEN][token] for token in tokens)

    def generate(
        self, inputs: Any, options: Mapping[str, Any], listener: Listener, *, seed: int | None
    ) -> None:
        self.options.append(dict(options))
        self.seeds.append(seed)
        with self._entered(inputs):
            for number in range(options["max_new_tokens"]):
                token = self._make(number)
                # As transformers 5 does it: the criteria are asked ahead of the streamer.
                is_last = listener.is_over()
                listener.on_token(token)
                if is_last or token in self.end_tokens:
                    return

    def _make(self, number: int) -> int:
        if self.is_paced:
            self._allowed.acquire()
        if self.error is not None and self.error[0] == number:
            raise self.error[1]
        with self._lock:
            self.made += 1
        return self.token(self.pieces[min(number, len(self.pieces) - 1)])

    @contextmanager
    def _entered(self, inputs: str) -> Iterator[None]:
        with self._lock:
            self.inside += 1
        self.begun.put(inputs)
        try:
            yield
        finally:
            with self._lock:
                self.inside -= 1


def make_engine(model: ScriptedModel) -> TransformersEngine:
    """Make an engine that runs this model."""
    return TransformersEngine("anywhere", load=lambda directory: model)


def ask(text: str = "Say hello", /, **fields: Any) -> EngineRequest:
    """Make a request; what is no field of one is a setting of the create."""
    known = {
        name: fields.pop(name) for name in ("tools", "generate", "tool_choice") if name in fields
    }
    return EngineRequest(model="m", items=[user(text)], settings=fields, **known)


def answer(model: ScriptedModel, text: str = "Say hello", /, **fields: Any) -> list[Delta]:
    """Run one turn to its end."""
    return list(make_engine(model).run(ask(text, **fields), CancelToken()))
