"""Who may talk to the server."""

from __future__ import annotations

import pytest

from pyresponses_ws.errors import APIError, AuthenticationError
from pyresponses_ws.server.config import ServerConfig
from pyresponses_ws.server.core.access import Access, check_content_type, check_single

HOST = "127.0.0.1:8000"


def status_of(headers: dict[str, str], **options: object) -> int:
    """Return the status that the headers earn, 200 if they pass."""
    try:
        Access(ServerConfig(**options)).check_source(headers)
    except APIError as error:
        return error.status or 0
    return 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1", HOST, "localhost:1", "LOCALHOST", "[::1]:80", "a.localhost", "127.9.9.9"]
)
def test_every_name_of_loopback_passes(host: str) -> None:
    """The port does not matter, nor does case."""
    assert status_of({"host": host}) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("", "example.com", "example.com:80", "127.0.0.1.evil.com", "localhost.evil.com"),
        *("evil.com:127.0.0.1", "127.0.0.1:80:80", "127.0.0.1:evil", "user@127.0.0.1", "[::1"),
        *("::1", "[::2]", "127.1", "2130706433", "0.0.0.0", "notlocalhost", "127.0.0.1, evil.com"),
        *("localhost/evil", "http://localhost", " localhost", "[localhost]evil"),
    ],
)
def test_a_foreign_host_is_misdirected(host: str) -> None:
    """A name that a page rebound to loopback gets a 421, and so does what is no host."""
    assert status_of({"host": host}) == 421


def test_no_host_is_misdirected() -> None:
    """HTTP/1.0 allows it; browsers always send one."""
    assert status_of({}) == 421


def test_an_allowed_host_passes() -> None:
    """``allowed_hosts`` adds names."""
    for host in ("box.lan:80", "BOX.lan", "box.lan:"):
        assert status_of({"host": host}, allowed_hosts=("Box.LAN",)) == 200
    assert status_of({"host": "box.lan.evil.com"}, allowed_hosts=("box.lan",)) == 421
    assert status_of({"host": "[2001:db8::1]:80"}, allowed_hosts=("[2001:db8::1]",)) == 200


def test_the_bound_address_passes() -> None:
    """Under its own name, and no other."""
    public = {"host": "192.0.2.1", "api_keys": ("k",)}
    assert status_of({"host": "192.0.2.1:80"}, **public) == 200
    assert status_of({"host": "192.0.2.2:80"}, **public) == 421


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "NULL", "", "http://example.com", "http://localhost:3000", f"https://{HOST}"),
        *("http://127.0.0.1", f"http://{HOST}.evil.com", f"http://{HOST}, http://evil.com"),
        *("http://127.0.0.1:80001", f"http://user@{HOST}", f"http://{HOST}/", "file://"),
    ],
)
def test_a_foreign_origin_is_forbidden(origin: str) -> None:
    """Another port or scheme is another origin; a sandboxed page sends null."""
    assert status_of({"host": HOST, "origin": origin}) == 403


def test_own_and_allowed_origins_pass() -> None:
    """The server's own pages, and those of ``cors_origins``."""
    assert status_of({"host": HOST, "origin": f"http://{HOST}"}) == 200
    assert status_of({"host": "LOCALHOST:1", "origin": "http://localhost:1"}) == 200
    assert status_of({"host": "[::1]:1", "origin": "http://[::1]:1"}) == 200
    allowed = ("http://Localhost:3000/",)
    assert status_of({"host": HOST, "origin": "http://localhost:3000"}, cors_origins=allowed) == 200


@pytest.mark.parametrize(
    ("host", "origin", "certificate"),
    [
        ("localhost", "http://localhost", None),
        ("localhost:80", "http://localhost", None),
        ("localhost", "http://localhost:80", None),
        ("localhost:443", "https://localhost", "cert.pem"),
    ],
)
def test_the_port_that_browsers_leave_out_does_not_count(
    host: str, origin: str, certificate: str | None
) -> None:
    """Port 80 is none over http, and 443 over https."""
    assert status_of({"host": host, "origin": origin}, ssl_certfile=certificate) == 200


@pytest.mark.parametrize("name", ["host", "origin", "authorization"])
def test_a_header_that_decides_comes_once(name: str) -> None:
    """Of two, one reader would see the first and another the last."""
    check_single([(b"accept", b"a"), (b"accept", b"b"), (name.encode(), b"a")])
    with pytest.raises(APIError, match=f"'{name}' was sent more than once") as caught:
        check_single([(name.encode(), b"a"), (name.encode(), b"a")])
    assert caught.value.status == 400


def test_headers_and_announced_bodies_have_limits() -> None:
    """At the limit they pass; the path counts as a header does."""
    access = Access(ServerConfig(max_header_bytes=1024, max_message_bytes=10))
    access.check_size(b"/" * 1010, [(b"a", b"b" * 9)])
    with pytest.raises(APIError, match="over 1024 bytes") as caught:
        access.check_size(b"/" * 1011, [(b"a", b"b" * 9)])
    assert caught.value.status == 431
    access.check_size(b"/", [(b"content-length", b"10")])
    with pytest.raises(APIError, match="over 10 bytes") as caught:
        access.check_size(b"/", [(b"content-length", b"11")])
    assert caught.value.status == 413


def test_a_full_server_says_when_to_come_back() -> None:
    """429, as the service words its limits."""
    access = Access(ServerConfig(max_connections=7))
    access.check_room(is_over_limit=False)
    with pytest.raises(APIError, match="7 connections") as caught:
        access.check_room(is_over_limit=True)
    assert (caught.value.code, caught.value.retry_after) == ("rate_limit_exceeded", 1.0)


def test_without_keys_each_bearer_is_its_own_owner() -> None:
    """No bearer is the owner ""; the key itself is not kept."""
    access = Access(ServerConfig())
    owners = [
        access.find_owner(headers)
        for headers in ({}, {"authorization": "Bearer a"}, {"authorization": "Bearer b"})
    ]
    assert owners[0] == ""
    assert len(set(owners)) == 3
    assert {len(owner) for owner in owners[1:]} == {64}


@pytest.mark.parametrize(
    "header",
    [None, "Bearer wrong", "Basic right", "Bearer ", "right", "Bearer right, right", "Bearer \xe9"],
)
def test_with_keys_others_are_unauthorized(header: str | None) -> None:
    """Missing, wrong and not a bearer are all 401."""
    access = Access(ServerConfig(api_keys=("other", "right")))
    headers = {} if header is None else {"authorization": header}
    with pytest.raises(AuthenticationError):
        access.find_owner(headers)
    assert access.find_owner({"authorization": "bearer right"})


def test_a_post_must_be_json() -> None:
    """What a form could send is a 415."""
    check_content_type({"content-type": "application/json; charset=utf-8"})
    for kind in ("text/plain", "", "application/jsonp"):
        with pytest.raises(APIError) as caught:
            check_content_type({"content-type": kind})
        assert caught.value.status == 415
