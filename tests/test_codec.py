"""Reading and writing JSON: two readers with one result, and errors that name the place."""

from __future__ import annotations

import enum
import json
import sys
from collections import UserDict
from collections.abc import Callable
from typing import Any

import pytest

from pyresponses_ws import codec
from pyresponses_ws.codec import (
    MAX_DEPTH,
    decode_item,
    decode_response,
    dumps,
    loads_json,
    loads_orjson,
    parse_event,
    parse_events,
)
from pyresponses_ws.errors import ProtocolError, UsageError
from pyresponses_ws.events import (
    Event,
    ResponseCreatedEvent,
    ResponseTextDeltaEvent,
    UnknownEvent,
)
from pyresponses_ws.items import (
    EasyInputMessage,
    Response,
    ResponseOutputMessage,
    ResponseOutputText,
    UnknownItem,
)
from tests.support.wire_strategies import AWKWARD, frames

Reader = Callable[[Any], Any]

DELTA = (
    '{"type":"response.output_text.delta","content_index":0,"delta":"hi","item_id":"msg_1",'
    '"logprobs":[],"obfuscation":"abc","output_index":0,"sequence_number":4}'
)


@pytest.fixture(params=[loads_json, loads_orjson], ids=["json", "orjson"])
def read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Choose the reader that parse_event uses."""
    monkeypatch.setattr(codec, "loads", request.param)
    return request.param


def outcome(reader: Reader, text: Any) -> str:
    """Return what a reader makes of a text, so that 1, 1.0, True, 0.0 and -0.0 all differ."""
    try:
        return repr(reader(text))
    except ProtocolError:
        return "ProtocolError"


def test_both_readers_agree_on_ten_thousand_frames() -> None:
    """Surrogates, huge integers, nesting, equal keys, odd floats: one result, or one error."""
    refused = 0
    for text in frames(10_000, seed=1):
        result = outcome(loads_json, text)
        assert outcome(loads_orjson, text) == result
        refused += result == "ProtocolError"
    assert 200 < refused < 2_000


@pytest.mark.parametrize("text", AWKWARD, ids=lambda text: text[:20])
def test_both_readers_agree_on_a_bare_value(text: str) -> None:
    """Each awkward value by itself, in an array, and as bytes."""
    for source in (text, f"[{text}]", f'{{"a":{{"b":{text}}}}}'):
        assert outcome(loads_json, source) == outcome(loads_orjson, source)
        raw = source.encode("utf-8", "surrogatepass")
        assert outcome(loads_json, raw) == outcome(loads_orjson, raw)


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 10**40, -(10**25)])
def test_huge_integers_keep_their_digits(read: Reader, number: int) -> None:
    """An integer is never made a float, wherever it stands."""
    wire = {"type": "x", "n": number, "deep": [{"n": number}]}
    event = parse_event(json.dumps(wire))
    assert event.to_dict() == wire
    assert type(event.n) is int


def test_half_a_character_is_kept(read: Reader) -> None:
    """An emoji that was split over two deltas comes as two lone surrogates."""
    first = parse_event('{"type":"response.output_text.delta","delta":"\\ud83d"}')
    second = parse_event('{"type":"response.output_text.delta","delta":"\\ude00"}')
    whole = (first.delta + second.delta).encode("utf-16", "surrogatepass").decode("utf-16")
    assert whole == "😀"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "nonsense", '{"type":NaN}', '{"a":Infinity}', '{"type":"x"} trailing'),
        *('{"type":"x","a":NaN}', '{"type":"x","a":[-Infinity]}', '{"type":"x","a":Infinity}'),
        *("[]", "null", "3", '"text"'),
        *("{}", '{"type":null}', '{"type":3}', '{"type":["a"]}', '{"type":{}}'),
    ],
)
def test_what_is_no_event_is_a_protocol_error(read: Reader, text: str) -> None:
    """Text and bytes that are no JSON object with a string as type."""
    for source in (text, text.encode()):
        with pytest.raises(ProtocolError):
            parse_event(source)


@pytest.mark.parametrize(
    "raw", [b'{"type":"\xff"}', b"\xef\xbb\xbf{}", '{"type":"x"}'.encode("utf-16")]
)
def test_bytes_must_be_utf8(read: Reader, raw: bytes) -> None:
    """Bad UTF-8, a byte order mark, and other encodings are refused."""
    with pytest.raises(ProtocolError):
        parse_event(raw)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_too_much_nesting_is_a_protocol_error(read: Reader, opening: str) -> None:
    """Both readers stop at the same level, and none lets a RecursionError out."""
    closing = "]" if opening == "[" else "}"
    for depth in (MAX_DEPTH - 1, MAX_DEPTH, 2_000, 200_000):
        text = f'{{"type":"x","deep":{opening * depth}1{closing * depth}}}'
        if depth < MAX_DEPTH:
            assert parse_event(text).type == "x"
        else:
            with pytest.raises(ProtocolError):
                parse_event(text)


def test_the_error_shows_the_start_of_the_text(read: Reader) -> None:
    """Not all of it: it may be megabytes."""
    with pytest.raises(ProtocolError, match="not valid JSON") as caught:
        parse_event("oops " * 1_000)
    assert caught.value.text.startswith("oops oops")
    assert len(caught.value.text) < 300


def test_an_event_is_typed(read: Reader) -> None:
    """The class, its fields, and nothing else."""
    event = parse_event(DELTA)
    assert type(event) is ResponseTextDeltaEvent
    assert (event.delta, event.output_index, event.stream_id) == ("hi", 0, None)
    assert dumps(event).decode() == DELTA


def test_nested_objects_are_typed(read: Reader) -> None:
    """A response, its output, the parts of it."""
    part = {"type": "output_text", "text": "hi", "annotations": []}
    item = {"type": "message", "role": "assistant", "content": [part], "extra": 1}
    event = parse_event(
        json.dumps({"type": "response.created", "response": {"id": "r", "output": [item]}})
    )
    assert isinstance(event, ResponseCreatedEvent)
    message = event.response.output[0]
    assert isinstance(message, ResponseOutputMessage)
    assert isinstance(message.content[0], ResponseOutputText)
    assert event.response.output_text == "hi"


@pytest.mark.parametrize("value", [None, 7, "text", [], [1, "a", None], {}, {"output": 3}, True])
def test_values_of_the_wrong_kind_stay_plain(read: Reader, value: Any) -> None:
    """Nothing that a server may put where an object belongs raises."""
    for key in ("response", "item", "part", "error", "steer", "required_input", "logprobs"):
        for kind in ("response.completed", "response.output_item.done", "error", "keepalive"):
            wire = {"type": kind, key: value}
            assert parse_event(json.dumps(wire)).to_dict() == wire


def test_a_nested_type_that_is_unknown_or_no_string_stays(read: Reader) -> None:
    """Items become UnknownItem; parts and tools stay dicts."""
    odd = [{"type": "new"}, {"type": ["x"]}, {"type": None}, {}]
    wire = {"type": "response.created", "response": {"output": odd, "tools": odd}}
    response = parse_event(json.dumps(wire)).response
    assert [type(item) for item in response.output] == [UnknownItem] * 4
    assert response.tools == odd


def test_a_dict_is_copied() -> None:
    """The caller's object is neither changed nor kept."""
    wire: dict[str, Any] = {"type": "response.created", "response": {"output": []}}
    event = parse_event(wire)
    event.response.output.append(1)
    assert wire == {"type": "response.created", "response": {"output": []}}
    assert type(parse_event(UserDict(wire))) is ResponseCreatedEvent


