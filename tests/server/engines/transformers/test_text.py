"""Tokens to text, as they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.server.engines.transformers.text import TextStream

BROKEN = "\N{REPLACEMENT CHARACTER}"


def bytes_of(tokens: list[int]) -> str:
    """Decode a vocabulary of bytes, as byte-level tokenizers do."""
    return bytes(tokens).decode("utf-8", "replace")


def fallback(tokens: list[int]) -> str:
    """Decode as tokenizers that fall back to bytes: a run of them that is broken is all broken."""
    try:
        return bytes(tokens).decode("utf-8")
    except UnicodeDecodeError:
        return BROKEN * len(tokens)


def words(tokens: list[int]) -> str:
    """Decode words with a space before each, which is dropped where the text begins."""
    return "".join(f" word{token}" for token in tokens).removeprefix(" ")


def feed(stream: TextStream, tokens: list[int] | bytes) -> list[str]:
    return [stream.feed(token) for token in tokens]


def test_a_character_waits_for_its_last_token() -> None:
    """Nobody sees half of one."""
    assert feed(TextStream(bytes_of), "aé€😀b".encode()) == [
        *("a", "", "é", "", "", "€", "", "", "", "😀", "b")
    ]


def test_a_space_between_words_is_kept() -> None:
    """Though a decoder drops it where a text begins."""
    assert feed(TextStream(words), [1, 2, 3]) == ["word1", " word2", " word3"]


def test_a_character_that_never_ends_is_told_as_broken() -> None:
    """At the end of the answer nothing is held back."""
    stream = TextStream(bytes_of)
    assert feed(stream, "a😀".encode()[:-1]) == ["a", "", "", ""]
    assert stream.finish() == BROKEN


def test_text_before_a_broken_end_does_not_wait() -> None:
    """A token may end one character and begin the next."""
    parts = ["é".encode()[:1], "é".encode()[1:] + b"b" + "é".encode()[:1], "é".encode()[1:]]
    stream = TextStream(lambda tokens: bytes_of(list(b"".join(parts[i] for i in tokens))))
    assert feed(stream, [0, 1, 2]) == ["", "éb", "é"]


def test_bytes_that_are_no_text_are_told_after_a_while() -> None:
    """A model that writes only such does not make each token cost more than the last."""
    sizes = []

    def decode(tokens: list[int]) -> str:
        sizes.append(len(tokens))
        return bytes_of(tokens)

    stream = TextStream(decode)
    text = "".join(feed(stream, b"\x80" * 500)) + stream.finish()
    assert text == BROKEN * 500
    assert max(sizes) <= 66


def test_a_token_without_text_keeps_those_before_it() -> None:
    """Else the next would be decoded as if a text began with it."""
    stream = TextStream(lambda tokens: words([token for token in tokens if token]))
    assert feed(stream, [1, 0, 2]) == ["word1", "", " word2"]


@pytest.mark.parametrize("decode", [bytes_of, fallback])
@given(text=st.text(max_size=60))
def test_the_pieces_joined_are_the_text(decode: object, text: str) -> None:
    """Whatever the characters, whatever the decoder."""
    assert callable(decode)
    stream = TextStream(decode)
    tokens = list(text.encode("utf-8"))
    assert "".join(feed(stream, tokens)) + stream.finish() == text


@given(data=st.binary(max_size=100))
def test_bytes_of_any_kind_are_told_as_decoding_them_at_once(data: bytes) -> None:
    """Nothing is lost and nothing comes twice, valid or not."""
    stream = TextStream(bytes_of)
    assert "".join(feed(stream, data)) + stream.finish() == bytes_of(list(data))
