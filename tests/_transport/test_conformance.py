"""The transport against a scripted peer: the sections of the Autobahn suite that concern it.

Framing (1), pings (2), reserved bits (3), opcodes (4), fragmentation (5), UTF-8 (6), closing (7)
and automatic fragmentation (10). The client echoes, answers pings and closes as the runtime would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from pyresponses_ws._transport.base import ABNORMAL_CLOSURE, TransportClosed
from pyresponses_ws._transport.websocket import WebSocketTransport
from tests.support.raw_server import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Peer,
    RawServer,
    close_frame,
    frame,
)

GREEK = "Hello-µ@ßöäüàá-UTF-8!!"
#: Bytes that are no UTF-8 (Autobahn 6.6 to 6.22 in samples): bad starts and continuations,
#: overlong forms, surrogates, code points past the last, and characters cut short.
BAD_TEXTS = {
    "lone continuation": b"\x80",
    "two continuations": b"\xbf\xbf",
    "lone starts": b"\xc0 \xe0 \xf0 ",
    "five byte form": b"\xf8\x88\x80\x80\x80",
    "six byte form": b"\xfc\x84\x80\x80\x80\x80",
    "impossible bytes": b"\xfe\xff",
    "overlong slash": b"\xc0\xaf",
    "overlong nul": b"\xe0\x80\x80",
    "longest overlong": b"\xf0\x8f\xbf\xbf",
    "high surrogate": b"\xed\xa0\x80",
    "surrogate pair": b"\xed\xaf\xbf\xed\xbf\xbf",
    "past the last": b"\xf4\x90\x80\x80",
    "cut after two of three": b"\xce\xba\xe1\xbd",
    "bad in the middle": b"\xce\xba\xed\xa0\x80edited",
}
#: Text that is unusual and valid (Autobahn 6.2, 6.5, 6.23).
GOOD_TEXTS = ["", "κόσμε", "\x00", "\x7f", "\ufffd\ufffe\uffff", "\U00010000\U0010ffff", GREEK]


@dataclass
class Case:
    """What the server sends, one write each; what the client must have answered in the end."""

    sent: list[bytes]
    echoes: list[str] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    #: Code of the client's close frame; None for an empty one.
    code: int | None = 1000


def echo(transport: WebSocketTransport) -> None:
    """Live as the runtime's reader does: messages, then the pong, then our half of the close."""
    try:
        while True:
            for text in transport.receive():
                transport.send(text.encode(), progress_timeout=5)
            if transport.pending_pong is not None:
                payload, transport.pending_pong = transport.pending_pong, None
                transport.pong(payload)
    except TransportClosed as exc:
        if exc.close.code != ABNORMAL_CLOSURE:
            transport.close(exc.close.code, "")


def run(case: Case, connect: Callable[..., WebSocketTransport]) -> list[tuple[int, bytes]]:
    """Play the case; return what the client sent."""
    received: list[tuple[int, bytes]] = []
    is_done = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        for piece in case.sent:
            peer.send(piece)
        while not received or received[-1][0] != CLOSE:
            received.append(peer.read_frame())
        is_done.set()

    with RawServer(script) as server:
        transport = connect(server)
        echo(transport)
        is_done.wait(5)  # a refusal comes early: the peer may still be sending
        transport.dispose()
    return received


def pieces(data: bytes, size: int = 1) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def fragments(payload: bytes, *cuts: int, opcode: int = TEXT) -> list[bytes]:
    """Cut a message into frames at the given places."""
    starts, ends = [0, *cuts], [*cuts, len(payload)]
    return [
        frame(
            CONTINUATION if start else opcode,
            payload[start:end],
            fin=end == len(payload),
        )
        for start, end in zip(starts, ends, strict=True)
    ]


END = close_frame(1000)