def test_an_object_that_contains_itself_is_a_protocol_error() -> None:
    """Instead of a RecursionError."""
    wire: dict[str, Any] = {"type": "x"}
    wire["self"] = wire
    with pytest.raises(ProtocolError):
        parse_event(wire)


@pytest.mark.parametrize("source", [None, 3, ["type"], object()])
def test_other_sources_are_a_protocol_error(source: Any) -> None:
    """Only text, bytes and mappings make an event."""
    with pytest.raises(ProtocolError):
        parse_event(source)


def test_unknown_types_are_not_remembered() -> None:
    """A server cannot fill the memory by making up types."""
    before = len(codec._known)
    events = [parse_event({"type": f"made.up.{n}"}) for n in range(50)]
    assert all(type(event) is UnknownEvent for event in events)
    assert len(codec._known) == before


def test_messages_are_told_apart_by_who_speaks() -> None:
    """With or without a type; an assistant's may be input too."""
    wires: list[dict[str, Any]] = [
        {"role": "user", "content": "hi"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": ""}]},
        {"role": "assistant", "content": "hello"},
        {"role": "assistant", "content": [{"type": "input_text", "text": ""}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text"}]},
        {"type": "message", "role": "assistant"},
    ]
    kinds = [type(decode_item(wire)) for wire in wires]
    assert kinds == [EasyInputMessage] * 4 + [ResponseOutputMessage] * 2


def test_decoding_takes_the_dict_over() -> None:
    """No copy is made where the caller owns the object."""
    wire: dict[str, Any] = {"id": "resp_1", "output": []}
    assert decode_response(wire).__dict__ is wire


# ---------------------------------------------------------------- writing


def test_writing_is_compact_utf8() -> None:
    """No spaces, no escapes that are not needed."""
    assert (
        dumps({"a": ["é🙂", None, True, 1.5], "b": {}})
        == '{"a":["é🙂",null,true,1.5],"b":{}}'.encode()
    )


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Dumps:
    """Like a pydantic model."""

    def model_dump(self, **options: Any) -> dict[str, Any]:
        return {"type": "function_call_output", "nested": ToDict()}


class PlainDumps:
    """With a model_dump of its own that takes no options."""

    def model_dump(self) -> dict[str, Any]:
        return {"own": True}


class ToDict:
    def to_dict(self) -> dict[str, Any]:
        return {"items": (EasyInputMessage(role="user", content="hi"), Colour.RED, Level.HIGH)}


def test_objects_of_other_kinds_are_written() -> None:
    """Our objects, pydantic's, anything with to_dict, tuples, mappings, enumerations."""
    message = {"type": "message", "role": "user", "content": "hi"}
    items = {"items": [message, "red", 3]}
    assert json.loads(dumps([Dumps(), ToDict(), PlainDumps(), UserDict(a=1)])) == [
        {"type": "function_call_output", "nested": items},
        items,
        {"own": True},
        {"a": 1},
    ]


def test_official_objects_leave_out_what_was_not_set() -> None:
    """A null that nobody wrote would be refused by the service."""
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputText

    call = ResponseFunctionToolCall.model_validate(
        {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}", "async": True}
    )
    part = ResponseOutputText(type="output_text", text="hi", annotations=[])
    assert json.loads(dumps({"input": [call, part]}))["input"] == [
        {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}", "async": True},
        {"type": "output_text", "text": "hi", "annotations": []},
    ]


def test_official_objects_leave_out_what_is_not_for_the_wire() -> None:
    """The parsed arguments that the official package adds to a call are its own."""
    from openai.types.responses.parsed_response import ParsedResponseFunctionToolCall

    wire = {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"}
    call = ParsedResponseFunctionToolCall.model_validate({**wire, "parsed_arguments": {"a": 1}})
    assert json.loads(dumps([call])) == [wire]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"input": [1, 2, {"content": float("nan")}]}, r"input\[2\]\.content"),
        ({"input": [{"content": float("inf")}]}, r"input\[0\]\.content"),
        ({"input": ["\ud83d"]}, r"input\[0\]"),
        ({"metadata": {"\ud83d": 1}}, "metadata"),
        ({"metadata": {3: "x"}}, r"metadata\.3"),
        ({"tools": [{"parameters": {"x": {1, 2}}}]}, r"tools\[0\]\.parameters\.x"),
        ({"input": b"bytes"}, "input"),
        ({"input": object()}, "input"),
        ({"input": EasyInputMessage(role="user", content=float("nan"))}, r"input\.content"),  # type: ignore[arg-type]
        (float("nan"), "the value"),
    ],
)
def test_what_has_no_json_is_named(value: Any, place: str) -> None:
    """The error says where, and the caller learns it before anything is sent."""
    with pytest.raises(UsageError, match=rf"^{place}.* cannot be sent as JSON"):
        dumps(value)


