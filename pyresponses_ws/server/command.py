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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.config import KEY_RULE, OptionError, ServerConfig, is_key

if TYPE_CHECKING:
    from pyresponses_ws.server.serve import Server

_logger = logging.getLogger(__name__)

#: Keys from here, parted by commas: on the command line every user of the machine would see them.
KEYS_VARIABLE = "PYRESPONSES_WS_API_KEYS"

#: Files that the server opens besides its connections: some for the interpreter and the loop, and
#: those connections over the limit that are told so.
_OTHER_FILES = 128

#: What the line of an error begins with, however the server was started.
ERROR_PREFIX = "pyresponses-ws: "

#: Exit status of a command that could not do what it was told to.
_FAILED = 1

#: Exit status of a command that was called wrongly.
WRONG_USAGE = 2

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


def _strip_brackets(host: str) -> str:
    """Take an IPv6 address as URLs write it, too."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


_OPTIONS = (
    _Option(
        *("--host", "host", "ADDRESS", "address to listen on; a public one needs keys"),
        convert=_strip_brackets,
    ),
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
    parser.add_argument(
        "--engine",
        metavar="NAME",
        default="echo",
        help="echo; script:FILE, which answers by the rules of a file; upstream:URL, which asks "
        "another Responses server; or transformers:DIR, a local model (default: echo)",
    )
    for option in _OPTIONS:
        _add_option(parser, option, defaults[option.field])
        if option.field == "api_keys":
            # Where who reads about the one finds the better one.
            parser.add_argument(
                "--api-key-file",
                metavar="FILE",
                help="keys to let in, one a line; lines that begin with # are comments",
            )
    parser.add_argument(
        *("--log-level",),
        metavar="LEVEL",
        default="warning",
        help=f"what to log on stderr: {', '.join(_LEVELS)} (default: warning)",
    )


def _add_option(parser: ArgumentParser, option: _Option, default: Any) -> None:
    is_told = default is not None and not option.is_repeatable
    shown = f"{default:g}" if isinstance(default, float) else default
    parser.add_argument(
        option.flag,
        metavar=option.metavar,
        dest=option.field,
        action="append" if option.is_repeatable else "store",
        default=[] if option.is_repeatable else default,
        help=f"{option.help} (default: {shown})" if is_told else option.help,
    )


def run(
    options: Namespace,
    *,
    ready: str = "{}",
    delta_delay: float = 0.0,
    before: Callable[[Server], None] | None = None,
) -> int:
    """Serve until told to stop; return the exit status.

    That is 1 when the extra is missing, 2 for options that cannot work.
    ``ready`` is the line to print once it listens, with ``{}`` for the URL; ``before`` gets the
    server just before that. A signal ends the process as it would have without a handler.
    """
    try:
        check_extra()
    except ConfigError as exc:
        return _complain(exc, _FAILED)
    try:
        server = make_server(options, os.environ, delta_delay=delta_delay)
    except ConfigError as exc:
        return _complain(exc, WRONG_USAGE)
    if before is not None:
        before(server)
    print(ready.format(server.base_url), flush=True)
    number = server.run()
    # Still here: the process ignores the signal, as the first one of a container does.
    return 128 + number if number is not None else 0


def _complain(exc: ConfigError, status: int) -> int:
    """Print one line, with options named as the command line does, and return the status."""
    flags = {option.field: option.flag for option in _OPTIONS}
    message = exc.tell(flags) if isinstance(exc, OptionError) else exc
    print(f"{ERROR_PREFIX}{message}", file=sys.stderr)
    return status


def make_server(
    options: Namespace, environ: Mapping[str, str], *, delta_delay: float = 0.0
) -> Server:
    """Make the server that the options describe; it listens. Raises ConfigError.

    Needs the packages of the extra.
    """
    configure_log(options.log_level)
    config = make_config(options, environ)
    raise_file_limit(config.max_connections + _OTHER_FILES)
    from pyresponses_ws.server.engines import make_engine
    from pyresponses_ws.server.serve import Server

    return Server(make_engine(options.engine, delta_delay=delta_delay), config)


def make_config(options: Namespace, environ: Mapping[str, str]) -> ServerConfig:
    """Read the options and the keys. Raises ConfigError, which never quotes a key."""
    values = {option.field: _convert(option, getattr(options, option.field)) for option in _OPTIONS}
    keys = [*_parse_keys(environ.get(KEYS_VARIABLE, "")), *values["api_keys"]]
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


def check_extra(who: str = "the embedded server", *others: str) -> None:
    """Raise ConfigError when packages of the ``server`` extra are missing; import none of them.

    ``others`` are needed besides those of the server, by ``who``.
    """
    missing = [name for name in (*others, *_NEEDED) if importlib.util.find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        raise ConfigError(f"{who} needs {names}: pip install 'pyresponses-ws[server]'")


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


def _parse_keys(text: str) -> list[str]:
    """Read the keys of the environment."""
    keys = [word.strip() for word in text.split(",") if word.strip()]
    for number, key in enumerate(keys, 1):
        if not is_key(key):
            raise ConfigError(f"{KEYS_VARIABLE}: keys must be {KEY_RULE}; key {number} is not")
    return keys


def _read_keys(path: Path) -> list[str]:
    try:
        # Editors of Windows begin a file with a byte order mark.
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise ConfigError(f"--api-key-file {path} cannot be read: {reason}") from exc
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    keys = [
        _check_line(line, f"--api-key-file {path}, line {number}")
        for number, line in lines
        if line and not line.startswith("#")
    ]
    if not keys:
        # Without this an emptied file would open the server to everybody.
        raise ConfigError(f"--api-key-file {path} holds no key: write one a line")
    return keys


def _check_line(line: str, place: str) -> str:
    """Return the key that a line is. Raises ConfigError, which never quotes it."""
    if re.search(r"\s#", line):
        raise ConfigError(f"{place}: a comment needs a line of its own")
    if not is_key(line):
        raise ConfigError(f"{place}: a key must be {KEY_RULE}; this one is not")
    return line
