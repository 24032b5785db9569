"""One script, three transports: WebSocket, server-sent events and JSON bring the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from pyresponses_ws import Response, ResponseFunctionToolCall
from pyresponses_ws.errors import APIError, ResponseFailedError, ServerError
from pyresponses_ws.server.engines.base import Engine
from pyresponses_ws.testing import LocalServer
from tests.server.engines_for_tests import failing
from tests.support.three_transports import Json, Run, TurnOf, create_all, post_all, stream_all

MODEL = "gpt-6-astra"
TOOL: Json = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
SCHEMA: Json = {
    "type": "json_schema",
    "name": "place",
    "schema": TOOL["parameters"],
    "strict": True,
}


def says(text: str, /, **fields: Any) -> TurnOf:
    """A turn of its own."""
    return lambda past: {"model": MODEL, "input": text, **fields}


def goes_on(text: str, /, **fields: Any) -> TurnOf:
    """A turn that continues the one before."""
    return lambda past: {
        "model": MODEL,
        "input": text,
        "previous_response_id": past[-1] and past[-1].id,
        **fields,
    }


def answers_calls(past: Sequence[Response | None]) -> Json:
    """A turn that answers every call of the one before."""
    last = past[-1]
    assert last is not None
    outputs = [
        {"type": f"{item.type}_output", "call_id": item.call_id, "output": "14 °C"}
        for item in last.output
        if isinstance(item, ResponseFunctionToolCall) or item.type == "custom_tool_call"
    ]
    return {"model": MODEL, "input": outputs, "previous_response_id": last.id, "tools": [TOOL]}


def sends_back(past: Sequence[Response | None]) -> Json:
    """A turn whose input is the whole past, as it came."""
    items = [item for response in past if response for item in response.output]
    return {"model": MODEL, "input": [*items, {"role": "user", "content": "And now?"}]}


#: Conversations with the echo engine.
ECHO: dict[str, list[TurnOf]] = {
    "text": [says("größer 🙂 \u2028 and \x7f"), goes_on("more"), sends_back],
    "settings": [
        says(
            "hi",
            instructions="Be brief.",
            metadata={"a": "ü"},
            temperature=0.5,
            text={"verbosity": "low"},
            truncation="auto",
            user="me",
        )
    ],
    "a function tool": [
        says("What is the weather in Paris?", tools=[TOOL]),
        answers_calls,
        goes_on("Thanks."),
    ],
    "a custom tool": [says('run "ls -l"', tools=[{"type": "custom", "name": "run"}])],
    "a schema": [says("Paris", text={"format": SCHEMA}), says("a", text={"format": SCHEMA})],
    "an object": [says("Paris", text={"format": {"type": "json_object"}})],
    "cut": [
        says("one two three four", max_output_tokens=16),
        says("w " * 99, max_output_tokens=16),
    ],
    "compaction": [
        says("hello", context_management=[{"type": "compaction", "compact_threshold": 1000}]),
        says("w " * 9_000, context_management=[{"type": "compaction", "compact_threshold": 1000}]),
    ],
    "a trigger": [
        says("hello"),
        lambda past: {
            "model": MODEL,
            "input": [{"role": "user", "content": "x"}, {"type": "compaction_trigger"}],
        },
    ],
    "an empty answer": [lambda past: {"model": MODEL, "input": [{"role": "user", "content": ""}]}],
    "no model": [lambda past: {"input": "hi"}],
    "an unknown parent": [says("hi", previous_response_id="resp_unknown"), says("again")],
    "a parent that is not stored": [says("hi", store=False)],
    "a wrong kind": [
        says("hi", temperature="hot"),
        says("hi", tools="none"),
        says("hi", metadata=1),
    ],
    "a wrong value": [says("hi", temperature=9), says("hi", reasoning={"mode": None})],
    "an output without its call": [
        lambda past: {
            "model": MODEL,
            "input": [{"type": "function_call_output", "call_id": "call_no", "output": "x"}],
        }
    ],
    "a call without its output": [
        says("What is the weather in Paris?", tools=[TOOL]),
        goes_on("Never mind."),
    ],
    "an unknown reference": [
        lambda past: {"model": MODEL, "input": [{"type": "item_reference", "id": "msg_no"}]}
    ],
}

SCRIPT = """
rules:
  - when: {user: ^pieces$}
    reply:
      - reasoning: Let me see.
      - reasoning_content: Two and two.
      - text: 'It is 4 🙂 — "quoted"'
        chunk: 1
      - usage: {input_tokens: 12, output_tokens: 9, cached_tokens: 4, reasoning_tokens: 5}
  - when: {user: ^refusal$}
    reply:
      - text: No.
      - refusal: I would rather not.
  - when: {user: ^calls$}
    reply:
      - call: {name: get_weather, arguments: {city: Paris}}
      - call: {name: get_weather, arguments: '{"city": "Lo'}
      - call: {name: shell, arguments: ls -l, custom: true}
        chunk: 2
      - call: {name: lookup, namespace: crm, arguments: {id: 7}}
  - when: {user: ^items$}
    reply:
      - item: {type: web_search_call, status: completed, action: {type: search, query: news}}
      - item: {type: mcp_list_tools, server_label: m, tools: []}
      - item: {type: from_the_future, novelty: {deep: [1, 2.5, null, 12345678901234567890]}}
      - text: Nothing new.
  - when: {user: ^tokens$}
    reply: [{text: As far as}, {cut: max_output_tokens}]
  - when: {user: ^filter$}
    reply: [{text: As far as}, {cut: content_filter}]
  - when: {user: ^messages$}
    reply: [{cut: max_messages}]
  - when: {user: ^fail$}
    reply:
      - text: I was about to
      - fail: {code: server_error, message: The model fell over.}
  - when: {user: ^quota$}
    reply:
      - frame:
          type: error
          error: {type: insufficient_quota, code: insufficient_quota, message: Pay., param: null}
          sequence_number: 2
      - fail: {code: insufficient_quota, message: Pay.}
  - when: {user: ^unknown events$}
    reply:
      - frame: {type: keepalive, sequence_number: 2}
      - frame: {type: response.from_the_future, sequence_number: 3, data: {x: [null]}}
      - text: Still here.
  - when: {user: ^nothing but the end$}
    reply: [{text: The end.}]
    drop: [response.created, response.in_progress, response.output_item.added,
           response.content_part.added, response.output_text.delta, response.output_text.done,
           response.content_part.done, response.output_item.done]
  - when: {user: ^no deltas$}
    reply: [{reasoning: Hm.}, {text: The end.}, {call: {name: f, arguments: {a: 1}}}]
    drop: [response.output_text.delta, response.output_item.added, response.content_part.added,
           response.function_call_arguments.delta]
  - when: {user: ^twice$}
    reply: [{text: The end.}]
    duplicate: [response.created, response.output_item.done, response.completed]
  - when: {user: ^nested$}
    error:
      status: 429
      error: {type: rate_limit_error, code: rate_limit_exceeded, message: Slow down., param: null,
              headers: {retry-after: '1'}}
  - when: {user: ^overloaded$}
    error: {status: 503, error: {type: server_error, code: null, message: Busy., param: null}}
  - when: {user: ^status code$}
    error: {status_code: 429, headers: {retry-after: '7'},
            error: {type: usage_limit_reached, message: No more.}}
  - when: {user: ^detail$}
    error: {status: 400, error: {detail: 'Unsupported parameter: x'}}
  - when: {user: ^forbidden$}
    error: {status: 403, error: {type: permission_error, code: null, message: Not you.}}
  - when: {user: ^lost at once$}
    close: 1006
  - when: {user: ^lost$}
    reply: [{text: Roses are red}, {close: 1006}]
