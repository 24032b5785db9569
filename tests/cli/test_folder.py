"""The demo's tools: bounded, printable, and shut in their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyresponses_ws.cli import folder as folder_module
from pyresponses_ws.cli.folder import Folder
from pyresponses_ws.errors import ToolArgumentsError, ToolError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small folder with a secret beside it."""
    (tmp_path / "secret.txt").write_text("the secret\n")
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "README.md").write_text("# Title\nthe answer is 42\n")
    (root / "docs" / "more.txt").write_text("one\n  another answer  \n")
    return root


def test_listing_names_files_and_folders(root: Path) -> None:
    """Names come sorted, one a line, folders with a slash."""
    assert Folder(root).list_files(".") == "README.md\ndocs/"


def test_listing_looks_through_links(root: Path) -> None:
    """A link to a folder can be listed like one; a circle of links is just a name."""
    (root / "alias").symlink_to("docs")
    (root / "loop").symlink_to("loop")
    assert Folder(root).list_files(".") == "README.md\nalias/\ndocs/\nloop"


def test_listing_of_an_empty_folder_says_so(tmp_path: Path) -> None:
    """No name at all would read like a failure."""
    assert Folder(tmp_path).list_files(".") == "(empty)"


def test_listing_a_large_folder_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its limit a listing ends with a remark, however many entries there are."""
    monkeypatch.setattr(folder_module, "ENTRY_LIMIT", 5)
    for number in range(20):
        (tmp_path / f"{number:02}").touch()
    names = Folder(tmp_path).list_files(".").splitlines()
    assert len(names) == 6
    assert names[-1] == "... and more"


@pytest.mark.parametrize("path", ["nothing", "README.md"])
def test_listing_what_is_no_folder_is_a_tool_error(root: Path, path: str) -> None:
    """The model gets a sentence to work with."""
    with pytest.raises(ToolError, match="Cannot list"):
        Folder(root).list_files(path)


def test_reading_a_file_returns_its_text(root: Path) -> None:
    """The path is relative to the folder."""
    assert Folder(root).read_file("docs/more.txt") == "one\n  another answer  \n"


def test_reading_a_long_file_is_cut(root: Path) -> None:
    """An answer never outgrows the limit by more than its remark."""
    (root / "long.txt").write_text("x" * 100_000)
    text = Folder(root).read_file("long.txt")
    assert text.endswith("x\n... (cut)")
    assert len(text) < folder_module.OUTPUT_LIMIT + 20


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/hostname", "docs/../../secret.txt"])
@pytest.mark.parametrize("tool", ["read_file", "list_files"])
def test_a_path_outside_is_refused(root: Path, path: str, tool: str) -> None:
    """Neither dots nor absolute paths lead out."""
    with pytest.raises(ToolArgumentsError, match="outside"):
        getattr(Folder(root), tool)(path)


def test_a_link_that_leads_out_is_refused(root: Path) -> None:
    """The path is judged after its links are resolved."""
    (root / "link.txt").symlink_to("../secret.txt")
    with pytest.raises(ToolArgumentsError, match="outside"):
        Folder(root).read_file("link.txt")


@pytest.mark.parametrize("path", ["a\0b", "x" * 5_000])
def test_an_impossible_path_is_refused(root: Path, path: str) -> None:
    """What the system cannot even look up is an error of the arguments or of the file."""
    with pytest.raises(ToolError):
        Folder(root).read_file(path)


def test_a_binary_file_is_refused(root: Path) -> None:
    """A NUL byte is what no text has."""
    (root / "data.bin").write_bytes(b"\x7fELF\0\0answer")
    with pytest.raises(ToolError, match="binary"):
        Folder(root).read_file("data.bin")


def test_a_huge_file_is_refused(root: Path) -> None:
    """Its size is looked at before it is opened."""
    with (root / "huge").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ToolError, match="larger than"):
        Folder(root).read_file("huge")


def test_a_pipe_is_never_opened(root: Path) -> None:
    """Opening one without a writer would block for ever."""
    os.mkfifo(root / "pipe")
    with pytest.raises(ToolError, match="no file"):
        Folder(root).read_file("pipe")
    assert Folder(root).search_text("answer", ".")


def test_text_that_a_terminal_would_obey_is_replaced(root: Path) -> None:
    """Neither escape sequences nor broken UTF-8 get through."""
    (root / "rude.txt").write_bytes(b"\x1b[31mred \xff\xed\xa0\x80\ttab\n")
    text = Folder(root).read_file("rude.txt")
    assert "\x1b" not in text
    assert text.endswith("\ttab\n")
    assert text.encode("utf-8").decode("utf-8") == text


def test_a_name_that_is_no_utf8_is_listed(tmp_path: Path) -> None:
    """The file system hands such a name over with lone surrogates, which no JSON can carry."""
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).touch()
    assert Folder(tmp_path).list_files(".") == "caf\N{REPLACEMENT CHARACTER}.txt"


def test_search_shows_file_line_and_text(root: Path) -> None:
    """Nearest files come first; the line is trimmed."""
    found = Folder(root).search_text("answer", ".")
    assert found == "README.md:2: the answer is 42\ndocs/more.txt:2: another answer"


def test_search_takes_a_single_file(root: Path) -> None:
    """A model that names a file means that file."""
    assert Folder(root).search_text("one", "docs/more.txt") == "docs/more.txt:1: one"


def test_search_without_a_match_says_so(root: Path) -> None:
    """An empty answer would read like a failure."""
    assert Folder(root).search_text("nowhere", ".") == "(no match)"


@pytest.mark.parametrize(("query", "path"), [("", "."), ("x", "absent"), ("x", "..")])
def test_search_refuses_bad_arguments(root: Path, query: str, path: str) -> None:
    """An empty query would match everything; an absent path nothing."""
    with pytest.raises(ToolError):
        Folder(root).search_text(query, path)


def test_search_opens_a_bounded_number_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tree of any size costs the same few looks."""
    monkeypatch.setattr(folder_module, "FILE_LIMIT", 3)
    for number in range(9):
        (tmp_path / f"{number}").write_text("hit\n")
    assert len(Folder(tmp_path).search_text("hit", ".").splitlines()) == 3


def test_search_opens_a_bounded_number_of_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do folders without files keep it busy."""
    monkeypatch.setattr(folder_module, "FOLDER_LIMIT", 3)
    deep = tmp_path / "1" / "2" / "3" / "4"
    deep.mkdir(parents=True)
    (deep / "file").write_text("hit\n")
    assert Folder(tmp_path).search_text("hit", ".") == "(no match)"


def test_search_passes_over_what_cannot_be_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One closed file or folder does not spoil the search of the others."""
    (root / "data.bin").write_bytes(b"answer\0")
    (root / ".hidden").write_text("answer\n")
    closed = root / "docs"

    def scandir(path: Path) -> object:
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return real_scandir(path)

    real_scandir = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    assert Folder(root).search_text("answer", ".") == "README.md:2: the answer is 42"
