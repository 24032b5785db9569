"""JSON in and out."""

from __future__ import annotations

import json

import pytest

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.core.wire import encode, parse_object
from tests.server.drivers import Wire


def test_text_is_compact_and_readable() -> None:
    """No spaces, no escapes of letters."""
    assert encode({"a": ["14 °C", None]}) == '{"a":["14 °C",null]}'


def test_half_a_surrogate_pair_survives() -> None:
    """A client may cut an emoji in two; the halves come back as escapes."""
    data = parse_object('{"a": "\\ud83d"}')
    text = encode(data)
    assert text.isascii()
    assert json.loads(text) == data


def test_nesting_at_the_limit_can_be_echoed() -> None:
    """What was deep enough to be read is written too, a few levels further down."""
    data = parse_object('{"a":' * 100 + "{}" + "}" * 100)
    value = {"response": {"tools": [data] * 2}}
    for _ in range(30):
        value = {"deeper": value}
    assert json.loads(encode(value)) == value


@pytest.mark.parametrize("text", ["", "nope", "[]", '"a"', "1", "null", '{"a": Infinity}', b"\xff"])
def test_anything_but_an_object_is_a_400(text: str | bytes) -> None:
    """Bad JSON, bad UTF-8 and other values are refused."""
    with pytest.raises(BadRequestError):
        parse_object(text)


@pytest.mark.parametrize(
    "field", ['"reasoning":{"x":1e400}', '"prompt":{"id":"x","q":-1e400}', '"text":{"x":1e400}']
)
def test_a_number_beyond_all_floats_is_no_json(field: str) -> None:
    """Python reads it as infinity, which could not be sent back."""
    (frame,) = Wire().send(f'{{"type":"response.create","model":"m","input":"hi",{field}}}')
    assert (frame["type"], frame["status"]) == ("error", 400)
