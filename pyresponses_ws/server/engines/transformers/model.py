"""A Hugging Face model in memory: its template, its tokenizer and ``generate``.

Several threads generate on one model at once. That is safe because a call of ``generate`` keeps its
own copy of the generation settings and its own cache of keys and values; what calls would share is
taken out of the model when it is loaded (``_UNSETTLED``), or makes its turns run one by one
(``runs_alone``).
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import transformers

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core.errors import bad_request
from pyresponses_ws.server.engines.transformers.content import Image
from pyresponses_ws.server.engines.transformers.engine import Encoded, Listener
from pyresponses_ws.server.engines.transformers.markup import find_markup
from pyresponses_ws.server.engines.transformers.prompt import Prompt

#: A tokenizer without a limit says 1e30; no context is as long as this.
_NO_LIMIT = 10**9

#: Position encodings that rewrite their frequencies inside the model as a sequence grows.
_CHANGING_ROPE = ("dynamic", "longrope")

#: Settings of a model for ``generate`` that do not go with one sequence streamed token by token,
#: that would be kept on the shared model, or that come from elsewhere here.
_UNSETTLED = (
    *("assistant_early_exit", "cache_config", "cache_implementation", "compile_config"),
    *("constraints", "dola_layers", "force_words_ids", "max_length", "max_new_tokens", "max_time"),
    *("min_length", "min_new_tokens", "num_beam_groups", "num_beams", "num_return_sequences"),
    *("output_attentions", "output_hidden_states", "output_logits", "output_scores"),
    *("penalty_alpha", "prompt_lookup_num_tokens", "return_dict_in_generate", "stop_strings"),
    *("token_healing", "use_mtp"),
)

#: What the several kinds of "no memory" have in common; torch has a class only for accelerators.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")

#: What tokenizers change or leave out, if they do: cases, accents, spaces in a row and at the ends,
#: rare characters, halves of pairs that look alike.
_SAMPLE = (
    "  Aa \u00c9 \ufb01\u2460\u00bd\n\n\t x   \u200b\u4e2d\U0001f9ff\U00013000  zz\r\n" + " " * 40
)
#: What normal form C makes one character of; it joins four at most.
_COMPOSED, _MOST_COMPOSED = "e\u0301", 4

#: Pixels of an image; ten times what a photograph on a screen has. Undecoded it may be tiny.
_MOST_PIXELS = 32 * 2**20

# Whether the thread that looks is one of ours, in transformers' code.
_here = threading.local()


class _Quiet(logging.Filter):
    """Keeps from stderr what transformers says on our threads; others' words pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        # A handler may serve other loggers too, ours among them.
        is_theirs = record.name.partition(".")[0] == "transformers"
        return not (is_theirs and getattr(_here, "is_quiet", False))


_QUIET = _Quiet()


@contextmanager
def quiet() -> Iterator[None]:
    """Have transformers say nothing on stderr, where the server's lines go, in this block."""
    for handler in logging.getLogger("transformers").handlers:
        # Added once: a handler knows its filters.
        handler.addFilter(_QUIET)
    before = getattr(_here, "is_quiet", False)
    _here.is_quiet = True
    try:
        yield
    finally:
        _here.is_quiet = before


