"""The faults of docs/script.md, over a real socket, and what our client makes of them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from pyresponses_ws import ResponsesClient
from pyresponses_ws.errors import (
    APIError,
    BadRequestError,
    ConnectionLimitError,
    DeliveryUnknownError,
    ResponseFailedError,
    ResponseInterruptedError,
    ServerError,
    TransportError,
)
from pyresponses_ws.testing import LocalServer

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "script.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
CODES = (1000, 1001, 1006, 1008, 1011, 1012)


def page_rules() -> list[dict[str, Any]]:
    """Return the rules of all scripts of the page that wait for words of the user."""
    rules = [rule for block in BLOCKS for rule in yaml.safe_load(block)["rules"]]
    return [rule for rule in rules if "user" in rule.get("when", {})]


def close_rules() -> Iterator[dict[str, Any]]:
    """Yield two rules a close code: in the place of a turn, and in the middle of one."""
    for code in CODES:
        yield {"when": {"user": f"^instead {code}$"}, "close": code}
        reply = [{"text": "one two"}, {"close": {"code": code, "reason": "why"}}]
        yield {"when": {"user": f"^amid {code}$"}, "reply": reply}


def write_script(folder: Path, *rules: dict[str, Any], **top: Any) -> str:
    """Write a script; return the name of its engine."""
    path = folder / "script.yaml"
    path.write_text(yaml.safe_dump({"rules": list(rules), **top}), "utf-8")
    return f"script:{path}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """Serve all faults of the page."""
    engine = write_script(tmp_path_factory.mktemp("faults"), *close_rules(), *page_rules())
    with LocalServer(engine=engine) as running:
        yield running


@pytest.fixture
def ws(server: LocalServer) -> Iterator[ClientConnection]:
    """Open a WebSocket to the server of faults."""
    url = server.base_url.replace("http", "ws", 1) + "/responses"
    with connect(url, compression=None, ping_interval=None) as opened:
        yield opened


@pytest.fixture
def client(server: LocalServer) -> Iterator[ResponsesClient]:
    """Make a client of the server of faults."""
    with ResponsesClient(api_key="any", base_url=server.base_url) as made:
        yield made


def create(ws: ClientConnection, text: str, **fields: Any) -> None:
    """Ask for a turn."""
    ws.send(json.dumps({"type": "response.create", "model": "m", "input": text, **fields}))


def read(ws: ClientConnection, *ends: str) -> list[dict[str, Any]]:
    """Return the frames up to one of these types."""
    frames = [json.loads(ws.recv(timeout=10))]
    while frames[-1]["type"] not in ends:
        frames.append(json.loads(ws.recv(timeout=10)))
    return frames


def read_to_close(ws: ClientConnection) -> tuple[list[str], int, str]:
    """Return the types of the frames until the end, and its code and reason; 1006 is none."""
    types: list[str] = []
    try:
        while True:
            types.append(json.loads(ws.recv(timeout=10))["type"])
    except ConnectionClosed as exc:
        return types, *((exc.rcvd.code, exc.rcvd.reason) if exc.rcvd else (1006, ""))


def error_rule(text: str) -> dict[str, Any]:
    """Return the error frame of the page's rule for these words."""
    (frame,) = [rule["error"] for rule in page_rules() if rule["when"]["user"] == text]
    return {"type": "error", **frame}


# --- on the wire --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["rate limit", "flat", "status code", "detail"])
def test_an_error_comes_as_it_is_written(ws: ClientConnection, text: str) -> None:
    """Nested, flat or in dialect; on a lane it names the lane, and the socket stays open."""
    create(ws, text)
    assert read(ws, "error") == [error_rule(text)]
    create(ws, text, stream_id="l")
    assert read(ws, "error") == [{**error_rule(text), "stream_id": "l"}]
    create(ws, "hello")
    assert read(ws, "response.completed")


def test_an_error_about_no_lane_is_followed_by_its_close(ws: ClientConnection) -> None:
    """As at the age limit of the service."""
    create(ws, "too old", stream_id="l")
    (frame,) = read(ws, "error")
    assert "stream_id" not in frame
    assert frame["error"]["code"] == "websocket_connection_limit_reached"
    assert read_to_close(ws) == ([], 1000, "")


