"""``pyresponses-ws demo``: a conversation with tools over one WebSocket, without key or network."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.command import check_extra

if TYPE_CHECKING:
    from pyresponses_ws.cli.tour import Row

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

DESCRIPTION = """\
Start the embedded server, and hold a conversation with it over one real WebSocket about the
current folder. The tools run here: they list a folder, read a file and search text, and see
nothing outside. At the end a table compares what was sent with sending the whole history each
time. No key and no network are needed.
"""


def add_parser(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "demo", help="watch a conversation", description=DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument(
        "--json", action="store_true", help="print the turns' reports as JSON, and nothing else"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Hold the conversation and print its reports; return the exit status.

    Raises ConfigError when the extra is missing, and whatever a turn raises.
    """
    check_extra("the demo", "rich")
    rows = _hold_conversation(is_quiet=args.json)
    if args.json:
        print(json.dumps({"turns": rows, "totals": _totals(rows)}, indent=2))
    else:
        from pyresponses_ws.cli.table import print_table

        print_table(rows, _totals(rows))
    return 0


def _hold_conversation(*, is_quiet: bool) -> list[Row]:
    from pyresponses_ws import ResponsesClient
    from pyresponses_ws.cli.folder import Folder
    from pyresponses_ws.cli.tour import Screen, Tour
    from pyresponses_ws.testing import LocalServer

    folder = Folder(_current_folder())
    answers = None if is_quiet else sys.stdout
    screen = Screen(answers=answers, notes=sys.stderr)
    with LocalServer() as server:
        screen.note(f"embedded server: {server.base_url}")
        with ResponsesClient(api_key="demo", base_url=server.base_url) as client:
            return Tour(client, folder, screen).walk()


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as exc:
        raise ConfigError("the current folder is gone; change to one that exists") from exc


def _totals(rows: list[Row]) -> Row:
    bytes_ = ("bytes_sent", "full_replay_bytes", "bytes_saved")
    counts = ("tool_calls", "events", "input_tokens", "output_tokens", "total_tokens")
    return {"turns": len(rows), **{k: sum(row[k] for row in rows) for k in (*bytes_, *counts)}}
