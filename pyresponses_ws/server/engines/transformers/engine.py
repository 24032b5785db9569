"""The engine that runs a Hugging Face model of this machine.

Threads and who waits for whom, for one turn:

- The thread of the turn (``run``) reads the request, lets the template and the tokenizer make the
  prompt, starts the second thread, and yields the deltas that it takes out of the answer's channel.
- ``pyresponses-generate-N`` waits at the gate, then is inside ``generate`` of the model until the
  answer is over. It hands over each token's deltas, waiting while the turn is eight behind; but
  nobody waits for a slow client where a turn that runs alone keeps others out, or is kept out.

The turn waits for a delta, the end, or a cancel; then for the end of its second thread, which comes
within one token of the cancel: a cancel closes the channel, which ends a wait for room, wakes the
gate, and is what the model is asked after every token. Nothing of a turn outlives its ``run``. The
model is shared: it holds its weights and nothing of any turn.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pyresponses_ws.errors import APIError, ConfigError, ServerError
from pyresponses_ws.server.core.errors import context_length_exceeded_tokens
from pyresponses_ws.server.engines.base import (
    CancelToken,
    CutDelta,
    Delta,
    EngineRequest,
    StartDelta,
    UsageDelta,
)
from pyresponses_ws.server.engines.transformers.answer import Answer
from pyresponses_ws.server.engines.transformers.content import Image
from pyresponses_ws.server.engines.transformers.folder import check_folder
from pyresponses_ws.server.engines.transformers.gate import TurnGate
from pyresponses_ws.server.engines.transformers.generations import Generations
from pyresponses_ws.server.engines.transformers.markup import Markup
from pyresponses_ws.server.engines.transformers.output import OutputReader, start_answer
from pyresponses_ws.server.engines.transformers.prompt import Prompt, make_prompt
from pyresponses_ws.server.engines.transformers.settings import GenerationSettings, read_settings
from pyresponses_ws.server.engines.transformers.surrogates import replace_surrogates

#: New tokens where neither the request, nor the model's generation settings, nor a known length of
#: its context says how many; arbitrary, it ends a model that never would.
_FALLBACK_LENGTH = 4096


class Listener(Protocol):
    """Whom a generation reports to, on its own thread."""

    def is_over(self) -> bool:
        """Say whether no more tokens are wanted; asked behind each one that was made."""

    def on_token(self, token: int) -> None:
        """Take a token, in order; may wait."""


@dataclass(frozen=True)
class Encoded:
    """A prompt as the model reads it: how many tokens, and what they are to the model alone."""

    count: int
    inputs: Any


class LocalModel(Protocol):
    """A model in memory, with its tokenizer. Any thread may call; generations run side by side."""

    #: For ``GET /v1/models``.
    name: str
    #: Tokens of prompt and answer together; None where the model does not say.
    context_length: int | None
    #: New tokens where the request does not say; None: as many as there is room for.
    default_length: int | None
    accepts_images: bool
    #: Whether a generation changes the model while it runs, so that turns cannot share it.
    runs_alone: bool
    markup: Markup
    #: Tokens that end the model's turn.
    end_tokens: frozenset[int]
    #: Texts that end it where the request names none.
    stop_strings: list[str]
    #: Tokens that are not for the reader.
    hidden_tokens: frozenset[int]

    def render(self, prompt: Prompt, template: Mapping[str, Any]) -> str:
        """Write the prompt by the chat template. Raises BadRequestError if that refuses it."""

    def count_least(self, text: str) -> int:
        """Return a number of tokens that a text has at least, at once however long it is."""

    def encode(self, text: str, images: Sequence[Image]) -> Encoded:
        """Make tokens of a prompt. Raises BadRequestError for an image that is none."""

    def decode(self, tokens: list[int]) -> str:
        """Return the text of tokens, markup included."""

    def generate(
        self, inputs: Any, options: Mapping[str, Any], listener: Listener, *, seed: int | None
    ) -> None:
        """Generate until an end token, a limit of ``options`` or the listener ends it.

        Raises MemoryError where the memory of this machine or of its accelerator does not suffice.
        """


@dataclass(frozen=True)
class _Turn:
    """A request that was read and found fit."""

    prompt: Prompt
    settings: GenerationSettings
    #: Tokens of the prompt.
    count: int
    #: What the model reads. Whoever generates takes it out: a tensor that another thread let go of
    #: as the interpreter ends would abort the process.
    inputs: list[Any]
    #: What of the answer the prompt holds already.
    prefix: str
    limit: int
    alone: bool


def _load(directory: str) -> LocalModel:
    """Load a model; torch is imported here, so that nobody else waits for it."""
    folder = check_folder(directory)
    try:
        from pyresponses_ws.server.engines.transformers.load import load_model
    except ModuleNotFoundError as exc:
        install = "pip install 'pyresponses-ws[server,transformers]'"
        raise ConfigError(f"a local model needs {exc.name}: {install}") from exc
    except (ImportError, OSError) as exc:  # Versions that do not fit, a library that is missing.
        reason = str(exc).strip().partition("\n")[0]
        raise ConfigError(f"cannot import torch and transformers: {reason}") from exc
    return load_model(folder)


class TransformersEngine:
    """See the module. One load of the model serves every turn.

    Raises ConfigError if ``directory`` holds no chat model that can be loaded from this disk.
    """

    vets: Literal[True] = True
    takes_nested_tools: Literal[True] = True

    def __init__(self, directory: str, *, load: Callable[[str], LocalModel] = _load) -> None:
        self._model = load(directory)
        self._gate = TurnGate()
        # Numbers the threads; next() on it is atomic.
        self._numbers = itertools.count(1)
        self._running = Generations()
        # An interpreter that ends under a thread inside torch aborts the process.
        weakref.finalize(self, self._running.end)

    def models(self) -> Sequence[str]:
        """Return the name of the model; every other name is accepted and echoed."""
        return (self._model.name,)

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        """Yield the answer of the model, then what it cost; a cancelled turn yields no more.

        Raises BadRequestError ahead of the StartDelta, ServerError behind it.
        """
        turn = self._read(request, cancel)
        if turn is None:
            return
        yield StartDelta()
        if not request.generate:
            yield UsageDelta(turn.count, 0)
            return
        answer = self._answer(turn)
        yield from self._generate(turn, answer, cancel)
        if cancel.is_set():
            return
        yield answer.usage(turn.count)
        if self._is_cut(answer, turn):
            yield CutDelta("max_output_tokens")

    def _read(self, request: EngineRequest, cancel: CancelToken) -> _Turn | None:
        """Read a request; None if nobody waits for it any more, which takes a while to find out."""
        model = self._model
        settings = read_settings(request.settings)
        prompt = make_prompt(request, accepts_images=model.accepts_images, markup=model.markup)
        text = replace_surrogates(model.render(prompt, settings.template))
        self._check_length(model.count_least(text), is_least=True)
        if cancel.is_set():
            return None
        start = start_answer(text, prompt.prefill, model.markup)
        encoded = model.encode(text + start.appended, prompt.images)
        self._check_length(encoded.count)
        if cancel.is_set():
            return None
        return _Turn(
            prompt,
            settings,
            encoded.count,
            [encoded.inputs],
            start.prefix,
            limit=self._limit(settings.options.get("max_new_tokens"), encoded.count),
            alone=settings.seed is not None or model.runs_alone,
        )

    def _check_length(self, count: int, *, is_least: bool = False) -> None:
        """Raise BadRequestError for a prompt that leaves no room for a token."""
        length = self._model.context_length
        if length is not None and count >= length:
            raise context_length_exceeded_tokens(length, count, is_least=is_least)

    def _limit(self, wanted: int | None, count: int) -> int:
        """Return how many tokens may be new, at most as many as there is room for."""
        limit = self._model.default_length if wanted is None else wanted
        if self._model.context_length is None:
            return _FALLBACK_LENGTH if limit is None else limit
        room = self._model.context_length - count
        return room if limit is None else min(limit, room)

    def _answer(self, turn: _Turn) -> Answer:
        """Make what takes the tokens of a turn."""
        reader = OutputReader(
            self._model.markup,
            tools=turn.prompt.names,
            prefix=turn.prefix,
            is_parallel=turn.settings.is_parallel,
        )
        return Answer(
            reader,
            decode=self._model.decode,
            hidden=self._model.hidden_tokens,
            stops=turn.settings.options.get("stop_strings", self._model.stop_strings),
        )

    def _generate(
        self, turn: _Turn, answer: Answer, cancel: CancelToken
    ) -> Generator[Delta, None, None]:
        """Yield what a second thread generates, which has ended when this has."""

        def stop() -> None:
            answer.stop()
            self._gate.wake()

        name = f"pyresponses-generate-{next(self._numbers)}"
        # A daemon as the thread of the turn is: a hung model must not hold the exit.
        thread = threading.Thread(target=self._work, args=(turn, answer), name=name, daemon=True)
        cancel.on_cancel(stop)
        self._running.add(thread, stop)
        try:
            thread.start()
            yield from answer.take_all()
        except MemoryError as exc:
            raise _out_of_memory() from exc
        finally:
            stop()
            if thread.ident is not None:
                # Ends within a token, or at once at the gate.
                thread.join()
            self._running.remove(thread)

    def _work(self, turn: _Turn, answer: Answer) -> None:
        options = _clamp(turn.settings.options, turn.limit)
        try:
            admitted = self._gate.admit(
                alone=turn.alone, has_left=answer.is_over, hurry=answer.hurry
            )
            with admitted as is_in:
                if is_in:
                    seed = turn.settings.seed
                    self._model.generate(turn.inputs.pop(), options, answer, seed=seed)
            answer.finish()
        except BaseException as exc:  # The safety net of this thread: the turn raises it.
            answer.fail(exc)

    def _is_cut(self, answer: Answer, turn: _Turn) -> bool:
        """Say whether the limit ended the answer, and not the model."""
        return not answer.has_ended(self._model.end_tokens) and answer.tokens >= turn.limit


def _clamp(options: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """Return the options with the limit in them, and no least length above it.

    Texts that stop it are looked for in what was decoded.
    """
    least = options.get("min_new_tokens")
    clamped = {**options, "max_new_tokens": limit}
    clamped.pop("stop_strings", None)
    if least is not None:
        clamped["min_new_tokens"] = min(least, limit)
    return clamped


def _out_of_memory() -> APIError:
    """Make the error of a turn for which the memory did not suffice; others may go on."""
    message = (
        "The model ran out of memory for this response. Shorten the input, lower "
        "'max_output_tokens', or try again when fewer responses run."
    )
    return ServerError(message, code="server_is_overloaded", status=503, type="server_error")