class TextModel:
    """See ``LocalModel``. ``wants_parts``: its template reads contents as lists of parts only."""

    accepts_images = False

    def __init__(
        self, name: str, model: Any, tokenizer: Any, *, template: Any, wants_parts: bool = False
    ) -> None:
        self.name = name
        self._model = model
        self._tokenizer = tokenizer
        tokenizer.chat_template = template
        self._wants_parts = wants_parts
        # Guards what encodes for a model, and may be changed by it: a processor of images, or a
        # tokenizer that is written in Python.
        self._lock = threading.Lock()
        settings = model.generation_config
        self.default_length: int | None = settings.max_new_tokens
        self.stop_strings = _as_list(settings.stop_strings)
        self.end_tokens = _find_end_tokens(settings, tokenizer)
        _settle_defaults(settings, self.end_tokens)
        self.context_length = _find_length(model.config, tokenizer)
        self.runs_alone = _has_changing_rope(model.config)
        text = template if isinstance(template, str) else "\n".join(template.values())
        self.markup = find_markup(template=text, tokens=tokenizer.get_added_vocab())
        self.hidden_tokens = self._find_hidden_tokens()
        if tokenizer.is_fast:
            # A file may say so; then a prompt would lose its end.
            tokenizer.backend_tokenizer.no_truncation()
            tokenizer.backend_tokenizer.no_padding()
        self._widest = self._find_widest()

    def render(self, prompt: Prompt, template: Mapping[str, Any]) -> str:
        """Write the prompt by the chat template. Raises BadRequestError if that cannot."""
        messages = [self._fit(message) for message in prompt.messages]
        options = {"add_generation_prompt": True, "tokenize": False, **template}
        try:
            with quiet():
                text: str = self._tokenizer.apply_chat_template(
                    messages, tools=prompt.tools, **options
                )
        except Exception as exc:  # A template raises what it likes, and trips over what it likes.
            raise _unreadable("The chat template of this model cannot take the input", exc) from exc
        return text

    def count_least(self, text: str) -> int:
        """Return a number of tokens that a text has at least."""
        return 0 if self._widest is None else len(text) // self._widest

    def encode(self, text: str, images: Sequence[Image]) -> Encoded:
        """Make tokens of a prompt."""
        tokens = torch.tensor([self._tokenize(text)], dtype=torch.long)
        return _pack({"input_ids": tokens, "attention_mask": torch.ones_like(tokens)})

    def _tokenize(self, text: str) -> list[int]:
        if self._tokenizer.is_fast:
            # Of its ways the one that changes nothing and lets other threads run meanwhile.
            (encoding,) = self._tokenizer.backend_tokenizer.encode_batch(
                [text], add_special_tokens=False
            )
            tokens: list[int] = encoding.ids
            return tokens
        with self._lock, quiet():
            plain: list[int] = self._tokenizer.encode(text, add_special_tokens=False, verbose=False)
        return plain

    def decode(self, tokens: list[int]) -> str:
        """Return the text of tokens, markup included."""
        text: str = self._tokenizer.decode(
            tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text

    def generate(
        self, inputs: Any, options: Mapping[str, Any], listener: Listener, *, seed: int | None
    ) -> None:
        """See ``LocalModel``. Raises MemoryError."""
        is_exhausted = False
        try:
            with quiet(), torch.inference_mode(), self._seeded(seed):
                self._generate(inputs, options, listener)
        except RuntimeError as exc:
            if not _is_out_of_memory(exc):
                raise
            is_exhausted = True
        # Out here, where the error and all the tensors that its frames hold are gone.
        if is_exhausted:
            if self._model.device.type == "cuda":
                torch.cuda.empty_cache()
            raise MemoryError

    def _generate(self, inputs: Any, options: Mapping[str, Any], listener: Listener) -> None:
        self._model.generate(
            **{key: self._place(value) for key, value in inputs.items()},
            **options,
            streamer=_Streamer(listener),
            stopping_criteria=transformers.StoppingCriteriaList([_Listening(listener)]),
        )

    def _place(self, value: Any) -> Any:
        """Return an input on the model's device; pixels in the model's precision."""
        dtype = self._model.dtype if value.is_floating_point() else None
        return value.to(device=self._model.device, dtype=dtype)

    @contextmanager
    def _seeded(self, seed: int | None) -> Iterator[None]:
        """Draw from ``seed`` while the block runs, and then on from where the process was."""
        if seed is None:
            yield
            return
        device = self._model.device
        is_mps = device.type == "mps"
        # Seeded with the others, and not among what torch puts back.
        before = torch.mps.get_rng_state() if is_mps else None
        try:
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                torch.manual_seed(seed)
                yield
        finally:
            if is_mps:
                torch.mps.set_rng_state(before)

    def _fit(self, message: dict[str, Any]) -> dict[str, Any]:
        content = message.get("content")
        if self._wants_parts and isinstance(content, str):
            return {**message, "content": [{"type": "text", "text": content}]}
        return message

    def _find_widest(self) -> int | None:
        """Return the characters of the widest token; None where tokens may stand for more.

        A tokenizer that loses nothing of a text gives each of its characters to a token.
        """
        added = self._tokenizer.added_tokens_decoder.values()
        # Some take the space beside them along, however much there is.
        if any(token.lstrip or token.rstrip for token in added) or not self._keeps(_SAMPLE):
            return None
        widest = max(map(len, self._tokenizer.get_vocab()))
        return widest if self._keeps(_COMPOSED) else widest * _MOST_COMPOSED

    def _keeps(self, text: str) -> bool:
        """Say whether a text comes back from its tokens as it was."""
        try:
            return self.decode(self._tokenize(text)) == text
        except Exception:  # Some have no token for what they do not know, and raise instead.
            return False

    def _find_hidden_tokens(self) -> frozenset[int]:
        """Return the tokens that mark turns and padding, as against reasoning and calls."""
        added = self._tokenizer.added_tokens_decoder.items()
        special = {token for token, about in added if about.special}
        special |= self.end_tokens | set(self._tokenizer.all_special_ids)
        return frozenset(t for t in special if not self.markup.keeps(self.decode([t])))


class ImageModel(TextModel):
    """A model that reads images too, by its processor."""

    accepts_images = True

    def __init__(
        self, name: str, model: Any, tokenizer: Any, *, template: Any, processor: Any
    ) -> None:
        self._processor = processor
        super().__init__(name, model, tokenizer, template=template, wants_parts=True)

    def encode(self, text: str, images: Sequence[Image]) -> Encoded:
        """Make tokens of a prompt, and pixels of its images. Raises BadRequestError."""
        pictures = [_open(image) for image in images]
        try:
            with self._lock, quiet():
                encoded = self._processor(
                    text=[text],
                    images=pictures or None,
                    add_special_tokens=False,
                    return_tensors="pt",
                )
        except Exception as exc:  # Each processor has its own; a mark of an image in a text is one.
            raise _unreadable("The model cannot take the input", exc) from exc
        return _pack(dict(encoded))


def _pack(inputs: dict[str, Any]) -> Encoded:
    return Encoded(inputs["input_ids"].shape[1], inputs)


def _open(image: Image) -> Any:
    """Decode an image. Raises BadRequestError if it is none, or too large."""
    from PIL import Image as Picture

    try:
        picture = Picture.open(io.BytesIO(image.data))
        is_fit = picture.width * picture.height <= _MOST_PIXELS
        decoded = picture.convert("RGB") if is_fit else None
    except Exception as exc:  # The decoders of all formats raise what they like.
        raise _unreadable(f"The image in {image.place}, cannot be read", exc) from exc
    if decoded is None:
        size = f"{picture.width} x {picture.height} pixels, over the {_MOST_PIXELS} that are taken"
        raise bad_request(
            f"The image in {image.place}, has {size}: make it smaller.", param="input"
        )
    return decoded


def _unreadable(what: str, exc: Exception) -> APIError:
    reason = f"{type(exc).__name__}: {exc}"[:300]
    return bad_request(f"{what}: {reason}", code="invalid_value", param="input")


def _settle_defaults(settings: Any, end_tokens: frozenset[int]) -> None:
    """Leave in a model's settings only what is to reach ``generate``."""
    for name in _UNSETTLED:
        if getattr(settings, name, None) is not None:
            setattr(settings, name, None)
    settings.eos_token_id = sorted(end_tokens) or None


def _find_end_tokens(settings: Any, tokenizer: Any) -> frozenset[int]:
    """Return what ends a turn: the model's settings and its tokenizer each know some of it."""
    known = (*_as_list(settings.eos_token_id), tokenizer.eos_token_id)
    return frozenset(token for token in known if token is not None)


def _as_list(value: Any) -> list[Any]:
    """Return the values of a setting that may be one, several or none."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _find_length(config: Any, tokenizer: Any) -> int | None:
    """Return the tokens that the model has positions for, if it counts them."""
    length = getattr(config.get_text_config(), "max_position_embeddings", None)
    if length:
        return int(length)
    limit = tokenizer.model_max_length
    return int(limit) if limit < _NO_LIMIT else None


def _has_changing_rope(config: Any) -> bool:
    """Say whether positions are encoded in a way that changes the model as it runs."""
    parameters = getattr(config.get_text_config(), "rope_parameters", None)
    return any(kind in str(parameters) for kind in _CHANGING_ROPE)


def _is_out_of_memory(exc: RuntimeError) -> bool:
    text = str(exc).lower()
    return isinstance(exc, torch.OutOfMemoryError) or any(words in text for words in _OUT_OF_MEMORY)


# The packages have no types here: see mypy in setup.cfg.
class _Streamer(transformers.generation.streamers.BaseStreamer):  # type: ignore[misc]
    """Hands each new token to a listener; the first that comes is the prompt."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._has_seen_prompt = False

    def put(self, value: Any) -> None:
        """Take what ``generate`` adds, a token at a time."""
        if not self._has_seen_prompt:
            self._has_seen_prompt = True
            return
        for token in value.flatten().tolist():
            self._listener.on_token(token)

    def end(self) -> None:
        """Hear that it is done, which ``generate`` tells by returning."""


class _Listening(transformers.StoppingCriteria):  # type: ignore[misc]
    """Asks the listener after each token whether to stop."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        is_last = self._listener.is_over()
        return torch.full((input_ids.shape[0],), is_last, device=input_ids.device)
