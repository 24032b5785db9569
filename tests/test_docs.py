"""The pages of docs/ say what the code says."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import requests

from pyresponses_ws.server.command import _OPTIONS, add_options
from pyresponses_ws.server.engines.base import Delta
from pyresponses_ws.testing import LocalServer

ROOT = Path(__file__).resolve().parent.parent
THREADS = (ROOT / "docs" / "threads.md").read_text("utf-8")
SERVER = (ROOT / "docs" / "server.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", SERVER, re.DOTALL | re.MULTILINE)
#: Where the server of the page listens.
ADDRESS = "http://127.0.0.1:8080/v1"
#: Where locks of the client are made; the server has its own loop.
PLACES = [*(ROOT / "pyresponses_ws" / "_runtime").glob("*.py"), ROOT / "pyresponses_ws/client.py"]


def classes() -> Iterator[tuple[str, str]]:
    """Yield name and source of each class that may make a lock."""
    for path in PLACES:
        source = path.read_text("utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                yield node.name, ast.get_source_segment(source, node) or ""


def options() -> list[list[str]]:
    """Return the cells of the rows of the server's options."""
    section = SERVER[SERVER.index("\n## Options\n") :].split("\n## ")[1]
    return [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| ")][1:]


def codes(cell: str) -> list[str]:
    """Return what stands in code in a cell of a table."""
    return re.findall(r"`([^`]+)`", cell)


def rows(title: str) -> set[str]:
    """Return the first words in code of the rows of a section's table."""
    section = THREADS[THREADS.index(f"\n## {title}\n") :].split("\n## ")[1]
    return set(re.findall(r"^\| `([\w-]+)`", section, re.MULTILINE))


def test_the_page_of_recovery_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """It is what its script prints."""
    runpy.run_path(str(ROOT / "scripts" / "print_recovery.py"), run_name="__main__")
    assert (ROOT / "docs" / "recovery.md").read_text("utf-8") == capsys.readouterr().out


def test_the_page_of_threads_names_every_lock() -> None:
    """Each class that makes one has its row, and no row is left over."""
    makers = {
        name for name, source in classes() if re.search(r"= (\w+\.)*threads\.lock\(\)", source)
    }
    assert rows("Locks") == makers


def test_the_page_of_threads_names_every_thread() -> None:
    """Each role that is started has its row here and in the README."""
    source = "".join(path.read_text("utf-8") for path in PLACES)
    started = re.findall(r"(?:\.start\(f?|Worker\(threads, )\"([a-z]+)", source)
    assert {role.split("-")[0] for role in rows("Threads")} == set(started)
    assert set(started) <= set(
        re.findall(r"^\| `([a-z]+)", (ROOT / "README.md").read_text("utf-8"), re.M)
    )


def test_the_page_of_the_server_has_every_option() -> None:
    """Each of the command and each keyword of LocalServer, and none that is not there."""
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser, port=8080)
    flags = [flag for action in parser._actions for flag in action.option_strings]
    assert sorted(flag for row in options() for flag in codes(row[0])) == sorted(flags)
    keywords = [name for row in options() for name in codes(row[1])]
    assert sorted(keywords) == sorted(inspect.signature(LocalServer).parameters)


def test_the_page_of_the_server_pairs_options_with_their_keywords() -> None:
    """On one row stand the option and the keyword that set the same."""
    parameters = inspect.signature(LocalServer).parameters
    fields = {option.flag: option.field for option in _OPTIONS if option.field in parameters}
    for flags, keywords, *_ in options():
        named = {fields[flag] for flag in codes(flags) if flag in fields}
        assert named <= set(codes(keywords)), flags


def test_the_page_of_the_server_names_every_delta() -> None:
    """Whoever writes an engine sees at once what it can say."""
    section = SERVER[SERVER.index("\n## An engine of your own\n") :].split("\n## ")[1]
    named = re.findall(r"`(\w+Delta)`", section)
    assert sorted(named) == sorted(delta.__name__ for delta in get_args(Delta))


def test_the_engine_of_the_page_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """The program can be copied, and prints what one expects of it."""
    (block,) = (block for block in BLOCKS if "class " in block)
    exec(compile(block, "server.md", "exec"), {"__name__": "page"})
    assert capsys.readouterr().out == "3 2 1 \n"


def test_the_official_client_of_the_page_gets_an_answer(responses_server: LocalServer) -> None:
    """At the address of the server, whatever its key."""
    (block,) = (block for block in BLOCKS if "import OpenAI" in block)
    names: dict[str, Any] = {}
    exec(compile(block.replace(ADDRESS, responses_server.base_url), "server.md", "exec"), names)
    with names["client"] as client:
        assert client.responses.create(model="any", input="Hello").output_text == "You said: Hello"


def test_the_line_for_curl_gets_an_answer(responses_server: LocalServer) -> None:
    """Its URL, header and body are what the server takes."""
    (line,) = re.findall(r"^\$ curl (.+)$", SERVER, re.MULTILINE)
    url, _, header, _, body = shlex.split(line.replace(ADDRESS, responses_server.base_url))
    headers = dict([header.split(": ")])
    reply = requests.post(url, data=body, headers=headers, timeout=30)
    assert reply.json()["output"][0]["content"][0]["text"] == "You said: Hello"


def test_links_lead_somewhere() -> None:
    """Every file that a page names is there."""
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
