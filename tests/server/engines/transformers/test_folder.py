"""What is told of a folder that holds no model."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.engines.transformers.folder import (
    check_folder,
    find_broken,
    has_tokenizer,
    name_of,
)


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


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
#: Two weights of four bytes, as safetensors has them: the length of the head, the head, the data.
HEAD = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"format":"pt"}}'
WHOLE = len(HEAD).to_bytes(8, "little") + HEAD + b"1234"


def pack() -> bytes:
    """Make what torch saves: a zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("data.pkl", "x" * 100)
    return file.getvalue()


@pytest.mark.parametrize(
    "name", ["model-00001-of-2.safetensors", "pytorch_model.bin", "tokenizer.json", "vocab.model"]
)
def test_a_file_that_is_still_to_be_fetched_is_named(tmp_path: Path, name: str) -> None:
    """A clone without Git LFS leaves a few lines in the place of each large file."""
    (tmp_path / name).write_bytes(POINTER)
    found = find_broken(tmp_path)
    assert found is not None
    assert found.startswith(f"{name} is a Git-LFS pointer: fetch it again")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        *(("model.safetensors", WHOLE[:length]) for length in (0, 5, 20, len(WHOLE) - 1)),
        ("model.safetensors", b"\xff" * 20),
        ("model.safetensors", (3).to_bytes(8, "little") + b"[1]"),
        ("pytorch_model.bin", pack()[:-10]),
        ("pytorch_model.bin", b""),
        ("tokenizer.json", b'{"version": "1.0", "mod'),
    ],
)
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    """As by a download that broke."""
    (tmp_path / name).write_bytes(data)
    assert find_broken(tmp_path) == f"{name} is cut off or broken: fetch it again"


def test_files_that_are_whole_are_not_blamed(tmp_path: Path) -> None:
    """Nor those that do not say how long they are: old weights of torch, words of tokenizers."""
    make(tmp_path, config__json="{}", old__bin="\x80\x02", vocab__model="\n", README__md="# Model")
    (tmp_path / "model.safetensors").write_bytes(WHOLE)
    (tmp_path / "pytorch_model.bin").write_bytes(pack())
    assert find_broken(tmp_path) is None


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer.model", "vocab.txt", "tekken.json"])
def test_a_folder_with_a_vocabulary_has_a_tokenizer(tmp_path: Path, name: str) -> None:
    """However its kind calls it; settings alone are none."""
    (tmp_path / "tokenizer_config.json").touch()
    assert not has_tokenizer(tmp_path)
    (tmp_path / name).touch()
    assert has_tokenizer(tmp_path)
