"""The page on proxies and certificates says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyresponses_ws._transport.proxy import _FIXES
from pyresponses_ws._transport.target import _DOING
from pyresponses_ws.config import Timeouts
from pyresponses_ws.proxies import DEFAULT_PORTS, parse_proxy

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "network.md").read_text("utf-8")


def rows(title: str) -> list[list[str]]:
    """Return the cells of a section's table, its head left out."""
    section = PAGE[PAGE.index(f"\n## {title}\n") :].split("\n## ")[1]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_every_scheme_has_its_row() -> None:
    """And no other has."""
    urls = [row[0].strip("`") for row in rows("Proxies")]
    assert {url.partition(":")[0] for url in urls} == set(DEFAULT_PORTS)


def test_default_ports_are_told() -> None:
    """In the order of http, https, SOCKS."""
    numbers = re.search(r"Without a port it is (\d+), (\d+) or (\d+)", PAGE)
    assert numbers is not None
    assert [int(number) for number in numbers.groups()] == sorted(set(DEFAULT_PORTS.values()))


def test_connect_timeout_is_told() -> None:
    """The number of the code."""
    assert f"`Timeouts.connect` ({Timeouts().connect:g} s)" in PAGE


def test_example_is_a_proxy() -> None:
    """Its URL can be read."""
    url = re.search(r'proxy="([^"]+)"', PAGE)
    assert url is not None
    assert parse_proxy(url[1]).password == "password"


def test_every_stage_has_a_row() -> None:
    """Those of sockets, and the upgrade above them."""
    assert {row[0].strip("`") for row in rows("Errors and what to do")} == {*_DOING, "upgrade"}


@pytest.mark.parametrize("status", [400, 403, 404, 405, 407, 502, 503, 504])
def test_status_of_a_proxy_has_one_row(status: int) -> None:
    """The page gives each fix that the code knows; 407 has code of its own."""
    told = [row for row in rows("Errors and what to do") if row[0] == "`proxy`"]
    assert len([row for row in told if str(status) in row[1]]) == 1
    assert status == 407 or status in _FIXES
