"""The texts of one output item of an upstream, each of them once.

A text may come in pieces, whole when it is done, again with its item, and again with the Response;
any of them may be missing or come twice. What has come of it is kept, so that each later form adds
only what it has beyond that.
"""

from __future__ import annotations


class Texts:
    """What has come of the texts of one item, by channel and part."""

    def __init__(self, before: Texts | None = None) -> None:
        # What came under the same id until an earlier end: some servers tell it again.
        self._before = before
        self._pieces: dict[tuple[str, int], list[str]] = {}
        # The part that each channel is at.
        self._places: dict[str, int] = {}

    def add(self, channel: str, place: int | None, text: str) -> bool:
        """Note a piece; return whether it opens a further part of its channel."""
        at = self.place_of(channel) if place is None else place
        is_further = channel in self._places and (channel, at) not in self._pieces
        self._places[channel] = at
        self._pieces.setdefault((channel, at), []).append(text)
        return is_further

    def place_of(self, channel: str) -> int:
        """Return the part that a channel is at."""
        return self._places.get(channel, 0)

    def rest(self, channel: str, whole: str, place: int | None = None) -> str:
        """Return what ``whole`` has beyond what came: of a part, or without it of the channel.

        "" where they contradict each other: what was told stays told.
        """
        had, before = self.of(channel, place), self._of_before(channel)
        if not had and whole and self.of(channel).endswith(whole):
            return ""  # Its pieces did not say which part they are of.
        if before and not had and whole.startswith(before):
            return whole[len(before) :]
        if whole.startswith(had):
            return whole[len(had) :]
        return whole[len(before + had) :] if whole.startswith(before + had) else ""

    def of(self, channel: str, place: int | None = None) -> str:
        """Return what came of a channel, or of one part of it."""
        kept = (
            piece
            for key, pieces in self._pieces.items()
            if key[0] == channel and place in (None, key[1])
            for piece in pieces
        )
        return "".join(kept)

    def agrees(self, channel: str, whole: str, place: int | None) -> bool:
        """Say whether a whole text may be of this item: it goes on with what came, or is in it."""
        return whole.startswith(self.of(channel, place)) or whole in self.of(channel)

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def _of_before(self, channel: str) -> str:
        if self._before is None:
            return ""
        return self._before._of_before(channel) + self._before.of(channel)
