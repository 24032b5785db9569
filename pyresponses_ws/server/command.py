"""The server as a command: its options, its keys, its log and its exit status.

``pyresponses-ws serve`` and ``python -m pyresponses_ws.server`` share it.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.config import ServerConfig

if TYPE_CHECKING:
    from pyresponses_ws.server.serve import Server

_logger = logging.getLogger(__name__)

#: Keys from here, parted by commas: on the command line every user of the machine would see them.
KEYS_VARIABLE = "PYRESPONSES_WS_API_KEYS"

#: Files that the server opens besides its connections: some for the interpreter and the loop, and
#: those connections over the limit that are told so.
_OTHER_FILES = 128

#: Exit status of a command that was called wrongly.
_WRONG_USAGE = 2

#: What the extra ``server`` brings and every engine needs.
_NEEDED = ("starlette", "uvicorn", "websockets")

_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class _Option:
    """One option and the field of ``ServerConfig`` that it sets."""

    flag: str
    field: str
    metavar: str
    help: str
    convert: Callable[[str], Any] = str
    is_repeatable: bool = False


_OPTIONS = (
    _Option("--host", "host", "ADDRESS", "address to listen on; a public one needs keys"),
    _Option("--port", "port", "N", "port to listen on; 0 takes a free one", int),
    _Option(
        *("--api-key", "api_keys", "KEY"),
        help="a key to let in, and no others; may be repeated. Other users of this machine can see "
        f"it in the list of processes: prefer --api-key-file, or {KEYS_VARIABLE} in the "
        "environment, parted by commas",
        is_repeatable=True,
    ),
    _Option("--max-turns", "max_turns", "N", "turns that run at once", int),
    _Option("--max-connections", "max_connections", "N", "connections open at once", int),
    _Option(
        "--max-message-bytes", "max_message_bytes", "N", "size of one message or request body", int
    ),
    _Option("--connection-minutes", "connection_minutes", "N", "age limit of one WebSocket", float),
    _Option(
        *("--requests-per-second", "requests_per_second", "N"),
        help="creates a second that one key may send (default: no limit)",
        convert=float,
    ),
    _Option(
        *("--cors-origin", "cors_origins", "ORIGIN"),
        help="origin of web pages that may call; may be repeated",
        is_repeatable=True,
    ),
    _Option(
        *("--allowed-host", "allowed_hosts", "NAME"),
        help="name besides localhost and --host by which clients reach it; may be repeated",
        is_repeatable=True,
    ),
    _Option("--tls-cert", "ssl_certfile", "FILE", "certificate chain in PEM; serves https"),
    _Option("--tls-key", "ssl_keyfile", "FILE", "its private key, if not in the same file"),
    _Option("--grace", "grace", "SECONDS", "time for running turns to finish on SIGTERM", float),
)


def add_options(parser: ArgumentParser, *, port: int) -> None:
    """Add the options of the server; ``port`` is the default of ``--port``."""
    defaults: dict[str, Any] = {f.name: f.default for f in fields(ServerConfig)} | {"port": port}
    parser.add_argument("--engine", metavar="NAME", default="echo", help="engine (default: echo)")
    for option in _OPTIONS:
        default = defaults[option.field]
        is_told = default is not None and not option.is_repeatable
        parser.add_argument(
            option.flag,
            metavar=option.metavar,
            dest=option.field,
            action="append" if option.is_repeatable else "store",
            default=[] if option.is_repeatable else default,
            help=f"{option.help} (default: {default})" if is_told else option.help,
        )
    parser.add_argument("--api-key-file", metavar="FILE", help="keys, one a line; # for comments")
    parser.add_argument(
        *("--log-level",),
        metavar="LEVEL",
        default="warning",
        help=f"what to log on stderr: {', '.join(_LEVELS)} (default: warning)",
    )


def run(
    options: Namespace,
    *,
    ready: str = "{}",
    delta_delay: float = 0.0,
    before: Callable[[Server], None] | None = None,
) -> int:
    """Serve until told to stop; return the exit status, 2 for options that cannot work.

    ``ready`` is the line to print once it listens, with ``{}`` for the URL; ``before`` gets the
    server just before that. A signal ends the process as it would have without a handler.
    """
    try:
        server = make_server(options, os.environ, delta_delay=delta_delay)
    except ConfigError as exc:
        print(f"error: {_in_flags(str(exc))}", file=sys.stderr)
        return _WRONG_USAGE
    if before is not None:
        before(server)
    print(ready.format(server.base_url), flush=True)
    number = server.run()
    # Still here: the process ignores the signal, as the first one of a container does.
    return 128 + number if number is not None else 0


def make_server(
    options: Namespace, environ: Mapping[str, str], *, delta_delay: float = 0.0
) -> Server:
    """Make the server that the options describe; it listens. Raises ConfigError."""
    check_extra()
    configure_log(options.log_level)
    config = make_config(options, environ)
    raise_file_limit(config.max_connections + _OTHER_FILES)
    from pyresponses_ws.server.engines import make_engine
    from pyresponses_ws.server.serve import Server

    return Server(make_engine(options.engine, delta_delay=delta_delay), config)


def make_config(options: Namespace, environ: Mapping[str, str]) -> ServerConfig:
    """Read the options and the keys. Raises ConfigError, which never quotes a key."""
    values = {option.field: _convert(option, getattr(options, option.field)) for option in _OPTIONS}
    keys = [*_split(environ.get(KEYS_VARIABLE, "").split(",")), *values["api_keys"]]
    if options.api_key_file is not None:
        keys += _read_keys(Path(options.api_key_file))
    return ServerConfig(**{**values, "api_keys": tuple(keys)})


def to_arguments(config: ServerConfig) -> list[str]:
    """Return the options that make ``config``, all but its keys, which go by the environment."""
    arguments = []
    for option in _OPTIONS:
        value = getattr(config, option.field)
        if option.field != "api_keys" and value is not None:
            values = value if option.is_repeatable else [value]
            arguments += [f"{option.flag}={each}" for each in values]
    return arguments


def check_extra() -> None:
    """Raise ConfigError when a package of the ``server`` extra is missing; import none of them."""
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"the embedded server needs {name}: pip install 'pyresponses-ws[server]'"
            )


def raise_file_limit(needed: int) -> None:
    """Let this process open as many files as it may need, and warn where it may not.

    Many systems allow 1,024 unless asked; over it a server cannot even accept to refuse.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        _logger.warning(
            "only %s open files are allowed here and %s may be needed: lower --max-connections",
            *(allowed, needed),
        )


