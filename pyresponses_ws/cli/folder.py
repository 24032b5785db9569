"""Three tools over one folder, for the demo: list files, read one, search their text.

They run on whatever folder the user stands in, so each is bounded: nothing outside the folder is
opened, links that lead out of it included; binary, huge and special files are passed over; a tree
of any size costs the same few looks; and what comes back is short and printable.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from pyresponses_ws.errors import ToolArgumentsError, ToolError

#: Characters of one answer: about a screen, and small beside the largest frame.
OUTPUT_LIMIT = 2_000
#: Directory entries that one look reads; beyond it a listing says "and more".
ENTRY_LIMIT = 2_000
#: Names that a listing shows.
NAME_LIMIT = 60
#: Files and folders that one search opens, and lines that it returns. Arbitrary: well under a
#: second of work.
FILE_LIMIT = 500
FOLDER_LIMIT = 500
MATCH_LIMIT = 20
#: Bytes above which a file is passed over; source and prose are smaller, data sets are not.
SIZE_LIMIT = 512 * 1024
#: Characters of a line that a match shows.
LINE_LIMIT = 120


class Folder:
    """The folder that the tools may see. Not thread-safe to change, and never changed."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root).resolve()

    def list_files(self, path: str) -> str:
        """Return the names in a folder, one a line, folders with a slash at the end.

        Raises ToolError when the path is outside, no folder, or may not be read.
        """
        entries = list(islice(_scan(self._inside(path)), ENTRY_LIMIT + 1))
        names = sorted(_label(entry) for entry in entries[:ENTRY_LIMIT])
        if len(entries) > ENTRY_LIMIT or len(names) > NAME_LIMIT:
            names = [*names[:NAME_LIMIT], "... and more"]
        return _bounded("\n".join(names) or "(empty)")

    def read_file(self, path: str) -> str:
        """Return the start of a text file.

        Raises ToolError when the path is outside, no regular file, too large, binary, or may not
        be read.
        """
        return _bounded(_text_of(self._inside(path), path))

    def search_text(self, query: str, path: str) -> str:
        """Return the lines at or below a path that contain the query, as ``file:line: text``.

        Files that cannot be read are passed over. Raises ToolError when the path is outside or
        absent, or the query empty.
        """
        if not query:
            raise ToolArgumentsError("search_text needs a query that is not empty.")
        top = self._inside(path)
        if not top.exists():
            raise ToolError(f"There is no file or folder {path!r}.")
        files = [top] if top.is_file() else islice(_walk(top), FILE_LIMIT)
        matches = islice(self._matches(query, files), MATCH_LIMIT)
        return _bounded("\n".join(matches) or "(no match)")

    def _matches(self, query: str, files: Iterable[Path]) -> Iterator[str]:
        for file in files:
            try:
                lines = _text_of(file, file.name).splitlines()
            except ToolError:
                continue
            name = file.relative_to(self._root).as_posix()
            for number, line in enumerate(lines, 1):
                if query in line:
                    yield f"{name}:{number}: {line.strip()[:LINE_LIMIT]}"

    def _inside(self, path: str) -> Path:
        """Resolve a path, links included, and refuse it unless it stays inside."""
        try:
            resolved = (self._root / path).resolve()
        except (OSError, ValueError, RuntimeError) as exc:  # NUL byte, circle of links
            raise ToolArgumentsError(f"{path!r} is not a usable path.") from exc
        if not resolved.is_relative_to(self._root):
            raise ToolArgumentsError(f"{path!r} is outside of the folder; give a path inside.")
        return resolved


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as exc:
        raise ToolError(f"Cannot list the folder: {exc.strerror}.") from exc


def _label(entry: os.DirEntry[str]) -> str:
    try:
        is_folder = entry.is_dir()
    except OSError:  # a circle of links
        is_folder = False
    return f"{entry.name}/" if is_folder else entry.name


def _walk(top: Path) -> Iterator[Path]:
    """Yield regular files below a folder, nearest first; hidden ones and links are left out."""
    waiting = deque([top])
    for _ in range(FOLDER_LIMIT):
        if not waiting:
            return
        for entry in _visible(waiting.popleft()):
            if entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries that a search looks at, by name; none when the folder is closed to us."""
    try:
        entries = list(islice(_scan(folder), ENTRY_LIMIT))
    except ToolError:
        return []
    return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)


def _text_of(file: Path, name: str) -> str:
    """Read a whole small text file; a pipe or a device would block, so it is never opened."""
    try:
        if not file.is_file():
            raise ToolError(f"There is no file {name!r}.")
        if file.stat().st_size > SIZE_LIMIT:
            raise ToolError(f"{name!r} is larger than {SIZE_LIMIT} bytes.")
        data = file.read_bytes()
    except OSError as exc:
        raise ToolError(f"Cannot read {name!r}: {exc.strerror}.") from exc
    if b"\0" in data:
        raise ToolError(f"{name!r} is a binary file.")
    return data.decode("utf-8", "replace")


def _bounded(text: str) -> str:
    """Cut to size, and replace what a terminal or UTF-8 could stumble over."""
    shown = text if len(text) <= OUTPUT_LIMIT else text[:OUTPUT_LIMIT] + "\n... (cut)"
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in shown
    )