def test_a_circle_is_a_usage_error() -> None:
    """And so is nesting that the other side could not read."""
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(UsageError, match="contains itself"):
        dumps({"input": circle})


def test_both_writers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written reads the same, integers beyond 64 bits included."""
    value = {"a": [2**70, -0.0, 1e22, "é\u2028\x7f\x00"], "b": {"": []}}
    fast = dumps(value)
    monkeypatch.setattr(codec, "_orjson", None)
    assert repr(loads_json(dumps(value))) == repr(loads_json(fast)) == repr(value)


def test_without_orjson_the_standard_library_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional: an import that fails chooses the other reader."""
    monkeypatch.setitem(sys.modules, "orjson", None)
    assert codec._import_orjson() is None


def test_a_response_without_messages_has_no_text() -> None:
    """output_text is empty, whatever ``output`` is."""
    for output in (None, [], [{"type": "reasoning", "summary": []}], [3], [{"type": "message"}]):
        assert Response.from_dict({"output": output}).output_text == ""
    assert Response.from_dict({}).output_text == ""


def test_subclasses_are_events() -> None:
    """Whatever comes, the caller gets an Event."""
    assert isinstance(parse_event(DELTA), Event)
    assert isinstance(parse_event({"type": "codex.rate_limits"}), UnknownEvent)


def test_a_batch_reads_as_its_events_alone() -> None:
    """Reading many at once is a short cut, and nothing else."""
    texts = [DELTA, '{"type":"codex.rate_limits"}', '{"type":"error","error":{}}', DELTA]
    events: list[Event] = []
    parse_events(texts, events)
    assert events == [parse_event(text) for text in texts]
    assert [type(event) for event in events] == [type(parse_event(text)) for text in texts]


def test_a_batch_keeps_what_stood_before_a_fault() -> None:
    """Events that came whole are the caller's, whatever came after them."""
    events: list[Event] = []
    with pytest.raises(ProtocolError):
        parse_events([DELTA, DELTA, "[]", DELTA], events)
    assert events == [parse_event(DELTA)] * 2
