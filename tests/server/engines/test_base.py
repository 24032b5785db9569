"""The cancel token, and the engines by name."""

from __future__ import annotations

import sys
import threading

import pytest

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.engines import UPSTREAM_KEY_VARIABLE, make_engine
from pyresponses_ws.server.engines.base import CancelToken, has_trait
from pyresponses_ws.server.engines.echo import EchoEngine


def test_callbacks_run_once_on_cancel() -> None:
    """A second cancel does nothing."""
    token, calls = CancelToken(), []
    token.on_cancel(lambda: calls.append(1))
    assert not token.is_set()
    token.cancel()
    token.cancel()
    assert (token.is_set(), calls) == (True, [1])


def test_a_late_callback_runs_at_once() -> None:
    """Whoever asks after the cancel is told in the same call."""
    token, calls = CancelToken(), []
    token.cancel()
    token.on_cancel(lambda: calls.append(1))
    assert calls == [1]


def test_wait_ends_with_the_cancel() -> None:
    """It says whether it was cancelled."""
    token = CancelToken()
    assert not token.wait(0)
    canceller = threading.Thread(target=token.cancel)
    canceller.start()
    assert token.wait(30)
    canceller.join()


def test_engines_have_names() -> None:
    """An unknown one is named, with those that exist."""
    assert make_engine("echo").models() == ("echo",)
    with pytest.raises(ConfigError, match="unknown engine 'gpt'"):
        make_engine("gpt")


def test_an_upstream_gets_the_servers_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a variable of its own; the client's key is for the client's server."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-the-clients")
    monkeypatch.setenv(UPSTREAM_KEY_VARIABLE, "sk-the-upstreams")
    engine = make_engine("upstream:http://127.0.0.1:1/v1")
    assert engine._headers["Authorization"] == "Bearer sk-the-upstreams"  # type: ignore[attr-defined]
    monkeypatch.delenv(UPSTREAM_KEY_VARIABLE)
    engine = make_engine("upstream:http://127.0.0.1:1/v1")
    assert "Authorization" not in engine._headers  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("upstream:", "'upstream' needs its URL"),
        ("transformers", "'transformers' needs its DIR"),
        ("script:", "'script' needs its FILE"),
        ("echo:x", "unknown engine 'echo:x'"),
    ],
)
def test_an_engine_needs_its_argument(name: str, problem: str) -> None:
    """What is left out is named."""
    with pytest.raises(ConfigError, match=problem):
        make_engine(name)


def test_a_trait_is_what_is_true() -> None:
    """An engine that says no says no."""
    assert not has_trait(make_engine("echo"), "vets")
    assert has_trait(make_engine("upstream:http://127.0.0.1:1"), "vets")
    engine = EchoEngine()
    engine.vets = False  # type: ignore[attr-defined]
    assert not has_trait(engine, "vets")


def test_a_model_needs_its_folder() -> None:
    """Told before anything large is imported."""
    with pytest.raises(ConfigError, match="no such model folder"):
        make_engine("transformers:none")


def test_a_script_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyYAML the error says what to install; other engines work."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "pyresponses_ws.server.engines.script.file", raising=False)
    with pytest.raises(ConfigError, match=r"needs yaml: pip install 'pyresponses-ws\[server\]'"):
        make_engine("script:any.yaml")
    assert make_engine("echo").models() == ("echo",)


def test_a_callback_that_raises_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Those behind it are called, and the log says what it was."""
    token, calls = CancelToken(), []
    token.on_cancel(lambda: 1 // 0)
    token.on_cancel(lambda: calls.append(1))
    token.cancel()
    assert calls == [1]
    assert "ZeroDivisionError" in caplog.text
