"""Bad proxies and certificates: a ConfigError when the client is made, with option and fix."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import trustme

from pyresponses_ws import ResponsesClient
from pyresponses_ws.errors import ConfigError, ConnectError
from tests.support.responses_peer import KEY, ResponsesPeer, error_of

LOOPBACK = "http://127.0.0.1:9/v1"
PASSWORD = "s3cret-word"
#: Variables that name certificates to trust.
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
TURN: dict[str, Any] = {"model": "m", "input": "hello"}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in CERTIFICATES:
            monkeypatch.delenv(name)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Certificates and keys, right and wrong, as paths."""
    ours, others = (trustme.CA().issue_cert("client@example.test") for _ in range(2))
    contents = {
        "cert": ours.cert_chain_pems[0].bytes(),
        "key": ours.private_key_pem.bytes(),
        "other_key": others.private_key_pem.bytes(),
        "text": b"no certificate",
        "empty": b"",
        "binary": bytes(range(256)),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return {name: str(tmp_path / name) for name in contents}


@pytest.fixture
def refusing_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def refused(**options: Any) -> str:
    """Make a client in vain; return the words of its ConfigError."""
    error = error_of(lambda: ResponsesClient(KEY, **{"base_url": LOOPBACK, **options}))
    assert isinstance(error, ConfigError)
    assert PASSWORD not in f"{error} {error!r}"
    return str(error)


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        (f"ftp://me:{PASSWORD}@p:1", "proxy has the scheme 'ftp'"),
        (f"me:{PASSWORD}@p:1", "proxy has no scheme: write http://"),
        ("p:1", "proxy has no scheme: write http://"),
        ("", "proxy is empty"),
        (f"http://me:{PASSWORD}@", "proxy has no host"),
        (f"http://p:{PASSWORD}", "proxy is not a URL"),
        ("http://p:99999", "proxy is not a URL"),
        (5, "proxy must be of type str"),
    ],
)
def test_a_bad_proxy_is_refused(proxy: Any, words: str) -> None:
    """Whatever is wrong with it; what stands in it is not repeated."""
    assert words in refused(proxy=proxy)


@pytest.mark.parametrize("name", ["text", "empty", "binary", "key"])
def test_a_ca_file_that_is_none_is_refused(name: str, files: dict[str, str]) -> None:
    """Not at the first connection, which may be days away."""
    words = refused(ca_bundle=files[name])
    assert f"ca_bundle: {files[name]!r} holds no certificates" in words


@pytest.mark.parametrize("path", ["/nowhere/ca.pem", "x" * 5000, "a\0b", Path("/nowhere")])
def test_a_ca_file_that_is_missing_is_refused(path: str | Path) -> None:
    """A name that no file can have is missing too."""
    assert "ca_bundle: " in (words := refused(ca_bundle=path))
    assert "does not exist" in words


def test_a_client_certificate_without_its_key_is_refused(files: dict[str, str]) -> None:
    """And the error says how to give both."""
    words = refused(client_cert=files["cert"])
    assert f"client_cert: {files['cert']!r} is no certificate in PEM with its key" in words
    assert "give both: (certificate, key)" in words


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("cert", "other_key"), "are no certificate in PEM and its key"),
        (("key", "cert"), "are no certificate in PEM and its key"),
        (("cert", "text"), "are no certificate in PEM and its key"),
        (("cert", "key", "key"), "must be a path, or a pair"),
    ],
)
def test_a_client_certificate_with_another_key_is_refused(
    pair: tuple[str, ...], words: str, files: dict[str, str]
) -> None:
    """Both files are named: either may be the wrong one."""
    assert words in refused(client_cert=tuple(files[name] for name in pair))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("/nowhere/cert.pem", "/nowhere/key.pem"), "does not exist"),
        ("/", "is no file"),
        ((5, 6), "client_cert must be a path, got int"),
        (("", ""), "client_cert is empty"),
    ],
)
def test_a_client_certificate_that_is_no_file_is_refused(given: Any, words: str) -> None:
    """Missing, a folder, or no path at all."""
    assert words in refused(client_cert=given)


@pytest.mark.parametrize("option", ["ca_bundle", "client_cert"])
def test_contents_in_place_of_a_path_are_not_shown(option: str, files: dict[str, str]) -> None:
    """A key in a variable of a deployment ends up here easily, and then in a log."""
    contents = Path(files["key"]).read_text()
    words = refused(**{option: contents})
    assert words == f"{option} must be the path of a file, not what is in it"


def test_a_good_certificate_is_taken(files: dict[str, str]) -> None:
    """What is refused above is refused for its fault alone."""
    pair = (files["cert"], files["key"])
    ResponsesClient(KEY, base_url=LOOPBACK, client_cert=pair, ca_bundle=files["cert"]).close()


# --- what is known at connecting only -------------------------------------------------------------


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_bad_variable_is_refused_when_it_counts(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment is read at each connect; nothing goes out directly."""
    monkeypatch.setenv(variable, f"gopher://me:{PASSWORD}@p:1")
    with ResponsesPeer() as peer, peer.client() as client:
        error = error_of(lambda: client.create(**TURN))
        assert peer.connections == 0
    assert isinstance(error, ConfigError)
    assert variable in str(error)
    assert PASSWORD not in str(error)


@pytest.mark.parametrize("variable", CERTIFICATES)
def test_a_bad_variable_for_certificates_is_named(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where TLS is needed; OpenSSL would trust nobody and not say why."""
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    with ResponsesClient(KEY, base_url="https://127.0.0.1:9/v1") as client:
        error = error_of(lambda: client.create(**TURN))
    assert isinstance(error, ConfigError)
    assert f"{variable}: '/nowhere/ca.pem' does not exist" in str(error)


@pytest.mark.parametrize("transport", ["websocket", "http", "auto"])
def test_no_error_of_a_proxy_shows_its_password(
    transport: str, refusing_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """No text, no traceback, no log at any level."""
    caplog.set_level("DEBUG")
    proxy = f"http://me:{PASSWORD}@127.0.0.1:{refusing_port}"
    options: dict[str, Any] = {"transport": transport, "proxy": proxy}
    with ResponsesClient(KEY, base_url=LOOPBACK, **options) as client:
        assert PASSWORD not in repr(client)
        error = error_of(lambda: client.create(**TURN))
    assert isinstance(error, ConnectError)
    assert error.stage == "proxy"
    assert PASSWORD not in f"{error} {error!r} {error.__dict__} {caplog.text}"
