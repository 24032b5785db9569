"""Making the TLS context of a client."""

from __future__ import annotations

import ssl
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from pyresponses_ws._transport.tls import make_ssl_context, refuse_deadlocking_python
from pyresponses_ws.errors import ConfigError
from tests.support.tls import TestAuthority

VARIABLES = ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def roots(context: ssl.SSLContext) -> list[bytes]:
    return context.get_ca_certs(binary_form=True)


def test_context_verifies_certificate_and_name() -> None:
    """Nothing is trusted blindly, and nothing older than TLS 1.2 is spoken."""
    context = make_ssl_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_bundle_is_the_only_trust(authority: TestAuthority) -> None:
    """A private bundle replaces the system's list; it does not add to it."""
    assert len(roots(make_ssl_context(ca_bundle=Path(authority.bundle)))) == 1


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_environment_names_the_bundle(
    name: str, authority: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of OpenSSL and of requests replace the system's list, too."""
    monkeypatch.setenv(name, authority.bundle)
    assert len(roots(make_ssl_context())) == 1


def test_openssl_variable_goes_before_that_of_requests(
    authority: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With both set, the one that every TLS program of the machine heeds counts."""
    monkeypatch.setenv("SSL_CERT_FILE", authority.bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    assert len(roots(make_ssl_context())) == 1


@pytest.mark.parametrize("name", VARIABLES)
def test_missing_file_of_the_environment_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL would ignore it and trust nobody; the error says which variable is wrong."""
    monkeypatch.setenv(name, "/nowhere/ca.pem")
    with pytest.raises(ConfigError, match=f"{name}: '/nowhere/ca.pem' does not exist"):
        make_ssl_context()


@pytest.mark.parametrize("name", VARIABLES)
def test_empty_variable_is_no_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable set to nothing names no file that could be missing."""
    monkeypatch.setenv(name, "")
    assert make_ssl_context().verify_mode is ssl.CERT_REQUIRED


def test_folder_is_a_bundle(tmp_path: Path) -> None:
    """A folder, hashed as OpenSSL wants it, is read when a certificate is looked for."""
    context = make_ssl_context(ca_bundle=tmp_path)
    assert roots(context) == []


def test_bundle_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    """The error names option and path."""
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    with pytest.raises(ConfigError, match=r"ca_bundle: .*ca\.pem' holds no certificates"):
        make_ssl_context(ca_bundle=str(path))


def test_without_a_system_store_certifi_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pythons that come without certificates still reach public servers."""
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    nowhere = SimpleNamespace(cafile=None, capath=None)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    assert len(roots(make_ssl_context())) > 100


def test_client_certificate_may_be_one_file_or_two(tmp_path: Path) -> None:
    """Certificate and key come together or apart."""
    issued = trustme.CA().issue_cert("client@example.test")
    certificate, key, both = (tmp_path / name for name in ("cert.pem", "key.pem", "both.pem"))
    certificate.write_bytes(issued.cert_chain_pems[0].bytes())
    key.write_bytes(issued.private_key_pem.bytes())
    both.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    make_ssl_context(client_cert=both)
    make_ssl_context(client_cert=(str(certificate), str(key)))
    with pytest.raises(ConfigError, match=r"client_cert: .*cert\.pem' is no certificate in PEM"):
        make_ssl_context(client_cert=certificate)


def test_missing_client_certificate_is_named() -> None:
    """The error names option and path."""
    with pytest.raises(ConfigError, match=r"client_cert: '/nowhere/me\.pem' does not exist"):
        make_ssl_context(client_cert="/nowhere/me.pem")


def test_encrypted_key_does_not_ask_on_the_terminal(tmp_path: Path) -> None:
    """OpenSSL would wait for a passphrase for ever."""
    issued = trustme.CA().issue_cert("client@example.test")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    path = tmp_path / "client.pem"
    path.write_bytes(encrypted + issued.cert_chain_pems[0].bytes())
    with pytest.raises(ConfigError, match="the key is encrypted"):
        make_ssl_context(client_cert=path)


def test_python_that_deadlocks_is_refused() -> None:
    """3.13.6 hangs when one thread sends on TLS while another receives; others do not."""
    with pytest.raises(ConfigError, match=r"3\.13\.6.*cpython#137583"):
        refuse_deadlocking_python((3, 13, 6))
    refuse_deadlocking_python((3, 13, 7))
