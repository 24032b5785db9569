"""What a type checker sees of the public names; mypy reads this, nobody runs it.

A name that is loaded lazily can turn into Any without anything failing: it did once.
"""

from __future__ import annotations

from typing_extensions import assert_type

from pyresponses_ws import (
    CompactedResponse,
    Connection,
    Lane,
    Response,
    ResponseItemList,
    ResponsesClient,
    ResponseStream,
    ResponseTextDeltaEvent,
    ResponseUsage,
    TurnError,
    TurnReport,
)
from pyresponses_ws.stored_stream import StoredStream


def turns(client: ResponsesClient) -> None:
    response = client.create(model="m", input="Hello")
    assert_type(response, Response)
    assert_type(response.output_text, str)
    assert_type(response.usage, ResponseUsage | None)
    assert_type(client.create(model="m", stream=True), ResponseStream)
    assert_type(client.responses.create(model="m"), Response)
    assert_type(client.responses.retrieve("resp_1"), Response)
    assert_type(client.responses.retrieve("resp_1", stream=True), StoredStream)
    assert_type(client.responses.compact(model="m"), CompactedResponse)
    assert_type(client.responses.input_items.list("resp_1").page, ResponseItemList)


def events(stream: ResponseStream) -> None:
    assert_type(stream.report, TurnReport)
    for event in stream:
        if isinstance(event, ResponseTextDeltaEvent):
            assert_type(event.delta, str)
            assert_type(event.stream_id, str | None)


def connections(connection: Connection) -> None:
    assert_type(connection.lane("a"), Lane)
    assert_type(connection.previous_response_id, str | None)


def errors(error: TurnError) -> None:
    assert_type(error.response_id, str | None)
