"""What an error that is kept may hold."""

from __future__ import annotations

import pytest

from pyresponses_ws._transport.base import Close, drop_frames


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """Give an error a traceback, and a cause."""
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def test_the_cause_of_a_close_holds_no_frames() -> None:
    """Nor what caused it: frames hold the turn, which holds the close."""
    root = raised(OSError("reset"))
    close = Close(cause=raised(ConnectionError("lost"), root))
    assert close.cause is not None
    assert (close.cause.__traceback__, root.__traceback__) == (None, None)
    assert close.cause.__cause__ is root


def test_what_the_caller_was_handling_stays_whole() -> None:
    """It is let go of, and its traceback is the caller's."""
    ours = []

    def handle_and_fail() -> None:
        try:
            raise ValueError("the caller's")
        except ValueError:
            ours.append(raised(OSError("reset")))
            drop_frames(ours[0])
            raise

    with pytest.raises(ValueError, match="the caller's") as theirs:
        handle_and_fail()
    assert len(theirs.traceback) > 1
    assert ours[0].__context__ is None


def test_a_circle_of_causes_ends() -> None:
    """Whoever made it: a reader that never came back would end no turn."""
    one, other = OSError("one"), OSError("other")
    one.__cause__, other.__cause__ = other, one
    drop_frames(one)
    assert one.__traceback__ is None
