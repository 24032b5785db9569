"""A Responses server made of a script: it answers, cuts, closes or keeps silent as a test says.

One thread a connection, so that several clients and links can be held at once; everything is
joined at the end.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, TypeVar

import pytest

from pyresponses_ws import ResponsesClient
from pyresponses_ws.errors import ResponsesWSError
from tests.support.answers import Json, created, delta, whole_answer
from tests.support.deadlines import GRACE, at_most
from tests.support.raw_server import CLOSE, PING, PONG, TEXT, Peer, close_frame, frame

T = TypeVar("T")

#: The key of every client here; no text that we make may show it.
KEY = "sk-never-to-be-shown"

#: Connect timer of the tests of bad input, in seconds.
CONNECT_TIMER = 2.0
#: Seconds that a test waits for a state before it fails; never reached by one that passes.
PATIENCE = 10.0


# --- the server -----------------------------------------------------------------------------------


class Gone(Exception):
    """The script has ended the connection."""


class PeerLink(Peer):
    """The server's end of one connection, which knows when the test is over."""

    def __init__(self, sock: socket.socket, ended: threading.Event) -> None:
        super().__init__(sock)
        self._ended = ended

    def freeze(self) -> NoReturn:
        """Read and say nothing any more, not even pongs, until the test ends."""
        self._ended.wait()
        raise Gone


class PeerTurn:
    """One ``response.create`` that came, and the means to answer it."""

    def __init__(self, peer: PeerLink, request: Json, number: int) -> None:
        self.peer = peer
        #: The command as it came.
        self.request = request
        #: Number of this turn on the whole server, from 1.
        self.number = number
        self.response_id = f"resp_{number}"

    @property
    def text(self) -> str:
        """The input, where it is a string."""
        return str(self.request["input"])

    def send(self, *events: Json | str | bytes) -> None:
        """Send events in one write; a string travels as it is, bytes as a binary frame."""
        self.peer.send(b"".join(_as_frame(event) for event in events))

    def answer(self, text: str | None = None) -> None:
        """Answer whole; without a text, echo the input."""
        self.send(*whole_answer(self.text if text is None else text, self.response_id))

    def begin(self, *texts: str) -> None:
        """Send ``created`` and these deltas, and nothing more."""
        self.send(created(self.response_id), *map(delta, texts))

    def cut(self) -> NoReturn:
        """End the connection without a close frame."""
        raise Gone

    def reset(self) -> NoReturn:
        """End the connection with an RST."""
        self.peer.reset()
        raise Gone

    def close(self, code: int, reason: str = "") -> NoReturn:
        """Send a close frame, wait for the client's, and end the connection."""
        self.peer.send(close_frame(code, reason))
        self.peer.read_to_end()
        raise Gone

    def freeze(self) -> NoReturn:
        """Read and say nothing any more, not even pongs, until the test ends."""
        self.peer.freeze()


Script = Callable[[PeerTurn], object]


class ResponsesPeer:
    """Listens on loopback; ``script`` is called with each turn, on its connection's thread.

    Leaving the block ends every connection, joins every thread and raises what a script raised.
    ``accept`` replaces the upgrade.
    """

    def __init__(
        self,
        script: Script = PeerTurn.answer,
        *,
        accept: Callable[[PeerLink], object] = PeerLink.accept,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._script = script
        self._accept = accept
        self._tls = tls
        # Guards what follows, and tells of each change.
        self._changed = threading.Condition()
        self._peers: list[PeerLink] = []
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None
        #: Every command that came.
        self.requests: list[Json] = []
        #: (code, reason) of every close frame that came; (1005, "") for one without a code.
        self.closes: list[tuple[int, str]] = []
        #: Connections whose end was seen.
        self.ends = 0
        #: Set when the test is over; for scripts that wait.
        self.ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        scheme = "http" if tls is None else "https"
        self.base_url = f"{scheme}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> ResponsesPeer:
        self._spawn(self._listen)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.ended.set()
        self.stop_listening()
        self.cut_all()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "a script does not end"
        if self._failure is not None and error is None:
            raise self._failure

    # --- the test's side ----------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """Connections accepted so far."""
        return len(self._peers)

    @property
    def handshakes(self) -> list[dict[str, str]]:
        """Headers of every upgrade request, names in lower case."""
        return [peer.headers for peer in self._peers]

    def wait_until(self, condition: Callable[[], bool], what: str = "the state") -> None:
        """Block until ``condition`` holds, looking after each thing that happens here."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE), f"{what} did not come"

    def wait_for_requests(self, count: int) -> None:
        """Block until so many commands came."""
        self.wait_until(lambda: len(self.requests) >= count, f"request {count}")

    def wait_for_ends(self, count: int) -> None:
        """Block until so many connections have ended."""
        self.wait_until(lambda: self.ends >= count, f"the end of {count} connections")

    def stop_listening(self) -> None:
        """Refuse every connection from now on; open ones live."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def cut_all(self) -> None:
        """Cut every connection without a close frame."""
        with self._changed:
            peers = list(self._peers)
        for peer in peers:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)

    def close_link(self, connection: int, code: int, reason: str = "") -> None:
        """Send a close frame out of turn."""
        self._peers[connection - 1].send(close_frame(code, reason))

    def client(self, **options: Any) -> ResponsesClient:
        """Make a client of this server."""
        given = {"api_key": KEY, "base_url": self.base_url, "transport": "websocket", **options}
        return ResponsesClient(**given)

    # --- threads ------------------------------------------------------------------------------

    def _spawn(self, target: Callable[[], None]) -> None:
        name = f"responses-peer-{len(self._threads)}"
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _note(self, happening: Callable[[], T]) -> T:
        with self._changed:
            result = happening()
            self._changed.notify_all()
        return result

    def _listen(self) -> None:
        while not self.ended.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:  # the listener is closed
                return
            self._spawn(partial(self._serve, sock))

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            peer = PeerLink(sock, self.ended)
            self._note(partial(self._peers.append, peer))
            if self.ended.is_set():
                return
            self._accept(peer)
            self._talk(peer)
        except (EOFError, OSError, Gone):
            pass  # the client has left, or was left
        except BaseException as exc:  # raised in the test's thread
            self._failure = self._failure or exc
        finally:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            sock.close()
            self._note(self._count_end)

    def _count_end(self) -> None:
        self.ends += 1

    def _talk(self, peer: PeerLink) -> None:
        while True:
            opcode, payload = peer.read_frame()
            if opcode == PING:
                peer.send(frame(PONG, payload))
            elif opcode == CLOSE:
                self._note(partial(self.closes.append, _read_close(payload)))
                peer.send(frame(CLOSE, payload[:2]))
                return
            elif opcode == TEXT:
                request = json.loads(payload)
                number = self._note(partial(self._count_request, request))
                self._script(PeerTurn(peer, request, number))

    def _count_request(self, request: Json) -> int:
        self.requests.append(request)
        return len(self.requests)