otherwise: error
"""
#: What the user says to the script, in the order in which it is said.
LINES = [
    *("pieces", "refusal", "calls", "items", "tokens", "filter", "messages", "fail", "quota"),
    *("unknown events", "nothing but the end", "no deltas", "twice", "nested", "overloaded"),
    *("status code", "detail", "forbidden", "no rule is for this"),
]
#: Connections that end in the middle of a turn.
LOST = ["lost at once", "lost"]

#: Where JSON, which has no events, tells by a failed Response what a stream tells by ``error``.
ERROR_EVENTS = {"quota"}
#: Where the service says ``response.failed`` alone over WebSocket, and ``error`` before it over
#: server-sent events: its number there is one higher.
FAILURES = {"fail"}


@contextmanager
def serve(engine: str | Engine) -> Iterator[str]:
    with LocalServer(engine=engine) as server:
        yield server.base_url


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """Serve the echo engine; return the base URL."""
    with serve("echo") as base_url:
        yield base_url


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the script above; return the base URL."""
    path = tmp_path_factory.mktemp("script") / "rules.yaml"
    path.write_text(SCRIPT, "utf-8")
    with serve(f"script:{path}") as base_url:
        yield base_url


def assert_streams_agree(websocket: Run, sse: Run) -> None:
    """Events, Responses and errors are equal, and went the way they should."""
    assert {o.transport for o in websocket.outcomes} == {"websocket"}
    assert {o.transport for o in sse.outcomes} == {"http"}
    assert sse.types() == websocket.types()
    assert sse.events() == websocket.events()
    assert sse.responses() == websocket.responses()
    assert sse.errors() == websocket.errors()
    assert sse.partials() == websocket.partials()


