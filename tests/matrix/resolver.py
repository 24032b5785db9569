"""A name server for one name, which the stage of a cell puts in the place of the system's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from tests.support.responses_peer import PATIENCE

#: A name that nobody else knows.
NAME = "service.test"


class Resolver:
    """A name server for one name, which refuses, hangs or is late."""

    def __init__(self, port: int) -> None:
        self.fault: str | None = None
        #: Ends look-ups that hang.
        self.release = threading.Event()
        self._port = port
        self._real = socket.getaddrinfo

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Ask this one instead of the system's."""
        with mock.patch.object(socket, "getaddrinfo", self._look_up):
            yield

    def _look_up(self, host: Any, *args: Any, **options: Any) -> Any:
        if host != NAME:
            return self._real(host, *args, **options)
        if options.get("flags", 0) & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        if self.fault == "refuse":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        if self.fault is not None:
            self.release.wait(0.005 if self.fault == "delay" else PATIENCE)
        return self._real("127.0.0.1", *args, **options)
