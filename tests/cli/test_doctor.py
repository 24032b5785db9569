"""``pyresponses-ws doctor``: what it prints, where, and its exit status."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pyresponses_ws.cli.main import main
from tests.diagnosis.looks import stay
from tests.support.raw_server import Peer, RawServer
from tests.support.tls import TestAuthority

KEY = "sk-canary-key"
PASSWORD = "canary-password"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the usual place, and no network around but the test's."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def refuse(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")


def address(server: RawServer) -> str:
    return server.url.removesuffix("/responses")


def examine(script: Callable[[Peer], object], *options: str) -> int:
    """Run the command against a server with this script; return the exit status."""
    with RawServer(script) as server:
        return main(["doctor", "--base-url", address(server), *options])


def test_a_healthy_server_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    """Every stage is there, and the verdict; progress goes to stderr."""
    assert examine(stay) == 0
    out, err = capsys.readouterr()
    for stage in ("config", "dns", "tcp", "upgrade", "open"):
        assert stage in out
    assert "opened and stayed open" in out
    assert err.startswith("resolving 127.0.0.1")


def test_trouble_is_status_1_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong and what to do are the last two things on stdout."""
    assert examine(refuse) == 1
    *_, verdict, advice = capsys.readouterr().out.strip().splitlines()
    assert "does not take the API key" in verdict
    assert advice.startswith("Check that the key")


def test_json_is_all_that_stdout_gets(capsys: pytest.CaptureFixture[str]) -> None:
    """A script reads facts, verdict and advice from one object."""
    assert examine(refuse, "--json") == 1
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["problem"], found["status"]) == (False, "key_refused", 401)
    assert found["advice"]


def test_it_prints_plainly_without_rich(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever cannot connect cannot install a package for nicer tables."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert examine(refuse) == 1
    assert "upgrade  failed" in capsys.readouterr().out


def test_without_a_key_it_looks_as_far_as_it_gets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A 401 then says that the way is open; the client would still not work."""
    monkeypatch.delenv("OPENAI_API_KEY")
    assert examine(refuse) == 1
    out, err = capsys.readouterr()
    assert "none was given" in out
    assert "OPENAI_API_KEY is not set" in err


def test_the_key_may_be_in_another_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, not given: options are seen by every user of the machine."""
    monkeypatch.setenv("OTHER_KEY", "sk-other")
    seen: list[str] = []

    def script(peer: Peer) -> None:
        peer.read_request()
        seen.append(peer.headers["authorization"])

    assert examine(script, "--api-key-env", "OTHER_KEY") == 1
    assert seen == ["Bearer sk-other"]


def test_a_proxy_is_tried_and_its_password_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither on stdout nor on stderr, as a table or as JSON."""
    with RawServer(Peer.read_request) as proxy:
        url = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        options = ["--base-url", "http://127.0.0.1:9/v1", "--proxy", url]
        assert main(["doctor", *options]) == 1
        assert main(["doctor", *options, "--json"]) == 1
    out, err = capsys.readouterr()
    assert f"http://127.0.0.1:{proxy.port}" in out
    assert PASSWORD not in out + err
    assert KEY not in out + err


def test_files_of_certificates_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    """An authority of one's own, and a certificate of one's own."""
    authority = TestAuthority()
    with RawServer(stay, tls=authority.server_context(asks_client=True)) as server:
        files = ["--ca-bundle", authority.bundle, "--client-cert", authority.client_cert]
        assert main(["doctor", "--base-url", address(server), *files]) == 0
    authority.close()
    assert "TLSv1.3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--base-url", "ftp://example.test"], "base_url"),
        (["--base-url", "http://example.test"], "allow_insecure"),
        (["--proxy", "gopher://example.test"], "proxy"),
        (["--ca-bundle", "/nowhere/ca.pem"], "ca_bundle"),
        (["--client-key", "/nowhere/key.pem"], "--client-cert"),
        (["--timeout", "0"], "connect"),
    ],
)
def test_a_wrong_option_is_status_2(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named in one line, and nothing is tried."""
    assert main(["doctor", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pyresponses-ws: ")
    assert err.count("\n") == 1
    assert told in err


def test_interrupt_is_status_130() -> None:
    """Ctrl-C while a server keeps silent ends it without a traceback."""
    with RawServer(Peer.read_to_end) as server:
        program = "import sys; from pyresponses_ws.cli.main import main; sys.exit(main())"
        command = [sys.executable, "-c", program, "doctor", "--base-url", address(server)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            while not process.stderr.readline().startswith("connecting"):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            err = process.stderr.read()
        assert process.returncode == 130
    assert err == "\ninterrupted\n"
