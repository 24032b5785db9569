"""The folder of a model as the hub's tools leave it: is it there, is it whole, what is its name?"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from pyresponses_ws.errors import ConfigError

#: What weights are called; a large model has several files of them.
_WEIGHTS = ("*.safetensors", "*.bin")

#: What holds a tokenizer's words, by the kinds of tokenizers; the settings beside them are none.
_VOCABULARIES = ("tokenizer.json", "*.model", "vocab*", "*.tiktoken", "tekken.json")

#: How the few lines begin that Git has in the place of a large file until that is fetched.
_POINTER = b"version https://git-lfs.github.com/spec/"

#: A name on the hub, "owner/model".
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def check_folder(directory: str) -> Path:
    """Return the folder of a model.

    Raises ConfigError if it is not there, or if its configuration or its weights are missing.
    """
    folder = Path(directory).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"no such model folder: {directory!r}; {_advise(directory)}")
    _check_config(folder)
    if not any(file for pattern in _WEIGHTS for file in folder.glob(pattern)):
        raise ConfigError(f"the model folder {directory!r} has no weights: *.safetensors or *.bin")
    return folder


def name_of(folder: Path) -> str:
    """Return what to call the model: its folder, or its name on the hub if it is in the cache.

    The cache of the hub keeps "owner/model" as ``models--owner--model/snapshots/HASH``.
    """
    resolved = folder.resolve()
    if resolved.parent.name == "snapshots":
        return resolved.parent.parent.name.removeprefix("models--").replace("--", "/")
    return resolved.name


def has_tokenizer(folder: Path) -> bool:
    """Say whether the folder holds the words of a tokenizer."""
    return any(file for pattern in _VOCABULARIES for file in folder.glob(pattern))


def find_broken(folder: Path) -> str | None:
    """Name a file that is not whole, and say what to do; None if all that can be checked are.

    For a folder that could not be loaded: one that nobody reads may well be broken.
    """
    for pattern, is_whole in _CHECKS.items():
        for file in sorted(folder.glob(pattern)):
            if _is_pointer(file):
                advice = "fetch it again, by 'git lfs pull' or 'hf download'"
                return f"{file.name} is a Git-LFS pointer: {advice}"
            if not is_whole(file):
                return f"{file.name} is cut off or broken: fetch it again"
    return None


def _is_pointer(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_POINTER)) == _POINTER


def _is_whole_safetensors(file: Path) -> bool:
    """Say whether the file is as long as its head says: a length, the head in JSON, the weights."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        size = file.stat().st_size
        try:
            # A head that is longer than the file is not worth its memory.
            head = json.loads(opened.read(length if length < size else 0))
            ends = [about["data_offsets"][1] for name, about in head.items() if name[:2] != "__"]
            return bool(size == 8 + length + max(ends, default=0))
        except (AttributeError, LookupError, TypeError, ValueError):
            return False


def _is_whole_pickle(file: Path) -> bool:
    """Say whether a zip, which torch saves, has its end; its older form has no such mark."""
    with file.open("rb") as opened:
        mark = opened.read(2)
    return zipfile.is_zipfile(file) if mark == b"PK" else bool(mark)


def _is_whole_json(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except (RecursionError, ValueError):
        return False
    return True


def _has_content(file: Path) -> bool:
    return file.stat().st_size > 0


#: What a model is read from, and what tells whether a file is whole.
_CHECKS: Mapping[str, Callable[[Path], bool]] = {
    "*.safetensors": _is_whole_safetensors,
    "*.bin": _is_whole_pickle,
    "*.json": _is_whole_json,
    "*.model": _has_content,
}


def _advise(directory: str) -> str:
    if _HUB_NAME.fullmatch(directory):
        return (
            "models are read from disk and never fetched: get it with "
            f"'hf download {directory} --local-dir DIR' and give transformers:DIR"
        )
    return "give the folder that holds its config.json"


def _check_config(folder: Path) -> None:
    try:
        json.loads((folder / "config.json").read_text("utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"the folder {str(folder)!r} has no config.json: no model") from exc
    except (OSError, ValueError) as exc:
        raise ConfigError(f"cannot read config.json of {str(folder)!r}: {exc}") from exc
