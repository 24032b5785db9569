"""``pyresponses-ws``: pick the command, and turn its end into an exit status.

Answers go to stdout, progress and errors to stderr. Exit status: 0, 1 when the command failed, 2
when it was called wrongly, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from pyresponses_ws.cli import demo, doctor, serve
from pyresponses_ws.errors import ResponsesWSError
from pyresponses_ws.server.command import ERROR_PREFIX
from pyresponses_ws.version import __version__

#: What shells report for a program that SIGINT ended: 128 + 2.
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Raises SystemExit(2) for wrong usage."""
    args = _parser().parse_args(argv)
    _tolerate_narrow_encodings()
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return 1
    except (ResponsesWSError, OSError) as exc:
        print(f"{ERROR_PREFIX}{exc}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyresponses-ws",
        description="The OpenAI Responses API over one WebSocket.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    demo.add_parser(commands)
    serve.add_parser(commands)
    doctor.add_parser(commands)
    return parser


def _tolerate_narrow_encodings() -> None:
    """Print a question mark for what the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _drop_stdout() -> None:
    """Keep the interpreter from flushing into a pipe whose reader has left, as `| head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
