"""The folder of a model as the hub's tools leave it: is it there, is it whole, what is its name?"""

from __future__ import annotations

import json
import re
from pathlib import Path

from pyresponses_ws.errors import ConfigError

#: What weights are called; a large model has several files of them.
_WEIGHTS = ("*.safetensors", "*.bin")

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
