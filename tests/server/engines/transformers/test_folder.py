"""What is told of a folder that holds no model."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.engines.transformers.folder import check_folder, name_of


def make(folder: Path, **files: str) -> str:
    """Make a folder of these files; ``__`` stands for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return str(folder)


def refuse(directory: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check_folder(directory)
    return str(caught.value)


@pytest.mark.parametrize("weights", ["model__safetensors", "pytorch_model__bin"])
def test_a_folder_with_configuration_and_weights_is_one(tmp_path: Path, weights: str) -> None:
    """Either kind of weights will do."""
    made = make(tmp_path / "tiny", config__json="{}", **{weights: "x"})
    assert check_folder(made) == tmp_path / "tiny"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says what to give."""
    message = refuse(str(tmp_path / "nowhere"))
    assert "nowhere" in message
    assert "config.json" in message


def test_a_name_of_the_hub_is_to_be_fetched_first() -> None:
    """Nothing is fetched here, so the message says how."""
    assert "'hf download Qwen/Qwen3-0.6B --local-dir DIR'" in refuse("Qwen/Qwen3-0.6B")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """Weights alone are not enough."""
    file = tmp_path / "model.safetensors"
    file.write_text("x")
    assert "no such model folder" in refuse(str(file))


def test_a_folder_without_configuration_is_no_model(tmp_path: Path) -> None:
    """The message names the file."""
    assert "has no config.json" in refuse(make(tmp_path, model__safetensors="x"))


def test_a_configuration_that_is_no_json_is_told(tmp_path: Path) -> None:
    """A download that was cut off is one."""
    assert "cannot read config.json" in refuse(make(tmp_path, config__json='{"a'))


def test_a_folder_without_weights_is_told(tmp_path: Path) -> None:
    """So is a clone without its large files."""
    assert "no weights" in refuse(make(tmp_path, config__json="{}"))


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell expands what stands behind ``transformers:``."""
    monkeypatch.setenv("HOME", str(tmp_path))
    make(tmp_path / "tiny", config__json="{}", model__safetensors="x")
    assert check_folder("~/tiny") == tmp_path / "tiny"


def test_a_model_is_called_as_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it was given."""
    folder = Path(make(tmp_path / "tiny-chat"))
    monkeypatch.chdir(folder)
    assert [name_of(path) for path in (folder, Path())] == ["tiny-chat", "tiny-chat"]


def test_a_model_in_the_cache_has_its_name_on_the_hub(tmp_path: Path) -> None:
    """Its own folder is called by a hash."""
    made = make(tmp_path / "models--Qwen--Qwen3-0.6B" / "snapshots" / "c1899de")
    assert name_of(Path(made)) == "Qwen/Qwen3-0.6B"
