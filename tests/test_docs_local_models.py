"""The page about local models says what the engines do, and its programs run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.engines import make_engine
from pyresponses_ws.server.engines.transformers.settings import read_settings
from pyresponses_ws.testing import LocalServer

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "local-models.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
#: Where the server of the page listens.
ADDRESS = "http://127.0.0.1:8080/v1"


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_program_of_the_page_runs(
    block: str, responses_server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each can be copied as it stands, whatever engine answers."""
    program = block.replace(ADDRESS, responses_server.base_url)
    exec(compile(program, "local-models.md", "exec"), {})
    assert capsys.readouterr().out.startswith("You said: ")


def test_the_page_has_the_programs() -> None:
    """A changed fence must not leave the test above with nothing to do."""
    assert len(BLOCKS) == 2


def test_the_page_names_every_option_of_a_generation_config() -> None:
    """The engine lists them itself when it meets another."""
    sentence = PAGE[PAGE.index("Options of `generation_config`: ") :].split(".")[0]
    named = re.findall(r"`(\w+)`", sentence)[1:]
    with pytest.raises(Exception, match="lets through") as caught:
        read_settings({"generation_config": {"none_of_them": 1}})
    known = str(caught.value).split("lets through: ")[1].split(".")[0]
    assert named == known.split(", ")


@pytest.mark.parametrize("engine", ["upstream:URL", "transformers:DIR"])
def test_the_page_and_the_command_use_the_same_names(engine: str) -> None:
    """Of the engines that the page is about."""
    with pytest.raises(ConfigError) as caught:
        make_engine("none of them")
    assert f"'{engine}'" in str(caught.value)
    assert f"`{engine}`" in PAGE


def test_the_key_for_an_upstream_has_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable of the page is the one that is read."""
    (name,) = set(re.findall(r"PYRESPONSES_WS_UPSTREAM\w+", PAGE))
    monkeypatch.setenv(name, "not a\nkey")
    with pytest.raises(ConfigError, match="key"):
        make_engine("upstream:http://127.0.0.1:9/v1")


def test_the_page_says_what_was_run() -> None:
    """Every server that it names has its row, and each says yes or no."""
    table = PAGE[PAGE.index("| server | start it") :].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert [row[0] for row in rows] == [
        *("transformers", "llama.cpp", "Ollama", "vLLM", "LM Studio", "ours"),
    ]
    assert all(re.match(r"(yes|no)\b", row[-1]) for row in rows)
