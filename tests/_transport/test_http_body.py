"""Bodies: where they end, what they hold, and that the cut between reads never matters."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws._transport.http_body import LINE_LIMIT, Body, BodyError, make_body

WIKI = b"4\r\nWiki\r\n6;name=value\r\npedia \r\nB\r\nin chunks..\r\n0\r\n\r\n"
CONTENT = b"Wikipedia in chunks.."


def make_chunked(encoding: str = "") -> Body:
    return make_body({"content-encoding": encoding}, is_chunked=True, length=None)


def read(body: Body, *pieces: bytes) -> bytes:
    return b"".join(map(body.receive_data, pieces))


def bytewise(data: bytes) -> Iterable[bytes]:
    return (bytes((byte,)) for byte in data)


def test_sized_body_ends_with_its_last_byte() -> None:
    """Its length is in the head; what comes behind it is nobody's."""
    body = make_body({}, is_chunked=False, length=5)
    assert (read(body, b"hel"), body.is_complete) == (b"hel", False)
    assert (read(body, b"lo!"), body.is_complete, body.has_excess) == (b"lo", True, True)
    assert not body.ends_with_connection


def test_body_of_no_bytes_is_complete_at_once() -> None:
    """A 204 has no body to wait for."""
    assert make_body({}, is_chunked=False, length=0).is_complete


def test_body_without_length_lasts_as_long_as_the_connection() -> None:
    """So servers of HTTP/1.0 end it."""
    body = make_body({}, is_chunked=False, length=None)
    assert (read(body, b"a", b"b"), body.is_complete, body.ends_with_connection) == (
        b"ab",
        False,
        True,
    )


def test_chunks_are_joined() -> None:
    """Sizes are hexadecimal; extensions mean nothing to us."""
    body = make_chunked()
    assert read(body, WIKI) == CONTENT
    assert (body.is_complete, body.has_excess, body.ends_with_connection) == (True, False, False)


def test_a_chunk_is_handed_out_before_it_is_complete() -> None:
    """An event may be in a chunk that is not over."""
    body = make_chunked()
    assert read(body, b"ff\r\nfirst") == b"first"
    assert read(body, b" second") == b" second"


def test_a_trailer_is_read_and_ignored() -> None:
    """It stands between the last chunk and the blank line."""
    body = make_chunked()
    pieces = list(bytewise(b"1\r\nx\r\n0\r\nChecksum: 1\r\nOther: 2\r\n"))
    assert (read(body, *pieces), body.is_complete) == (b"x", False)
    assert (read(body, b"\r\n"), body.is_complete) == (b"", True)


def test_bytes_behind_the_last_chunk_are_told() -> None:
    """They belong to no answer that was asked for."""
    body = make_chunked()
    assert (read(body, WIKI + b"H"), body.has_excess) == (CONTENT, True)


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\nx\r\n",
        b"1_0\r\n",
        b" 1\r\nx",
        b"\r\n",
        b"11112222333344445\r\n",
        b"1\r\nxy\r\n",
        b"1\r\nx\n0\r\n\r\n",
        b"a" * (LINE_LIMIT + 1),
        b"0\r\n" + b"a" * (LINE_LIMIT + 1),
    ],
)
def test_broken_chunks_are_refused(data: bytes) -> None:
    """A size that is none, a chunk longer than it says, a line without an end."""
    with pytest.raises(BodyError):
        read(make_chunked(), data)
    with pytest.raises(BodyError):
        read(make_chunked(), *bytewise(data))


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "GZIP ", "x-gzip"])
def test_compression_that_nobody_asked_for_is_undone(encoding: str) -> None:
    """Some gateways compress whatever the request says."""
    packed = zlib.compress(CONTENT) if encoding == "deflate" else gzip.compress(CONTENT)
    body = make_body({"content-encoding": encoding}, is_chunked=False, length=len(packed))
    assert read(body, *bytewise(packed)) == CONTENT
    assert body.is_complete


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_compression_that_cannot_be_undone_is_refused(encoding: str) -> None:
    """A text that looks like noise would only fail later, and less clearly."""
    body = make_body({"content-encoding": encoding}, is_chunked=False, length=20)
    with pytest.raises(BodyError, match="compressed"):
        read(body, b"\x8b\x02\x80hello\x03")


@given(st.lists(st.binary(min_size=1, max_size=30)), st.lists(st.integers(0, 300)), st.booleans())
def test_no_splitting_changes_a_body(pieces: list[bytes], cuts: list[int], packs: bool) -> None:
    """Contents and end are the same, wherever the reads cut."""
    content = b"".join(pieces)
    sent = [zlib.compress(content)] if packs else pieces
    data = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in sent) + b"0\r\n\r\n"
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    body = make_chunked("deflate" if packs else "identity")
    assert read(body, *(data[a:b] for a, b in pairwise(places))) == content
    assert body.is_complete
