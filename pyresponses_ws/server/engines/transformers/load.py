"""Loads a Hugging Face model from this disk, and says in plain words why one cannot be served."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from transformers.utils import logging as transformers_logging

from pyresponses_ws.errors import BadRequestError, ConfigError
from pyresponses_ws.server.engines.transformers.engine import LocalModel
from pyresponses_ws.server.engines.transformers.folder import find_broken, has_tokenizer, name_of
from pyresponses_ws.server.engines.transformers.model import ImageModel, TextModel, quiet
from pyresponses_ws.server.engines.transformers.prompt import Prompt

_logger = logging.getLogger(__name__)

#: What a tokenizer that knows any script has tokens for.
_GREETING = "Hello, 1 你好"

_NO_TOKENIZER = "it has no tokenizer files, such as tokenizer.json"

#: Nothing is fetched, and no code of a model is run.
_FROM_DISK = {"local_files_only": True, "trust_remote_code": False}


def load_model(folder: Path) -> LocalModel:
    """Load the chat model of a folder onto the best device of this machine.

    Raises ConfigError if it is no causal language model, lacks weights, a tokenizer or a chat
    template that works, or needs code of its own.
    """
    with quiet(), _no_progress_bar():
        try:
            model = _load(folder)
        except ConfigError:
            raise
        except Exception as exc:  # Whatever a foreign file leads transformers to raise.
            raise _unfit(folder, _explain(folder, exc)) from exc
    _try_template(folder, model)
    return model


def _load(folder: Path) -> LocalModel:
    config = transformers.AutoConfig.from_pretrained(folder, **_FROM_DISK)
    if type(config) in transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        return _load_image_model(folder, config)
    if type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
        raise _unfit(folder, f"{config.model_type!r} is no causal language model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **_FROM_DISK)
    _check_tokenizer(folder, tokenizer)
    _check_template(folder, tokenizer.chat_template)
    model = _load_weights(folder, config, transformers.AutoModelForCausalLM)
    return TextModel(name_of(folder), model, tokenizer, template=tokenizer.chat_template)


def _load_image_model(folder: Path, config: Any) -> LocalModel:
    """Load a model that has eyes; without what they need, it reads text all the same."""
    processor = _load_processor(folder)
    if processor is None:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **_FROM_DISK)
    else:
        tokenizer = processor.tokenizer
    _check_tokenizer(folder, tokenizer)
    template = getattr(processor, "chat_template", None) or tokenizer.chat_template
    _check_template(folder, template)
    model = _load_weights(folder, config, transformers.AutoModelForImageTextToText)
    name = name_of(folder)
    if processor is None:
        return TextModel(name, model, tokenizer, template=template, wants_parts=True)
    return ImageModel(name, model, tokenizer, template=template, processor=processor)


def _load_processor(folder: Path) -> Any:
    """Return what makes tensors of images; None where its files or packages are missing."""
    try:
        processor = transformers.AutoProcessor.from_pretrained(folder, **_FROM_DISK)
    except (ImportError, OSError, ValueError) as exc:
        # What is there and broken is told; a model made for text alone comes without.
        if not isinstance(exc, ImportError) and any(folder.glob("*processor*")):
            raise
        _logger.warning("%s reads no images here: %s", folder.name, _tell(exc))
        return None
    return processor if hasattr(processor, "image_processor") else None


def _load_weights(folder: Path, config: Any, kind: Any) -> Any:
    """Return the model, ready to generate, on its device."""
    model, report = kind.from_pretrained(
        folder, config=config, dtype="auto", output_loading_info=True, **_FROM_DISK
    )
    _check_weights(folder, report)
    return model.to(_find_device()).eval()


def _check_weights(folder: Path, report: Mapping[str, Any]) -> None:
    """Raise ConfigError where weights are missing: transformers would make some up."""
    missing = sorted(report["missing_keys"])
    if missing:
        count = f"{len(missing)} weights are missing, such as {missing[0]}"
        raise _unfit(folder, f"{count}; is a file missing?")


def _check_tokenizer(folder: Path, tokenizer: Any) -> None:
    """Raise ConfigError where there is none: transformers would make up one without a word."""
    tokens = tokenizer(_GREETING, add_special_tokens=False)["input_ids"]
    if set(tokens) <= {tokenizer.unk_token_id}:
        raise _unfit(folder, _NO_TOKENIZER)


def _check_template(folder: Path, template: object) -> None:
    if not template:
        raise _unfit(folder, "it has no chat template; take a chat or instruct model")


def _try_template(folder: Path, model: LocalModel) -> None:
    """Render a prompt, so that a template that never works is found before anybody asks.

    One that refuses a lone message of a user may take others.
    """
    try:
        model.render(Prompt([{"role": "user", "content": _GREETING}], tools=None), {})
    except BadRequestError as exc:
        reason = exc.__cause__
        assert isinstance(reason, Exception)
        if isinstance(reason, TemplateSyntaxError | ImportError):
            message = f"its chat template cannot be used: {_tell(reason)}"
            raise _unfit(folder, message) from reason
        # A template that refuses on purpose raises the base class itself.
        if type(reason) is not TemplateError:
            told = folder.name, _tell(reason)
            _logger.warning("the template of %s takes no lone message of a user: %s", *told)


def _find_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


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


def _unfit(folder: Path, reason: str) -> ConfigError:
    return ConfigError(f"cannot serve the model of {str(folder)!r}: {reason}")


def _explain(folder: Path, exc: Exception) -> str:
    """Return what is wrong with a folder that could not be loaded; what was raised rarely says."""
    if not has_tokenizer(folder):
        return f"{_NO_TOKENIZER} ({_tell(exc)})"
    broken = find_broken(folder)
    return f"{_tell(exc)}; {broken}" if broken else _tell(exc)


def _tell(exc: Exception) -> str:
    """Return the first line of what went wrong; transformers goes on for a page."""
    return f"{type(exc).__name__}: {str(exc).strip().partition(chr(10))[0][:300]}"
