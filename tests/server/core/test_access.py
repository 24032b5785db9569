"""Who may talk to the server."""

from __future__ import annotations

import pytest

from pyresponses_ws.errors import APIError, AuthenticationError
from pyresponses_ws.server.config import ServerConfig
from pyresponses_ws.server.core.access import Access, check_content_type

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


@pytest.mark.parametrize("host", ["", "example.com", "example.com:80", "127.0.0.1.evil.com"])
def test_a_foreign_host_is_misdirected(host: str) -> None:
    """A name that a page rebound to loopback gets a 421."""
    assert status_of({"host": host}) == 421
    assert status_of({}) == 421


def test_an_allowed_host_passes() -> None:
    """``allowed_hosts`` adds names."""
    assert status_of({"host": "box.lan:80"}, allowed_hosts=("box.lan",)) == 200


@pytest.mark.parametrize(
    "origin", ["null", "http://example.com", "http://localhost:3000", f"https://{HOST}", ""]
)
def test_a_foreign_origin_is_forbidden(origin: str) -> None:
    """Another port or scheme is another origin; a sandboxed page sends null."""
    assert status_of({"host": HOST, "origin": origin}) == 403


def test_own_and_allowed_origins_pass() -> None:
    """The server's own pages, and those of ``cors_origins``."""
    assert status_of({"host": HOST, "origin": f"http://{HOST}"}) == 200
    allowed = ("http://localhost:3000",)
    assert status_of({"host": HOST, "origin": allowed[0]}, cors_origins=allowed) == 200


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


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic right", "Bearer ", "right"])
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