def assert_json_agrees(websocket: Run, json: Run) -> None:
    """Responses and errors are equal; JSON has no events."""
    assert json.responses() == websocket.responses()
    assert json.errors() == websocket.errors()


def assert_errors_tell_the_same(one: Run, other: Run) -> None:
    """Each turn raises, with the same code and the server's words, whatever the class."""
    for told, again in zip(one.outcomes, other.outcomes, strict=True):
        assert isinstance(told.error, APIError | ResponseFailedError)
        assert isinstance(again.error, APIError | ResponseFailedError)
        assert again.error.code == told.error.code
        assert message_of(again.error) == message_of(told.error)


def message_of(error: APIError | ResponseFailedError) -> str:
    """Return the server's words alone."""
    return str(error).partition(" (code ")[0].removeprefix("the response ended as failed: ")


@pytest.mark.parametrize("name", ECHO)
def test_the_echo_engine_answers_alike(echo: str, name: str) -> None:
    """Text, tools, formats, limits, compaction, and requests that are refused."""
    websocket = stream_all(echo, "websocket", ECHO[name])
    assert_streams_agree(websocket, stream_all(echo, "http", ECHO[name]))
    assert_json_agrees(websocket, post_all(echo, ECHO[name]))


@pytest.mark.parametrize("line", [line for line in LINES if line not in FAILURES])
def test_the_script_engine_answers_alike(script: str, line: str) -> None:
    """Every step, every ending, refusals in every shape, and events left out or repeated."""
    turns = [says(line)]
    websocket = stream_all(script, "websocket", turns)
    assert_streams_agree(websocket, stream_all(script, "http", turns))
    json = post_all(script, turns)
    if line in ERROR_EVENTS:
        assert_errors_tell_the_same(websocket, json)
    else:
        assert_json_agrees(websocket, json)


@pytest.mark.parametrize("line", LOST)
def test_a_lost_connection_is_told_alike(script: str, line: str) -> None:
    """The same class with the same partial answer; only a WebSocket has a close code."""
    websocket, sse = (stream_all(script, t, [says(line)]) for t in ("websocket", "http"))
    assert sse.types() == websocket.types()
    assert [type(o.error) for o in sse.outcomes] == [type(o.error) for o in websocket.outcomes]
    assert sse.partials() == websocket.partials()
    assert websocket.outcomes[0].error is not None


@pytest.mark.parametrize(
    "error",
    [ServerError("It broke.", code="server_error"), ValueError("a bug")],
    ids=["an APIError", "any exception"],
)
def test_an_engine_that_fails_fails_alike(error: Exception) -> None:
    """With the same code, words and partial answer; JSON is what the last event says."""
    turns = [says("hi"), says("again")]
    with serve(failing(error)) as base_url:
        websocket = stream_all(base_url, "websocket", turns)
        sse = stream_all(base_url, "http", turns)
        json = post_all(base_url, turns)
    assert_failures_agree(websocket, sse, json)


def test_a_script_that_fails_fails_alike(script: str) -> None:
    """The same for a failure that is asked for."""
    turns = [says(line) for line in FAILURES]
    websocket = stream_all(script, "websocket", turns)
    sse, json = stream_all(script, "http", turns), post_all(script, turns)
    assert_failures_agree(websocket, sse, json)


def assert_failures_agree(websocket: Run, sse: Run, json: Run) -> None:
    """Everything before the end is equal, and so is what the errors tell.

    The server leaves unfinished output out of a failed Response. A stream puts back what its
    events had brought; JSON has nothing to put back.
    """
    assert sse.types() == websocket.types()
    assert [types[-1] for types in websocket.types()] == ["response.failed"] * len(sse.types())
    assert sse.errors() == websocket.errors()
    texts = [[o.error.partial.text for o in run.outcomes if o.error] for run in (websocket, sse)]  # type: ignore[attr-defined]
    assert texts[0] == texts[1]
    assert json.errors() == websocket.errors()
    assert [fields for fields, _ in json.responses()] == websocket.told_last()


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_blocking_calls_and_streams_end_alike(script: str, transport: str) -> None:
    """``create`` returns and raises what a stream read to its end does."""
    turns = [says(line) for line in LINES]
    streams, calls = stream_all(script, transport, turns), create_all(script, transport, turns)
    assert calls.responses() == streams.responses()
    assert calls.errors() == streams.errors()
