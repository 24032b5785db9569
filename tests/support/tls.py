"""A certificate authority for tests, with certificates for a server and a client."""

from __future__ import annotations

import functools
import ssl
import tempfile
from pathlib import Path

import trustme


class TestAuthority:
    """Issues what both ends of a TLS connection need; its files last as long as it does."""

    __test__ = False

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self._folder = tempfile.TemporaryDirectory(prefix="tls-")
        self._server = self._authority.issue_cert("localhost", "127.0.0.1", "::1")

    def server_context(self, *, asks_client: bool = False) -> ssl.SSLContext:
        """Return a context for 127.0.0.1, ::1 and localhost."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.configure_cert(context)
        if asks_client:
            self._authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a verifying context that trusts this authority alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        return context

    @functools.cached_property
    def bundle(self) -> str:
        """Path of the authority's certificate."""
        return self._write("ca.pem", self._authority.cert_pem.bytes())

    @functools.cached_property
    def client_cert(self) -> str:
        """Path of a client's certificate and key in one file."""
        pem = self._authority.issue_cert("client@example.test").private_key_and_cert_chain_pem
        return self._write("client.pem", pem.bytes())

    def close(self) -> None:
        self._folder.cleanup()

    def _write(self, name: str, data: bytes) -> str:
        path = Path(self._folder.name, name)
        path.write_bytes(data)
        return str(path)
