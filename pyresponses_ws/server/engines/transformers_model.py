"""A Hugging Face model in memory: the one place that imports torch and transformers.

Several threads generate on one model at once. That is safe because a call of ``generate`` keeps its
own copy of the generation settings and its own cache of keys and values; what it would share is
taken out when the model is loaded (``_settle_defaults``) or makes its turns run one by one
(``runs_alone``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils import logging as transformers_logging

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.core.errors import bad_request
from pyresponses_ws.server.engines.transformers import Encoded, Listener, LocalModel
from pyresponses_ws.server.engines.transformers_folder import name_of
from pyresponses_ws.server.engines.transformers_output import find_markup
from pyresponses_ws.server.engines.transformers_prompt import Image, Prompt

#: Nothing is fetched, and no code of a model is run.
_FROM_DISK = {"local_files_only": True, "trust_remote_code": False}

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

# Whether the thread that looks is one of ours, in transformers' code.
_here = threading.local()


class _Quiet(logging.Filter):
    """Keeps from stderr what transformers says on our threads; others' words pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_here, "is_quiet", False)


_QUIET = _Quiet()


@contextmanager
def _quiet() -> Iterator[None]:
    """Say nothing on stderr, where the server's own lines go, while the block runs."""
    for handler in logging.getLogger("transformers").handlers:
        # Added once: a handler knows its filters.
        handler.addFilter(_QUIET)
    _here.is_quiet = True
    try:
        yield
    finally:
        _here.is_quiet = False


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Draw no bar while the block runs; the switch is the process's, so it is put back."""
    was_enabled = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            transformers_logging.enable_progress_bar()


def load_model(folder: Path) -> LocalModel:
    """Load the chat model of a folder onto the best device of this machine.

    Raises ConfigError if it is no causal language model, lacks weights or a chat template, or needs
    code of its own.
    """
    with _quiet(), _no_progress_bar():
        try:
            return _load(folder)
        except ConfigError:
            raise
        except Exception as exc:  # Whatever a foreign file leads transformers to raise.
            reason = str(exc).strip().partition("\n")[0][:300]
            problem = f"cannot load the model of {str(folder)!r}: {type(exc).__name__}: {reason}"
            raise ConfigError(problem) from exc


def _load(folder: Path) -> LocalModel:
    config = transformers.AutoConfig.from_pretrained(folder, **_FROM_DISK)
    if type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
        problem = (
            f"the model of {str(folder)!r}, a {config.model_type}, is no causal language model"
        )
        raise ConfigError(problem)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **_FROM_DISK)
    if not tokenizer.chat_template:
        problem = (
            f"the model of {str(folder)!r} has no chat template: take a chat or instruct model"
        )
        raise ConfigError(problem)
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype="auto", output_loading_info=True, **_FROM_DISK
    )
    _check_weights(folder, report)
    return _TextModel(name_of(folder), model.to(_find_device()).eval(), tokenizer)


def _check_weights(folder: Path, report: Mapping[str, Any]) -> None:
    """Raise ConfigError where weights are missing: transformers would make some up."""
    missing = sorted(report["missing_keys"])
    if missing:
        count = f"{len(missing)} weights, such as {missing[0]}"
        raise ConfigError(f"the model folder {str(folder)!r} lacks {count}: is a file missing?")


def _find_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _settle_defaults(settings: Any) -> None:
    """Take out of a model's settings what must not reach ``generate``."""
    for name in _UNSETTLED:
        if getattr(settings, name, None) is not None:
            setattr(settings, name, None)


class _TextModel:
    """See ``LocalModel``."""

    accepts_images = False

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        self.name = name
        self._model = model
        self._tokenizer = tokenizer
        # Guards the tokenizer while it encodes, and transformers' cache of stop strings: neither
        # may be changed by two threads at once. Both are quick.
        self._lock = threading.Lock()
        settings = model.generation_config
        self.default_length: int | None = settings.max_new_tokens
        self.stop_strings = _as_list(settings.stop_strings)
        _settle_defaults(settings)
        self.end_tokens = _find_end_tokens(settings, tokenizer)
        settings.eos_token_id = sorted(self.end_tokens) or None
        self.context_length = _find_length(model.config, tokenizer)
        self.runs_alone = _has_changing_rope(model.config)
        self.markup = find_markup(
            template=_join_templates(tokenizer.chat_template), tokens=tokenizer.get_added_vocab()
        )
        self.hidden_tokens = self._find_hidden_tokens()
        # The first call may rewrite what a file says of padding; later ones only read it.
        self.encode("", ())

    def render(self, prompt: Prompt, template: Mapping[str, Any]) -> str:
        """Write the prompt by the chat template. Raises BadRequestError if that cannot."""
        try:
            text: str = self._tokenizer.apply_chat_template(
                prompt.messages,
                tools=prompt.tools,
                add_generation_prompt=True,
                tokenize=False,
                **template,
            )
        except (
            Exception
        ) as exc:  # A template raises what it likes, and stumbles over what it likes.
            reason = f"{type(exc).__name__}: {exc}"[:300]
            message = f"The chat template of this model cannot take the input: {reason}"
            raise bad_request(message, param="input") from exc
        return text

    def encode(self, text: str, images: Sequence[Image]) -> Encoded:
        """Make tokens of a prompt."""
        with self._lock:
            encoded = self._tokenizer(
                text, add_special_tokens=False, return_tensors="pt", verbose=False
            )
        inputs = {key: encoded[key] for key in ("input_ids", "attention_mask")}
        return Encoded(encoded["input_ids"].shape[1], inputs)

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
            with _quiet(), torch.inference_mode(), self._seeded(seed):
                self._generate(inputs, dict(options), listener)
        except RuntimeError as exc:
            if not _is_out_of_memory(exc):
                raise
            is_exhausted = True
        # Out here, where the error and all the tensors that its frames hold are gone.
        if is_exhausted:
            if self._model.device.type == "cuda":
                torch.cuda.empty_cache()
            raise MemoryError

    def _generate(self, inputs: Any, options: dict[str, Any], listener: Listener) -> None:
        stops = options.pop("stop_strings", self.stop_strings)
        criteria = [_Listening(listener)]
        if stops:
            with self._lock:
                criteria.append(transformers.StopStringCriteria(self._tokenizer, stops))
        self._model.generate(
            **{key: value.to(self._model.device) for key, value in inputs.items()},
            **options,
            streamer=_Streamer(listener),
            stopping_criteria=transformers.StoppingCriteriaList(criteria),
        )

    @contextmanager
    def _seeded(self, seed: int | None) -> Iterator[None]:
        """Draw from ``seed`` while the block runs, and then on from where the process was."""
        if seed is None:
            yield
            return
        device = self._model.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    def _find_hidden_tokens(self) -> frozenset[int]:
        """Return the tokens that mark turns and padding, as against reasoning and calls."""
        added = self._tokenizer.added_tokens_decoder.items()
        special = {token for token, about in added if about.special}
        special |= self.end_tokens | set(self._tokenizer.all_special_ids)
        shown = {token for token in special if self.markup.keeps(self.decode([token]))}
        return frozenset(special - shown)


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


def _join_templates(template: str | Mapping[str, str]) -> str:
    """Return the text of all templates; some models have one more for tools."""
    return template if isinstance(template, str) else "\n".join(template.values())


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
        is_last = self._listener.on_step()
        return torch.full((input_ids.shape[0],), is_last, device=input_ids.device)