def _read_close(payload: bytes) -> tuple[int, str]:
    return (int.from_bytes(payload[:2], "big") if payload else 1005), payload[2:].decode()


def _as_frame(event: Json | str | bytes) -> bytes:
    if isinstance(event, bytes):
        return frame(2, event)
    text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
    return frame(TEXT, text.encode())


def silent_upgrade(seen: threading.Event) -> Callable[[PeerLink], None]:
    """An ``accept`` that reads the upgrade request, sets ``seen``, and says nothing."""

    def accept(peer: PeerLink) -> None:
        peer.read_request()
        seen.set()
        peer.read_to_end()
        raise Gone

    return accept


def deaf(peer: PeerLink) -> None:
    """An ``accept`` that upgrades, and then takes no byte until the test ends."""
    peer.accept()
    peer.freeze()


def scripts(*each: Script) -> Script:
    """Answer the first turn by the first script and so on; later ones by an echo."""

    def script(turn: PeerTurn) -> None:
        (each[turn.number - 1] if turn.number <= len(each) else PeerTurn.answer)(turn)

    return script


def cut_after(*texts: str) -> Script:
    """A script that begins the answer, then ends the connection without a word."""

    def script(turn: PeerTurn) -> None:
        turn.begin(*texts)
        turn.cut()

    return script


def close_with(code: int, *texts: str) -> Script:
    """A script that begins the answer if there are texts, then closes."""

    def script(turn: PeerTurn) -> None:
        if texts:
            turn.begin(*texts)
        turn.close(code, "as told")

    return script


def says(*events: Json | str | bytes) -> Script:
    """A script that sends these events as they are."""
    return lambda turn: turn.send(*events)


def texts_of(events: Iterable[Any]) -> str:
    """Join the deltas of some events."""
    return "".join(e.delta for e in events if e.type == "response.output_text.delta")


def wait_for(condition: Callable[[], object], what: str = "the state") -> None:
    """Block until ``condition`` holds, for states that tell nobody of their change."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.002)):
        if condition():
            return
        pause.wait(0.002)
    raise AssertionError(f"{what} did not come")


def types_until(events: Iterator[Any], last: str) -> list[str]:
    """Read until an event of this type; return the types."""
    types = [next(events).type]
    while types[-1] != last:
        types.append(next(events).type)
    return types


def threads_of(role: str) -> list[str]:
    """Names of the package's running threads of one role."""
    return [t.name for t in threading.enumerate() if t.name == f"pyresponses-{role}"]


def read_until_error(stream: Iterable[Any]) -> tuple[list[Any], ResponsesWSError | None]:
    """Iterate to the end; return the events, and what was raised instead of a good end."""
    events: list[Any] = []
    try:
        events.extend(event for event in stream)
    except ResponsesWSError as exc:
        return events, exc
    return events, None


def error_of(call: Callable[[], object]) -> ResponsesWSError:
    """Return what the call raises, which must be ours, in time, and free of the key."""
    with at_most(CONNECT_TIMER + GRACE), pytest.raises(ResponsesWSError) as caught:
        call()
    shown = "".join(traceback.format_exception(caught.value))
    link: BaseException | None = caught.value
    while link is not None:
        shown += f"{link!s} {link!r} {vars(link)!r}"
        link = link.__cause__ or link.__context__
    assert KEY not in shown
    return caught.value
