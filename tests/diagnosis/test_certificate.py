"""Reading a certificate that nobody has verified."""

from __future__ import annotations

import ssl
from datetime import datetime, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.diagnosis.certificate import printable, read_certificate
from pyresponses_ws.diagnosis.probe import decode
from pyresponses_ws.diagnosis.trace import Session
from tests.diagnosis.authority import Authority

AUTHORITY = Authority()
LEAF = AUTHORITY.certificate("a.example.test", "127.0.0.1", "::1", years=(2020, 2051), name="A")
DER = ssl.PEM_cert_to_DER_cert(LEAF.cert_chain_pems[0].bytes().decode())


def test_names_times_and_hosts_are_those_of_the_certificate() -> None:
    """As another reader, of a package for it, has them; the years are on both sides of 2050."""
    found, other = read_certificate(DER), x509.load_der_x509_certificate(DER)
    (organization,) = other.issuer.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    assert found.issuer.startswith(f"O={organization.value}, OU=")
    assert found.subject.startswith("CN=A, O=")
    assert found.valid_from == datetime(2020, 1, 1, tzinfo=timezone.utc)
    assert found.valid_until == datetime(2051, 1, 1, tzinfo=timezone.utc)
    assert found.hosts == ("a.example.test", "127.0.0.1", "::1")


@pytest.mark.parametrize(
    "der",
    [b"", b"0", b"0\x03abc", b"0\x82", DER[:100], b"\x30\x00", b"\x05\x00"],
    ids=["empty", "tag", "short", "length", "cut", "hollow", "null"],
)
def test_what_is_no_certificate_is_a_value_error(der: bytes) -> None:
    """Whoever answered chose these bytes."""
    with pytest.raises(ValueError):  # noqa: PT011 - each place says it in its own words
        read_certificate(der)


@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_a_broken_certificate_is_read_or_refused(at: int, byte: int) -> None:
    """Nothing but ValueError comes out, whichever byte is wrong."""
    broken = DER[:at] + bytes((byte,)) + DER[at + 1 :]
    try:
        found = read_certificate(broken)
    except ValueError:
        return
    assert (found.subject + found.issuer + "".join(found.hosts)).isprintable()


def test_a_session_whose_certificate_cannot_be_read_has_none() -> None:
    """The rest of the diagnosis is worth having without it."""
    assert decode(Session("TLSv1.3", b"junk")) is None
    assert decode(None) is None
    assert decode(Session("TLSv1.3", DER)) == read_certificate(DER)


def test_many_hosts_are_cut() -> None:
    """A certificate of a content network carries hundreds."""
    leaf = AUTHORITY.certificate(*(f"h{n}.example.test" for n in range(100)))
    der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    assert read_certificate(der).hosts == tuple(f"h{n}.example.test" for n in range(8))


def test_a_certificate_without_hosts_has_none() -> None:
    """Authorities, and old servers, have no such extension."""
    pem = AUTHORITY.pem
    assert read_certificate(ssl.PEM_cert_to_DER_cert(pem.decode())).hosts == ()
    assert x509.load_pem_x509_certificate(pem).public_bytes(Encoding.PEM) == pem


def test_what_moves_a_cursor_is_replaced() -> None:
    """A name may hold what a terminal would obey."""
    assert (
        printable("a\x1b[31mb\u202ec")
        == "a\N{REPLACEMENT CHARACTER}[31mb\N{REPLACEMENT CHARACTER}c"
    )
