"""Options of the server as a command."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import re
from pathlib import Path

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.command import (
    KEYS_VARIABLE,
    add_options,
    check_extra,
    configure_log,
    make_config,
    raise_file_limit,
    run,
    to_arguments,
)
from pyresponses_ws.server.config import ServerConfig


def parse(*arguments: str) -> argparse.Namespace:
    """Read a command line."""
    parser = argparse.ArgumentParser()
    add_options(parser, port=8080)
    return parser.parse_args(arguments)


def test_without_options_it_has_the_defaults() -> None:
    """Only the port is the command's own."""
    assert make_config(parse(), {}) == ServerConfig(port=8080)


def test_each_option_sets_its_field() -> None:
    """Numbers are read as such, repeated options add up."""
    config = ServerConfig(
        host="::1",
        port=1,
        allowed_hosts=("a.lan", "b.lan"),
        cors_origins=("http://localhost:3000",),
        ssl_certfile="cert.pem",
        ssl_keyfile="key.pem",
        max_message_bytes=2,
        max_turns=3,
        max_connections=4,
        connection_minutes=0.5,
        requests_per_second=1.5,
        grace=0.25,
    )
    assert make_config(parse(*to_arguments(config)), {}) == config


def test_keys_come_from_three_places(tmp_path: Path) -> None:
    """The environment, a file with comments, and the option; marks and spaces do not count."""
    file = tmp_path / "keys"
    file.write_bytes(b"\xef\xbb\xbf# ours\r\n\r\n  k3 \r\n#k9\nk4#")
    options = parse("--api-key=k5", "--api-key=k6", f"--api-key-file={file}")
    config = make_config(options, {KEYS_VARIABLE: " k1, k2,,"})
    assert sorted(config.api_keys) == ["k1", "k2", "k3", "k4#", "k5", "k6"]


@pytest.mark.parametrize("content", [None, b"", b"# only this\n\n", b"\xff\xfe"])
def test_a_file_without_keys_is_refused(content: bytes | None, tmp_path: Path) -> None:
    """Missing, empty or unreadable: the server must not be open to everybody by accident."""
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^--api-key-file {file} "):
        make_config(parse(f"--api-key-file={file}"), {})


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--port=x", "--port must be a whole number, not 'x'"),
        ("--port=70000", "--port must be between 0 and 65535, not 70000"),
        ("--grace=long", "--grace must be a number, not 'long'"),
        ("--max-turns=0", "--max-turns must be a whole number of at least 1, not 0"),
        ("--connection-minutes=nan", "--connection-minutes must be a number above 0, not nan"),
        ("--tls-key=k.pem", "--tls-key needs --tls-cert"),
        ("--log-level=loud", "--log-level must be one of debug, info, warning, error, not 'loud'"),
        ("--engine=gpt", "unknown engine 'gpt'"),
        ("--host=0.0.0.0", "--host 0.0.0.0 can be reached by others: give --api-key, or"),
        ("--host=256.0.0.1", "--host 256.0.0.1"),
        ("--tls-cert=none.pem", "--tls-cert none.pem cannot be read: No such file"),
        ("--tls-cert=/max_turns/host.pem", "--tls-cert /max_turns/host.pem cannot be read: No"),
        ("--cors-origin=max_turns {option}", "--cors-origin takes origins like http://localhost:"),
        ("--engine=max_turns", "unknown engine 'max_turns'"),
        ("--engine=script:grace", "cannot read the script grace: "),
    ],
)
def test_options_that_cannot_work_are_one_line(
    option: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2; the line names the option as it was written."""
    assert run(parse("--port=0", option)) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith(f"pyresponses-ws: {line}")


def test_a_bad_key_is_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    """It may be a good one with a typing error."""
    assert run(parse("--api-key=sk-hush hush")) == 2
    assert "hush" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("hush hush", "a key must be visible ASCII without spaces and commas; this one is not"),
        ("hüsh", "a key must be visible ASCII"),
        ("hush,hush", "a key must be visible ASCII"),
        ("hush # ours", "a comment needs a line of its own"),
        ("hush\t#", "a comment needs a line of its own"),
    ],
)
def test_a_bad_line_of_a_key_file_is_told_by_its_number(
    line: str, fault: str, tmp_path: Path
) -> None:
    """Without the key."""
    file = tmp_path / "keys"
    file.write_text(f"good\n\n{line}\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        make_config(parse(f"--api-key-file={file}"), {})
    assert str(caught.value).startswith(f"--api-key-file {file}, line 3: {fault}")
    assert not {"hush", "hüsh"} & set(str(caught.value).split())


def test_a_bad_key_of_the_environment_names_the_variable() -> None:
    """By its place, since a key is no word for a log."""
    with pytest.raises(ConfigError, match=f"^{KEYS_VARIABLE}: keys must be .*; key 2 is not$"):
        make_config(parse(), {KEYS_VARIABLE: "good,hush hush"})


def test_an_ipv6_address_may_stand_in_brackets() -> None:
    """As it does in URLs."""
    assert make_config(parse("--host=[::1]"), {}).host == "::1"


def test_the_help_puts_together_what_belongs_together() -> None:
    """The engine first, the better way to give keys beside the other, and plain numbers."""
    parser = argparse.ArgumentParser()
    add_options(parser, port=8080)
    shown = parser.format_help()
    order = ["--engine NAME", "--host", "--api-key KEY", "--api-key-file", "--max-turns"]
    places = [shown.index(f"\n  {option}") for option in order]
    assert places == sorted(places)
    assert {"(default: 60)", "(default: 30)"} <= set(
        re.findall(r"\(default: \d+\)", " ".join(shown.split()))
    )


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the command that installs it; nothing is wrong with the call, so its status is 1."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "w" in name else name)
    command = "pip install 'pyresponses-ws[server]'"
    assert run(parse()) == 1
    told = f"pyresponses-ws: the embedded server needs websockets: {command}\n"
    assert capsys.readouterr().err == told
    with pytest.raises(ConfigError, match=r"^the demo needs snow, websockets: pip install"):
        check_extra("the demo", "rich", "snow")


@pytest.mark.parametrize(
    ("limits", "raised", "words"),
    [
        ((256, 4096), [(1128, 4096)], []),
        ((256, 512), [(512, 512)], ["only 512 open files"]),
        ((2048, 4096), [], []),
    ],
)
def test_it_may_open_as_many_files_as_it_needs(
    limits: tuple[int, int],
    raised: list[tuple[int, int]],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As far as the system lets it; else the log says what is missing."""
    resource = pytest.importorskip("resource")
    done: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda kind, pair: done.append(pair))
    raise_file_limit(1128)
    assert done == raised
    assert [record.getMessage()[:19] for record in caplog.records] == words


def test_the_level_reaches_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of the root, so that uvicorn's lines obey it too."""
    seen: list[object] = []
    monkeypatch.setattr(logging, "basicConfig", lambda **options: seen.append(options["level"]))
    configure_log("info")
    assert seen == ["INFO"]
