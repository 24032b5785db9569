"""Reads a certificate in DER, trusted or not, far enough to say whose it is.

The ssl module decodes a certificate only after it has verified it, and the one that needs to be
named is the one that failed. So the few fields that matter are read here (RFC 5280, section 4.1).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

#: Characters of a name that are shown; whoever made the certificate chose its length.
_NAME_LIMIT = 120
#: Host names that are listed; certificates of content networks carry hundreds.
_NAMES_LIMIT = 8

_SEQUENCE, _OCTETS, _OID = 0x30, 0x04, 0x06
_UTC_TIME, _BMP_STRING = 0x17, 0x1E
#: Context tags: version and extensions of a certificate, DNS name and IP address of a host.
_VERSION, _EXTENSIONS, _DNS_NAME, _IP_ADDRESS = 0xA0, 0xA3, 0x82, 0x87

#: Parts of a name that tell people who it is, in the order in which they are shown.
_PARTS = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU"}
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"

Field = tuple[int, bytes]


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a server's certificate says; every text is printable and short."""

    subject: str
    issuer: str
    #: The time in which it counts, in UTC.
    valid_from: datetime
    valid_until: datetime
    #: The hosts that it is for, the first few.
    hosts: tuple[str, ...]


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate. Raises ValueError for what is none."""
    ((tag, whole), *_) = _fields(der) or [(0, b"")]
    ((body_tag, body), *_) = _fields(whole) or [(0, b"")]
    if (tag, body_tag) != (_SEQUENCE, _SEQUENCE):
        raise ValueError("not a certificate")
    fields = [field for field in _fields(body) if field[0] != _VERSION]
    # serial number, algorithm, issuer, validity, subject, key, extensions
    if len(fields) < 6:
        raise ValueError("the certificate is cut short")
    valid_from, valid_until = (_time(*moment) for moment in _fields(fields[3][1])[:2])
    return Certificate(
        subject=_name(fields[4][1]),
        issuer=_name(fields[2][1]),
        valid_from=valid_from,
        valid_until=valid_until,
        hosts=tuple(_hosts(fields[6:]))[:_NAMES_LIMIT],
    )


def _fields(data: bytes) -> list[Field]:
    """Split what a constructed value holds into (tag, content). Raises ValueError."""
    found, at = [], 0
    while at < len(data):
        tag, start, end = _measure(data, at)
        found.append((tag, data[start:end]))
        at = end
    return found


def _measure(data: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, start and end of the value at ``at``; its length has a short and a long form."""
    if at + 2 > len(data):
        raise ValueError("a value is cut short")
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > len(data):
        raise ValueError("a value is cut short")
    return tag, start, start + length


def _name(data: bytes) -> str:
    """Write a distinguished name as ``CN=..., O=...``; other parts are left out."""
    found: dict[str, str] = {}
    for _, group in _fields(data):
        for _, pair in _fields(group):
            (_, oid), (tag, value) = _two(pair)
            if oid in _PARTS:
                found.setdefault(_PARTS[oid], _text(tag, value))
    return ", ".join(f"{part}={found[part]}" for part in _PARTS.values() if part in found)


def _two(data: bytes) -> list[Field]:
    fields = _fields(data)
    if len(fields) < 2 or fields[0][0] != _OID:
        raise ValueError("a pair of name and value is broken")
    return fields[:2]


def _text(tag: int, value: bytes) -> str:
    encoding = "utf-16-be" if tag == _BMP_STRING else "utf-8"
    return printable(value.decode(encoding, "replace"))[:_NAME_LIMIT]


def printable(text: str) -> str:
    """Replace what would move the cursor or hide text on a terminal; a peer chose the text."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _time(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii", "replace")
    if tag == _UTC_TIME:
        # Two digits of the year; RFC 5280 4.1.2.5.1 turns the century at 50.
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)


def _hosts(fields: list[Field]) -> Iterator[str]:
    """Yield the names and addresses of the extension that lists them."""
    for tag, wrapped in fields:
        for _, extensions in _fields(wrapped) if tag == _EXTENSIONS else []:
            for _, extension in _fields(extensions):
                oid, *rest = _fields(extension)
                if oid == (_OID, _SUBJECT_ALT_NAME) and rest and rest[-1][0] == _OCTETS:
                    yield from _alternatives(rest[-1][1])


def _alternatives(data: bytes) -> Iterator[str]:
    for _, names in _fields(data):
        for tag, value in _fields(names):
            if tag == _DNS_NAME:
                yield _text(tag, value)
            elif tag == _IP_ADDRESS and len(value) in (4, 16):
                yield str(ipaddress.ip_address(value))