def configure_log(level: str) -> None:
    """Log on stderr from ``level`` on. Raises ConfigError for a level that is none."""
    if level not in _LEVELS:
        raise ConfigError(f"--log-level must be one of {', '.join(_LEVELS)}, not {level!r}")
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def _convert(option: _Option, value: Any) -> Any:
    if option.is_repeatable:
        return tuple(value)
    if not isinstance(value, str):
        return value  # The default.
    try:
        return option.convert(value)
    except ValueError:
        kind = "a whole number" if option.convert is int else "a number"
        raise ConfigError(f"{option.flag} must be {kind}, not {value!r}") from None


def _read_keys(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise ConfigError(f"--api-key-file {path} cannot be read: {reason}") from exc
    keys = _split(line for line in lines if not line.lstrip().startswith("#"))
    if not keys:
        # Without this an emptied file would open the server to everybody.
        raise ConfigError(f"--api-key-file {path} holds no key: write one a line")
    return keys


def _split(words: Iterable[str]) -> list[str]:
    return [word.strip() for word in words if word.strip()]


def _in_flags(message: str) -> str:
    """Name the options in a message as the command line does."""
    flags = {option.field: option.flag for option in _OPTIONS}
    # A word of a path or a value that happens to be such a name is left alone.
    pattern = r"^(host|port|grace)\b|\b(\w+_\w+)\b"
    return re.sub(pattern, lambda found: flags.get(found[0], found[0]), message)
