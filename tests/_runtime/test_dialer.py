"""The HTTP side of a client, which is imported and made when something needs it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient, _transport
from pyresponses_ws._runtime.dialer import Dialer
from pyresponses_ws._transport import http
from tests._runtime.rig import Call


class Import:
    """Finds no module; stands in the way of one, and knows who wants it."""

    def __init__(self) -> None:
        #: Names of the threads that came.
        self.threads: list[str] = []
        #: Set once somebody is on the way; nobody gets on before the other is set.
        self.begun, self.go_on = threading.Event(), threading.Event()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == http.__name__:
            self.threads.append(threading.current_thread().name)
            self.begun.set()
            assert self.go_on.wait(10)


@pytest.fixture
def slow_import(monkeypatch: pytest.MonkeyPatch) -> Iterator[Import]:
    """Have the HTTP side imported again, as slowly as the test says."""
    made = Import()
    monkeypatch.setattr(_transport, "http", http)
    monkeypatch.delitem(sys.modules, http.__name__)
    monkeypatch.setattr(sys, "meta_path", [made, *sys.meta_path])
    yield made
    made.go_on.set()


@pytest.fixture
def dialer() -> Dialer:
    return ResponsesClient("sk-test", base_url="http://localhost:9/v1")._dialer


def test_http_is_imported_where_no_signal_comes(slow_import: Import, dialer: Dialer) -> None:
    """Ctrl-C in the middle of an import can leave locks of Python's held for ever."""
    slow_import.go_on.set()
    assert dialer.http is dialer.http
    (name,) = slow_import.threads
    assert name.startswith("pyresponses-")


def test_no_lock_is_held_while_http_is_imported(slow_import: Import, dialer: Dialer) -> None:
    """A client can be closed meanwhile, and a turn that needs no HTTP goes on."""
    call = Call(lambda: dialer.http)
    assert slow_import.begun.wait(10)
    assert not dialer._lock.locked()
    dialer.close_http()
    slow_import.go_on.set()
    assert call.result() is dialer.http


def test_all_who_need_http_first_share_it(slow_import: Import, dialer: Dialer) -> None:
    """Whoever comes second keeps what the first one made, and its connections."""
    calls = [Call(lambda: dialer.http) for _ in range(4)]
    assert slow_import.begun.wait(10)
    slow_import.go_on.set()
    assert {call.result() for call in calls} == {dialer.http}


def test_an_import_that_fails_is_tried_again(
    dialer: Dialer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the next turn, and without what was left of the first try."""
    with monkeypatch.context() as broken:
        broken.setitem(sys.modules, http.__name__, None)
        broken.delattr(_transport, "http")
        with pytest.raises(ImportError):
            assert dialer.http
    assert isinstance(dialer.http, http.RequestsPool)