FRAMING = {
    **{
        f"1.1 text of {size}": Case([frame(TEXT, b"*" * size), END], ["*" * size])
        for size in (0, 125, 126, 127, 128, 65535, 65536)
    },
    "1.1 text in pieces of 997": Case(
        [*pieces(frame(TEXT, b"*" * 65536), 997), END], ["*" * 65536]
    ),
    "1.2 binary is refused": Case([frame(BINARY, b"\xfe" * 126)], code=1003),
}
PINGS = {
    "2.1 ping without payload": Case([frame(PING), END], pongs=[b""]),
    "2.3 binary ping": Case([frame(PING, b"\x00\xff\xfe"), END], pongs=[b"\x00\xff\xfe"]),
    "2.4 longest ping": Case([frame(PING, b"\xfe" * 125), END], pongs=[b"\xfe" * 125]),
    "2.5 ping too long": Case([frame(PING, b"\xfe" * 126)], code=1002),
    "2.6 ping byte by byte": Case([*pieces(frame(PING, b"ping")), END], pongs=[b"ping"]),
    "2.7 pong unasked": Case([frame(PONG), frame(PONG, b"x"), END]),
    "2.9 pong unasked, then ping": Case([frame(PONG, b"x"), frame(PING, b"y"), END], pongs=[b"y"]),
    "2.10 ten pings": Case(
        [*(frame(PING, b"%d" % i) for i in range(10)), END], pongs=[b"%d" % i for i in range(10)]
    ),
    "2.11 ten pings byte by byte": Case(
        [*pieces(b"".join(frame(PING, b"%d" % i) for i in range(10))), END],
        pongs=[b"%d" % i for i in range(10)],
    ),
}
RESERVED = {
    f"3 reserved bits {rsv} on {name}": Case([frame(opcode, payload, rsv=rsv)], code=1002)
    for rsv in range(1, 8)
    for name, opcode, payload in (("text", TEXT, b"a"), ("ping", PING, b""), ("close", CLOSE, b""))
}
OPCODES = {
    **{
        f"4 opcode {opcode}": Case([frame(TEXT, b"first"), frame(opcode)], ["first"], code=1002)
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    },
    "4 opcode 5 with payload and a ping behind": Case([frame(5, b"x") + frame(PING)], code=1002),
}
FRAGMENTATION = {
    "5.1 ping in fragments": Case(fragments(b"ping", 2, opcode=PING), code=1002),
    "5.2 pong in fragments": Case(fragments(b"pong", 2, opcode=PONG), code=1002),
    "5.3 text in two": Case([*fragments(b"fragment1fragment2", 9), END], ["fragment1fragment2"]),
    "5.5 text in two, byte by byte": Case(
        [*pieces(b"".join(fragments(b"fragment1fragment2", 9))), END], ["fragment1fragment2"]
    ),
    "5.6 ping between": Case(
        [frame(TEXT, b"a", fin=False), frame(PING, b"p"), frame(CONTINUATION, b"b"), END],
        ["ab"],
        [b"p"],
    ),
    "5.9 continuation of nothing": Case([frame(CONTINUATION, b"x"), frame(TEXT, b"y")], code=1002),
    "5.12 unfinished continuation of nothing": Case(
        [frame(CONTINUATION, b"x", fin=False)], code=1002
    ),
    "5.15 continuation after the end": Case(
        [*fragments(b"ab", 1), frame(CONTINUATION, b"c"), frame(TEXT, b"d")], ["ab"], code=1002
    ),
    "5.18 text inside a text": Case([frame(TEXT, b"a", fin=False), frame(TEXT, b"b")], code=1002),
    "5.19 two pings between five": Case(
        [
            frame(TEXT, b"1", fin=False) + frame(CONTINUATION, b"2", fin=False),
            frame(PING, b"first") + frame(CONTINUATION, b"3", fin=False),
            frame(CONTINUATION, b"4", fin=False) + frame(PING, b"second"),
            frame(CONTINUATION, b"5") + END,
        ],
        ["12345"],
        [b"first", b"second"],
    ),
    "5 empty fragments": Case(
        [
            frame(TEXT, fin=False),
            frame(CONTINUATION, fin=False),
            frame(CONTINUATION, b"x", fin=False),
            frame(CONTINUATION),
            END,
        ],
        ["x"],
    ),
    "5 only empty fragments": Case([frame(TEXT, fin=False), frame(CONTINUATION), END], [""]),
}
UTF8 = {
    **{
        f"6 good text {text!a}": Case([frame(TEXT, text.encode()), END], [text])
        for text in GOOD_TEXTS
    },
    "6.2 cut inside characters": Case(
        [*fragments(GREEK.encode(), *range(1, len(GREEK.encode()))), END], [GREEK]
    ),
    "6.2 byte by byte": Case([*pieces(frame(TEXT, GREEK.encode())), END], [GREEK]),
    **{f"6 {name}": Case([frame(TEXT, text)], code=1007) for name, text in BAD_TEXTS.items()},
    **{
        f"6 {name}, a fragment a byte": Case(
            fragments(b"ok" + text, *range(1, len(text) + 2)), code=1007
        )
        for name, text in BAD_TEXTS.items()
    },
}
CLOSING = {
    "7.1.1 message, then close": Case([frame(TEXT, b"a"), END], ["a"]),
    "7.1.2 two closes": Case([END + END]),
    "7.1.3 ping after close": Case([END + frame(PING)]),
    "7.1.4 text after close": Case([END + frame(TEXT, b"late")]),
    "7.1.5 close inside a message": Case(
        [frame(TEXT, b"a", fin=False) + END + frame(CONTINUATION, b"b")]
    ),
    "7.3.1 empty": Case([frame(CLOSE)], code=None),
    "7.3.2 one byte": Case([frame(CLOSE, b"\x03")], code=1002),
    "7.3.4 with a reason": Case([close_frame(1000, "Hello World!")]),
    "7.3.5 longest reason": Case([close_frame(1000, "*" * 123)]),
    "7.3.6 reason too long": Case([close_frame(1000, "*" * 124)], code=1002),
    "7.5.1 reason not UTF-8": Case([close_frame(1000, b"\xce\xba\xed\xa0\x80")], code=1007),
    **{
        f"7.7 code {code}": Case([close_frame(code)], code=code)
        for code in (1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    },
    **{
        f"7.9 code {code}": Case([close_frame(code)], code=1002)
        for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
    },
}
AUTOMATIC = {
    "10.1.1 fragments of 1300": Case(
        [*fragments(b"*" * 65536, *range(1300, 65536, 1300)), END], ["*" * 65536]
    ),
}
CASES = FRAMING | PINGS | RESERVED | OPCODES | FRAGMENTATION | UTF8 | CLOSING | AUTOMATIC


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_case(case: Case, connect: Callable[..., WebSocketTransport]) -> None:
    """The client echoes, answers and closes as RFC 6455 asks, and in order."""
    received = run(case, connect)
    assert [data.decode() for opcode, data in received if opcode == TEXT] == case.echoes
    assert [data for opcode, data in received if opcode == PONG] == case.pongs
    code = b"" if case.code is None else case.code.to_bytes(2, "big")
    assert received[-1] == (CLOSE, code)


def test_pong_goes_out_before_what_follows_the_ping(
    connect: Callable[..., WebSocketTransport],
) -> None:
    """Everything in one read, and still each answer in its place."""
    data = frame(TEXT, b"a") + frame(PING, b"p") + frame(TEXT, b"b") + END
    assert run(Case([data]), connect)[:3] == [(TEXT, b"a"), (PONG, b"p"), (TEXT, b"b")]
