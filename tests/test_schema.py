"""The marshmallow schema of wire objects."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import ValidationError

from pyresponses_ws.items import ResponseInputText, ResponseUsage

#: An unknown key, a null and a missing key: what a schema of its own would lose.
WIRE: dict[str, Any] = {"text": "Zürich", "type": "input_text", "x": None}


def test_it_reads_and_writes_as_the_codec_does() -> None:
    """Nothing is lost, nothing added; one object or many."""
    schema = ResponseInputText.schema()
    assert schema.load(WIRE) == ResponseInputText.from_dict(WIRE)
    assert schema.dump(schema.load(WIRE)) == WIRE
    many = ResponseInputText.schema(many=True)
    assert many.dump(many.load([WIRE, WIRE])) == [WIRE, WIRE]


def test_it_reads_and_writes_text() -> None:
    """marshmallow's own methods go the same way."""
    schema = ResponseUsage.schema()
    text = '{"total_tokens": 3, "input_tokens": 1}'
    assert schema.loads(text).total_tokens == 3
    assert schema.dumps(schema.loads(text)) == text


@pytest.mark.parametrize("data", [3, "text", [WIRE], None])
def test_what_is_no_object_is_a_validation_error(data: Any) -> None:
    """As of any schema; the sentence names the class."""
    with pytest.raises(ValidationError, match="ResponseInputText is made of an object"):
        ResponseInputText.schema().load(data)