def test_an_error_amid_a_response_ends_nothing_by_itself(ws: ClientConnection) -> None:
    """The page's two: one after which nothing comes, and one that response.failed follows."""
    create(ws, "overloaded", stream_id="a")
    assert read(ws, "error")[-1]["sequence_number"] == 2
    create(ws, "quota", stream_id="b")
    *_, error, failed = read(ws, "response.failed")
    assert (error["type"], error["stream_id"]) == ("error", "b")
    assert failed["response"]["error"]["code"] == "insufficient_quota"


@pytest.mark.parametrize("code", CODES)
def test_a_close_takes_the_place_of_a_turn(ws: ClientConnection, code: int) -> None:
    """Nothing comes before it."""
    create(ws, f"instead {code}")
    assert read_to_close(ws) == ([], code, "")


@pytest.mark.parametrize("code", CODES)
def test_a_close_ends_the_connection_amid_a_turn(ws: ClientConnection, code: int) -> None:
    """After what was said before it; 1006 cuts without a close frame."""
    create(ws, f"amid {code}")
    types, seen, reason = read_to_close(ws)
    assert types[-2:] == ["response.output_text.delta"] * 2
    assert (seen, reason) == (code, "" if code == 1006 else "why")


def test_a_dropped_terminal_never_comes(ws: ClientConnection) -> None:
    """The turn ends all the same, and its lane goes on with the next."""
    create(ws, "no terminal")
    create(ws, "hello")
    types = [frame["type"] for frame in read(ws, "response.completed")]
    assert types.count("response.created") == 2
    assert types.count("response.completed") == 1


def test_silence_is_silence(ws: ClientConnection) -> None:
    """Not even ``response.created`` comes; other lanes answer."""
    create(ws, "silence", stream_id="a")
    create(ws, "hello", stream_id="b")
    assert {frame["stream_id"] for frame in read(ws, "response.completed")} == {"b"}


def test_twins_have_one_number(ws: ClientConnection) -> None:
    """Each delta comes twice in a row."""
    create(ws, "stutter")
    frames = read(ws, "response.completed")
    deltas = [frame for frame in frames if frame["type"] == "response.output_text.delta"]
    assert deltas[::2] == deltas[1::2]
    assert len(deltas) == 6


def test_arguments_may_be_broken(ws: ClientConnection) -> None:
    """All calls of a rule come, the namespace with the last."""
    create(ws, "tools")
    output = read(ws, "response.completed")[-1]["response"]["output"]
    assert output[0]["arguments"] == '{"city": "Par'
    assert (output[1]["type"], output[1]["input"]) == ("custom_tool_call", "ls -l")
    assert (output[2]["namespace"], output[2]["arguments"]) == ("crm", '{"id":7}')


def test_an_item_of_any_type_is_whole_at_once(ws: ClientConnection) -> None:
    """It gets an id of its type."""
    create(ws, "search")
    search, message = read(ws, "response.completed")[-1]["response"]["output"]
    assert search["id"].startswith("ws_")
    assert message["content"][0]["text"] == "Nothing new."


def test_a_refusal_and_a_long_answer(ws: ClientConnection) -> None:
    """What is repeated is one message."""
    create(ws, "refuse")
    (message,) = read(ws, "response.completed")[-1]["response"]["output"]
    assert message["content"] == [{"type": "refusal", "refusal": "I would rather not."}]
    create(ws, "long")
    (message,) = read(ws, "response.completed")[-1]["response"]["output"]
    assert message["content"][0]["text"] == "again " * 100


def test_no_rule_is_an_error_where_the_script_is_strict(tmp_path: Path) -> None:
    """The models are the script's; any other name is taken."""
    rule = {"when": {"user": "^known"}, "reply": "echo"}
    engine = write_script(tmp_path, rule, otherwise="error", models=["gpt-test"])
    with LocalServer(engine=engine) as strict:
        with ResponsesClient(api_key="any", base_url=strict.base_url) as client:
            assert client.create(model="other", input="known").output_text == "You said: known"
            with pytest.raises(BadRequestError, match="where the user said 'unknown thing'"):
                client.create(model="m", input="unknown thing")
        models = requests.get(f"{strict.base_url}/models", timeout=10).json()["data"]
    assert [model["id"] for model in models] == ["gpt-test"]


# --- over HTTP ----------------------------------------------------------------------------------


def post(server: LocalServer, text: str) -> requests.Response:
    """Ask over HTTP."""
    body = {"model": "m", "input": text}
    return requests.post(f"{server.base_url}/responses", json=body, timeout=10)


def test_an_error_is_the_reply_over_http(server: LocalServer) -> None:
    """Its status is the reply's."""
    reply = post(server, "rate limit")
    assert reply.status_code == 429
    assert reply.json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("text", ["instead 1012", "amid 1011"])
