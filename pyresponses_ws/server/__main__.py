"""``python -m pyresponses_ws.server``: the server in a process of its own, for ``LocalServer``.

Prints its base URL on one line when it listens. Ends on SIGTERM or SIGINT, and when its standard
input ends, so that it never outlives the process that started it.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.config import ServerConfig
from pyresponses_ws.server.engines import make_engine
from pyresponses_ws.server.serve import Server


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    options = _make_parser().parse_args(argv)
    try:
        config = _make_config(options)
        engine = make_engine(options.engine, delta_delay=options.delta_delay)
        server = Server(engine, config)
    except ConfigError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2
    threading.Thread(target=_stop_at_eof, args=(server,), daemon=True).start()
    print(server.base_url, flush=True)
    try:
        server.run()
    except KeyboardInterrupt:
        return 130
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pyresponses_ws.server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--engine", default="echo")
    parser.add_argument("--delta-delay", type=float, default=0.0)
    parser.add_argument("--ssl-certfile")
    parser.add_argument("--ssl-keyfile")
    return parser


def _make_config(options: argparse.Namespace) -> ServerConfig:
    """Read the keys from the environment: on the command line every user would see them."""
    keys = os.environ.get("PYRESPONSES_WS_API_KEYS", "")
    return ServerConfig(
        host=options.host,
        port=options.port,
        api_keys=tuple(key.strip() for key in keys.split(",") if key.strip()),
        ssl_certfile=options.ssl_certfile,
        ssl_keyfile=options.ssl_keyfile,
    )


def _stop_at_eof(server: Server) -> None:
    # The buffered reader would hold a lock that the end of the interpreter needs.
    while os.read(0, 1024):
        pass
    server.stop()


if __name__ == "__main__":
    sys.exit(main())
