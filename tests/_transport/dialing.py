"""Opening sockets through proxies in tests, in vain or not."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyresponses_ws._transport.network import open_socket
from pyresponses_ws.errors import ConnectError
from pyresponses_ws.proxies import Proxy
from tests._transport.conftest import run_with_deadline

PASSWORD = "pass:w@rd ü"
USERINFO = "some%20one:pass%3Aw%40rd%20%C3%BC@"
CREDENTIALS = ("some one", PASSWORD)
#: A name that nothing on this machine resolves.
FAR = "far.invalid"

OnSocket = Callable[[socket.socket], object]


class GivenUpError(Exception):
    """What an aborted attempt raises."""


class Watch:
    """Keeps the sockets handed out, and aborts as a transport would."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.is_aborted = False

    def __call__(self, sock: socket.socket) -> None:
        self.sockets.append(sock)
        if self.is_aborted:
            raise GivenUpError

    def abort(self) -> None:
        self.is_aborted = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sockets[-1], socket.SHUT_RDWR)

    @property
    def are_all_closed(self) -> bool:
        return all(sock.fileno() < 0 for sock in self.sockets)


def dial(
    proxy: Proxy, port: int, *, host: str = FAR, watch: OnSocket | None = None, **options: Any
) -> socket.socket:
    given = {"ssl_context": None, "server_hostname": None, "timeout": 5.0, **options}
    return open_socket(
        host,
        port,
        run_with_deadline=run_with_deadline,
        on_socket=watch or Watch(),
        proxy=proxy,
        make_lock=threading.Lock,
        **given,
    )


def fail_to_dial(proxy: Proxy, **options: Any) -> ConnectError:
    """Dial in vain: every socket is closed, and no text shows the password in any form."""
    watch = Watch()
    with pytest.raises(ConnectError) as caught:
        dial(proxy, 443, watch=watch, **options)
    assert watch.are_all_closed
    hidden = (PASSWORD, "rd%20", base64.b64encode(":".join(CREDENTIALS).encode()).decode())
    link: BaseException | None = caught.value
    while link is not None:
        shown = f"{link!s} {link!r} {vars(link)!r}"
        assert not any(word in shown for word in hidden)
        link = link.__cause__ or link.__context__
    return caught.value


@contextlib.contextmanager
def after(event: threading.Event, action: Callable[[], object]) -> Iterator[None]:
    """Do something from another thread when an event happens inside the block."""

    def act() -> None:
        event.wait(5)
        action()

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()