def test_a_close_cuts_the_reply_over_http(server: LocalServer, text: str) -> None:
    """Whatever its code."""
    with pytest.raises(requests.ConnectionError):
        post(server, text)


# --- our client ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [("detail", BadRequestError), ("too old", ConnectionLimitError), ("flat", ServerError)],
)
def test_the_client_reads_every_shape(
    client: ResponsesClient, text: str, kind: type[APIError]
) -> None:
    """Each is one family of errors; the next turn works."""
    with pytest.raises(kind):
        client.create(model="m", input=text)
    assert client.create(model="m", input="hello").output_text == "Hello to you."


@pytest.mark.parametrize("code", CODES)
def test_the_client_tells_a_loss_amid_a_stream(client: ResponsesClient, code: int) -> None:
    """With the close code, and with what had arrived."""
    with (
        pytest.raises(ResponseInterruptedError) as caught,
        client.stream(model="m", input=f"amid {code}") as stream,
    ):
        list(stream.text_deltas())
    assert (caught.value.close_code, caught.value.partial.text) == (code, "one two")


@pytest.mark.parametrize(("code", "kind"), [(1012, DeliveryUnknownError), (1008, TransportError)])
def test_the_client_gives_up_on_a_server_that_closes(
    server: LocalServer, code: int, kind: type[Exception]
) -> None:
    """After one replay where the code allows it, at once where it does not."""
    with (
        ResponsesClient("any", base_url=server.base_url, transport="websocket") as client,
        pytest.raises(kind) as caught,
    ):
        client.create(model="m", input=f"instead {code}")
    assert getattr(caught.value, "attempts", 0) == (2 if code == 1012 else 1)


def test_the_client_outlives_a_bad_service(tmp_path: Path) -> None:
    """The page's last script: a cut, two refusals, then the answer."""
    engine = write_script(tmp_path, *yaml.safe_load(BLOCKS[-1])["rules"])
    with (
        LocalServer(engine=engine) as bad,
        ResponsesClient(api_key="any", base_url=bad.base_url) as client,
    ):
        response = client.create(model="m", input="hi")
        assert response.output_text == "You said: hi"
        assert response.report.attempts == 4


def test_the_client_needs_no_deltas(client: ResponsesClient) -> None:
    """What was not announced is in the end."""
    assert client.create(model="m", input="no deltas").output_text == "Only the end counts."


def test_the_client_is_not_shifted_by_a_second_terminal(client: ResponsesClient) -> None:
    """Nor by an error that a failed response follows: the next answer is the next turn's."""
    assert client.create(model="m", input="twice").output_text == "You said: twice"
    assert client.create(model="m", input="hello").output_text == "Hello to you."
    with pytest.raises(APIError):
        client.create(model="m", input="quota")
    assert client.create(model="m", input="hello").output_text == "Hello to you."


def test_the_client_passes_strange_events_on(client: ResponsesClient) -> None:
    """With their fields."""
    with client.stream(model="m", input="strange") as stream:
        types = [event.type for event in stream]
    assert {"keepalive", "codex.rate_limits"} <= set(types)


def test_the_client_tells_a_cut_from_a_failure(client: ResponsesClient) -> None:
    """An incomplete response is returned, a failed one raised."""
    response = client.create(model="m", input="cut")
    assert (response.status, response.output_text) == ("incomplete", "This is as far as")
    with pytest.raises(ResponseFailedError) as caught:
        client.create(model="m", input="fail")
    assert (caught.value.code, caught.value.partial.text) == ("server_error", "I was about to")


def test_leaving_a_turn_that_hangs_frees_the_engine(client: ResponsesClient) -> None:
    """Its thread ends with the socket."""
    with client.stream(model="m", input="hang") as stream:
        assert next(stream.text_deltas()) == "Wait"
        turns = [t for t in threading.enumerate() if t.name.startswith("pyresponses-turn")]
        assert turns
    for thread in turns:
        thread.join(10)
    assert not any(thread.is_alive() for thread in turns)


def test_reasoning_and_usage_arrive(client: ResponsesClient) -> None:
    """As the script counts it, in pieces as long as it says."""
    with client.stream(model="m", input="think") as stream:
        pieces = list(stream.text_deltas())
        response = stream.get_final_response()
    assert pieces == ["It ", "is ", "fou", "r."]
    usage = response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (12, 9, 21)
    assert response.output[0].type == "reasoning"
