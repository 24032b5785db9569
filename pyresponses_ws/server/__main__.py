"""``python -m pyresponses_ws.server``: the server in a process of its own, for ``LocalServer``.

Prints its base URL on one line when it listens. Ends on SIGTERM or SIGINT as ``pyresponses-ws
serve`` does, and at once when its standard input ends, so that it never outlives the process that
started it.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from typing import TYPE_CHECKING

from pyresponses_ws.server import command

if TYPE_CHECKING:
    from pyresponses_ws.server.serve import Server


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pyresponses_ws.server", allow_abbrev=False)
    command.add_options(parser, port=0)
    parser.add_argument("--delta-delay", type=float, default=0.0)
    options = parser.parse_args(argv)
    try:
        return command.run(options, delta_delay=options.delta_delay, before=_watch_stdin)
    except KeyboardInterrupt:
        return 130


def _watch_stdin(server: Server) -> None:
    threading.Thread(target=_stop_at_eof, args=(server,), daemon=True).start()


def _stop_at_eof(server: Server) -> None:
    # A byte will do: a fork of the other side may hold the pipe open. Not by the buffered reader,
    # which would hold a lock that the end of the interpreter needs.
    os.read(0, 1)
    server.stop()


if __name__ == "__main__":
    sys.exit(main())
