"""Tokens to text, one after another: a character that spans tokens waits for its last one."""

from __future__ import annotations

from collections.abc import Callable

#: What a decoder writes for bytes that are no whole character, or not yet.
_BROKEN = "\N{REPLACEMENT CHARACTER}"

#: Tokens that are decoded together at most. A character has four bytes at most, so whatever is
#: broken for so long stays broken; and each step decodes all of them again.
_WINDOW = 32


class TextStream:
    """Decodes tokens as they come; the pieces joined are what decoding them at once gives.

    Some decoders look at the token before: at the start of a text they drop a space. So what is
    new in a token is told by decoding it behind those of the last whole piece.
    """

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        # The tokens of the last whole piece, then those behind it; and how many the first are.
        self._tokens: list[int] = []
        self._told = 0
        # Characters of the decoded tokens that were handed out.
        self._length = 0

    def feed(self, token: int) -> str:
        """Return the text that ``token`` makes whole, often ""."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        if len(self._tokens) > _WINDOW:
            return self._tell(text)
        if text.endswith(_BROKEN):
            return self._tell_part(text.rstrip(_BROKEN))
        return self._tell(text)

    def finish(self) -> str:
        """Return what still waited; bytes that are no whole character as replacements."""
        return self._tell(self._decode(self._tokens))

    def _tell_part(self, text: str) -> str:
        """Hand out what comes before the broken end; which tokens made it is not known."""
        piece = text[self._length :]
        self._length = max(self._length, len(text))
        return piece

    def _tell(self, text: str) -> str:
        """Hand out all, and keep the tokens that were not told as the last whole piece."""
        piece = text[self._length :]
        # A token without text of its own stays with those before it: alone it may read as a start.
        if piece or len(self._tokens) > _WINDOW:
            self._tokens = self._tokens[self._told :]
            self._told = len(self._tokens)
            self._length = len(self._decode(self._tokens))
        return piece
