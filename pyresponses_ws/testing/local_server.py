"""The embedded server in a thread or a process, as a context manager."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from itertools import dropwhile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from pyresponses_ws.errors import ConfigError, ConnectError, UsageError

if TYPE_CHECKING:
    from pyresponses_ws.server.config import ServerConfig
    from pyresponses_ws.server.engines.base import Engine

#: Seconds for a process to import the server and listen; generous, for a loaded machine.
_START_TIMEOUT = 60.0

#: Seconds for a server to end by itself before it is killed or given up.
_STOP_TIMEOUT = 4.0


class LocalServer:
    """A server on ``127.0.0.1`` at a free port, from ``start`` (or ``with``) to ``stop``.

    ``engine`` is the name of an engine, or an engine of your own in thread mode. ``process=True``
    runs it in a process of its own, so that it shares neither the interpreter lock nor the fate of
    this one; it ends with this process at the latest. ``delta_delay`` seconds pass before each
    piece of an answer. With ``api_keys`` (one, or several) every other key is refused. With
    ``ssl_certfile`` (and ``ssl_keyfile``) it speaks TLS. The other options are those of
    ``pyresponses-ws serve``; what is None is as there. ``grace`` is for signals only: ``stop``
    waits for no turn.

    ``start`` and ``stop`` raise nothing when repeated. A stopped server can be started again, at
    another port.
    """

    def __init__(
        self,
        engine: str | Engine = "echo",
        process: bool = False,
        *,
        delta_delay: float = 0.0,
        port: int = 0,
        api_keys: str | Sequence[str] = (),
        ssl_certfile: str | Path | None = None,
        ssl_keyfile: str | Path | None = None,
        max_turns: int | None = None,
        max_connections: int | None = None,
        max_message_bytes: int | None = None,
        connection_minutes: float | None = None,
        requests_per_second: float | None = None,
        allowed_hosts: Sequence[str] = (),
        cors_origins: Sequence[str] = (),
        grace: float | None = None,
    ) -> None:
        if process and not isinstance(engine, str):
            raise ConfigError("a server in a process takes the name of an engine, not an object")
        self._engine = engine
        self._is_process = process
        self._delta_delay = delta_delay
        options: dict[str, Any] = {
            "port": port,
            "api_keys": (api_keys,) if isinstance(api_keys, str) else tuple(api_keys),
            "ssl_certfile": ssl_certfile,
            "ssl_keyfile": ssl_keyfile,
            "max_turns": max_turns,
            "max_connections": max_connections,
            "max_message_bytes": max_message_bytes,
            "connection_minutes": connection_minutes,
            "requests_per_second": requests_per_second,
            "allowed_hosts": tuple(allowed_hosts),
            "cors_origins": tuple(cors_origins),
            "grace": grace,
        }
        # What was given; ServerConfig knows the rest.
        self._options = {name: value for name, value in options.items() if value is not None}
        # The running server; written by start and stop, which belong to one thread.
        self._host: _Host | None = None

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT/v1``. Raises UsageError unless the server runs."""
        if self._host is None:
            raise UsageError("the server is not running: call start() or use 'with'")
        return self._host.base_url

    @property
    def port(self) -> int:
        """The port that the server listens on. Raises UsageError unless it runs."""
        return int(self.base_url.rpartition(":")[2].partition("/")[0])

    @property
    def pid(self) -> int | None:
        """The process of the server; None when it is this one, or when it does not run."""
        return self._host.pid if self._host is not None else None

    def start(self) -> LocalServer:
        """Start, and return once connections are accepted.

        Raises ConfigError for options that cannot work or a missing ``server`` extra, and
        ConnectError when the process does not come up.
        """
        if self._host is None:
            from pyresponses_ws.server.command import check_extra
            from pyresponses_ws.server.config import ServerConfig

            check_extra()
            config = ServerConfig(**self._options)
            start = self._start_process if self._is_process else self._start_thread
            self._host = start(config)
        return self

    def stop(self) -> None:
        """Close every connection and end the server, within 5 seconds."""
        host, self._host = self._host, None
        if host is not None:
            host.stop()

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _start_thread(self, config: ServerConfig) -> _Host:
        from pyresponses_ws.server.engines import make_engine

        engine = self._engine
        if isinstance(engine, str):
            engine = make_engine(engine, delta_delay=self._delta_delay)
        return _ThreadHost(engine, config)

    def _start_process(self, config: ServerConfig) -> _Host:
        from pyresponses_ws.server.command import KEYS_VARIABLE, to_arguments

        options = [f"--engine={self._engine}", f"--delta-delay={self._delta_delay}"]
        keys = {KEYS_VARIABLE: ",".join(config.api_keys)}
        return _ProcessHost([*options, *to_arguments(config)], keys)


class _Host(Protocol):
    """Where a server runs."""

    base_url: str
    pid: int | None

    def stop(self) -> None:
        """End it."""


class _ThreadHost:
    def __init__(self, engine: Engine, config: Any) -> None:
        from pyresponses_ws.server.serve import Server

        self.pid: int | None = None
        self._server = Server(engine, config)
        self.base_url = self._server.base_url
        # A daemon: a test run that was cut short must be able to exit.
        self._thread = threading.Thread(
            target=self._server.run, name="pyresponses-server", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.stop()
        self._thread.join(_STOP_TIMEOUT)


class _ProcessHost:
    def __init__(self, arguments: list[str], environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pyresponses_ws.server", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environ},
            text=True,
            # Ctrl-C in the terminal is for the tests; they stop their servers themselves.
            start_new_session=True,
        )
        self.pid: int | None = self._process.pid
        # The last lines of its log; the reader thread writes.
        self._log: deque[str] = deque(maxlen=20)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        try:
            self.base_url = self._read_base_url()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        process = self._process
        assert process.stdin is not None
        # It stops the server without the grace that a signal would give to running turns.
        with contextlib.suppress(OSError):
            process.stdin.write("\n")
            process.stdin.close()
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reader.join(1.0)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _read_base_url(self) -> str:
        """Wait for the ready line. When none comes, raises what the process died of."""
        assert self._process.stdout is not None
        # Ends a wait for a process that hangs: its end ends the read.
        watchdog = threading.Timer(_START_TIMEOUT, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline().strip()
        finally:
            watchdog.cancel()
            watchdog.join()
        if not line:
            raise self._make_start_error()
        return line

    def _make_start_error(self) -> ConfigError | ConnectError:
        from pyresponses_ws.server.command import ERROR_PREFIX, WRONG_USAGE

        status = self._process.wait()
        self._reader.join(1.0)
        told = " ".join(dropwhile(lambda line: not line.startswith(ERROR_PREFIX), self._log))
        if status == WRONG_USAGE and told:
            return ConfigError(told.removeprefix(ERROR_PREFIX))
        return ConnectError("the server process did not start: " + " ".join(self._log))

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(line.strip())
