"""A request before it travels: its path, its query, and what is no id."""

from __future__ import annotations

import pytest

from pyresponses_ws._runtime.api_request import APIRequest, make_query, response_path
from pyresponses_ws.errors import ConfigError


@pytest.mark.parametrize(
    ("response_id", "path"),
    [
        ("resp_0a1", "/resp_0a1"),
        ("a b?c#d%e", "/a%20b%3Fc%23d%25e"),
        ("größe", "/gr%C3%B6%C3%9Fe"),
        ("..a", "/..a"),
    ],
)
def test_an_id_is_one_segment_of_the_path(response_id: str, path: str) -> None:
    """Whatever it holds, it stays where it was put."""
    assert response_path(response_id) == path


@pytest.mark.parametrize("response_id", ["", "  ", "a/b", "/", ".", "..", "\ud83d", None, 7, b"x"])
def test_what_is_no_id_is_named(response_id: object) -> None:
    """Empty, a path of its own, half of a character, or no text: nothing is sent."""
    with pytest.raises(ConfigError, match="response_id"):
        response_path(response_id)


def test_a_query_holds_what_is_given() -> None:
    """None means "not given"; lists are in brackets, as the official package writes them."""
    query = make_query(include=["a", "b"], after=None, limit=5, stream=True, order="asc")
    assert query == [
        *(("include[]", "a"), ("include[]", "b")),
        *(("limit", "5"), ("stream", "true"), ("order", "asc")),
    ]


def test_a_text_is_no_list() -> None:
    """Its letters would be asked for one by one."""
    with pytest.raises(ConfigError, match="include must be a list"):
        make_query(include="reasoning.encrypted_content")


@pytest.mark.parametrize(
    ("method", "is_idempotent"), [("GET", True), ("DELETE", True), ("POST", False)]
)
def test_a_post_is_not_idempotent(method: str, is_idempotent: bool) -> None:
    """By the word of RFC 9110."""
    request = APIRequest(method=method, path="", body=b"secret")  # type: ignore[arg-type]
    assert request.is_idempotent is is_idempotent
    assert "secret" not in repr(request)
