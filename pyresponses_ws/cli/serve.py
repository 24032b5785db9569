"""``pyresponses-ws serve``: the embedded server, until it is told to stop."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pyresponses_ws.server import command

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

#: Where people look for a server of their own.
PORT = 8080

DESCRIPTION = """\
Serve the Responses API over WebSocket, server-sent events and HTTP. When it listens, it prints one
line, "listening on URL"; give that URL to clients as base_url. The log goes to stderr.

On SIGTERM and Ctrl-C it takes no more requests, lets the turns that run finish, and closes every
connection; a second signal ends it at once.
"""


def add_parser(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "serve",
        help="run the embedded server",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="pyresponses-ws serve [options]",
        # A prefix that works today would be ambiguous, or mean another option, tomorrow.
        allow_abbrev=False,
    )
    command.add_options(parser, port=PORT)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve; return the exit status."""
    return command.run(args, ready="listening on {}")
