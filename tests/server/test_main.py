"""The command that ``LocalServer`` runs as a process."""

from __future__ import annotations

import pytest

from pyresponses_ws.server.__main__ import main


@pytest.mark.parametrize(
    ("option", "part"),
    [
        ("--engine=gpt", "unknown engine 'gpt'"),
        ("--port=70000", "70000"),
        ("--host=0.0.0.0", "key"),
    ],
)
def test_options_that_cannot_work_are_one_line(
    option: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, the reason on stderr, nothing on stdout."""
    assert main([option]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert part in printed.err
