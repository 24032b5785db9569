"""A certificate authority whose certificates can be wrong in every way."""

from __future__ import annotations

import ssl
from datetime import datetime, timezone

import trustme


class Authority:
    """Issues certificates for whom and when a test says."""

    def __init__(self, organization: str = "Prying Eyes Ltd") -> None:
        # It has been there for all the certificates that are out of their time.
        self._authority = trustme.CA(organization_name=organization)
        self.pem = self._authority.cert_pem.bytes()

    def certificate(
        self, *hosts: str, years: tuple[int, int] = (2020, 2090), name: str | None = None
    ) -> trustme.LeafCert:
        """Issue a certificate from the first of January to another."""
        first, last = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in years)
        return self._authority.issue_cert(
            *hosts, not_before=first, not_after=last, common_name=name
        )

    def server_context(
        self,
        *hosts: str,
        years: tuple[int, int] = (2020, 2090),
        asks_client: bool = False,
        name: str | None = None,
    ) -> ssl.SSLContext:
        """Make the context of a server on loopback, or of another host."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        whom = hosts or ("127.0.0.1", "localhost")
        self.certificate(*whom, years=years, name=name).configure_cert(context)
        if asks_client:
            self._authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self) -> ssl.SSLContext:
        """Make a verifying context that trusts this authority alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        return context
