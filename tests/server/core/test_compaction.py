"""Compaction: what stays of a long context."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.server.core.compaction import (
    OpenCompaction,
    compact,
    compact_turn,
    count_tokens,
    expand,
    make_compacted,
    make_compaction,
    needs_compaction,
)
from pyresponses_ws.server.core.ids import Ids
from pyresponses_ws.server.core.kinds import Item
from tests.server.drivers import NOW, Wire, make_request, user

TRANSCRIPTS = Path(__file__).resolve().parents[2] / "data" / "transcripts"

SYSTEM = {"type": "message", "role": "developer", "content": "Be terse."}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ho"}]}
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "14"}
FOREIGN = {
    "type": "compaction",
    "id": "cmp_x",
    "encrypted_content": "gAAAAABnobody-can-read==",
}
TRIGGER = {"type": "compaction_trigger"}


def summary_of(item: Item) -> str:
    """Return what an engine reads of a compaction."""
    (message,) = expand([item])
    assert message["role"] == "developer"
    text: str = message["content"][0]["text"]
    return text.removeprefix("Summary of the conversation so far: ")


def manage(threshold: int | None) -> Any:
    """Make a request that is compacted from ``threshold`` tokens on."""
    return make_request(context_management=[{"type": "compaction", "compact_threshold": threshold}])


def test_what_users_and_developers_said_stays() -> None:
    """Word for word and in order; the rest becomes one item at the end."""
    window = compact([SYSTEM, user("hi"), SAID, CALL, OUTPUT, user("bye")], "cmp_1")
    assert window[:3] == (SYSTEM, user("hi"), user("bye"))
    (item,) = window[3:]
    assert list(item) == ["id", "type", "encrypted_content"]
    assert (item["id"], item["type"]) == ("cmp_1", "compaction")


def test_the_item_looks_encrypted_and_can_be_read_here() -> None:
    """Nothing of the conversation stands in it as text; engines get a summary."""
    item = compact([user("hi"), SAID, CALL, OUTPUT], "cmp_1")[-1]
    assert item["encrypted_content"].startswith("gAAAAA")
    assert "ho" not in item["encrypted_content"]
    assert summary_of(item) == "assistant: ho\ncalled f: {}\nreturned: 14"


def test_a_compaction_goes_into_the_next() -> None:
    """What was summarised before stays as it is."""
    first = compact([SAID], "cmp_1")[-1]
    second = compact([first, {**SAID, "content": "hey"}], "cmp_2")[-1]
    assert summary_of(second) == "assistant: ho\nassistant: hey"


def test_a_summary_stays_short() -> None:
    """Lines are cut, and the oldest go."""
    items = [{**SAID, "content": f"{number} " + "x" * 500} for number in range(1_000)]
    summary = summary_of(make_compaction(items, "cmp_1"))
    assert len(summary) <= 4_000
    assert "assistant: 999 x" in summary


@pytest.mark.parametrize(
    "content",
    [
        FOREIGN["encrypted_content"],
        "nothing of ours",
        "",
        "gAAAAA",
        "gAAAAA\u00e9\ud800",
        make_compaction([SAID], "c")["encrypted_content"][:-6],
    ],
)
def test_a_foreign_or_damaged_compaction_is_kept_unread(content: str) -> None:
    """It may mean something elsewhere; engines do not see it."""
    item = {**FOREIGN, "encrypted_content": content}
    assert compact([item, user("hi")], "cmp_1")[:2] == (item, user("hi"))
    assert compact_turn([item, user("hi")], "cmp_1")[1:] == (item,)
    assert expand([user("hi"), item]) == (user("hi"),)
    assert count_tokens([item]) == 1


@given(st.text() | st.binary().map(lambda data: "gAAAAA" + data.hex()))
def test_any_content_can_be_read_or_left(content: str) -> None:
    """No content gets an exception out of it."""
    assert len(expand([{**FOREIGN, "encrypted_content": content}])) <= 1


def test_open_calls_stay() -> None:
    """Their outputs would otherwise answer nothing."""
    assert CALL in compact([user("hi"), CALL], "cmp_1")
    assert compact_turn([user("hi"), CALL], "cmp_1")[1:] == (CALL,)
    assert CALL not in compact([user("hi"), CALL, OUTPUT], "cmp_1")


def test_a_compacted_turn_stands_for_everything() -> None:
    """A client may drop all that comes before the item, its own messages too."""
    (item,) = compact_turn([SYSTEM, user("hi"), SAID, TRIGGER], "cmp_1")
    assert summary_of(item) == "developer: Be terse.\nuser: hi\nassistant: ho"


def test_a_turn_compacts_from_its_threshold_on() -> None:
    """Without one it never does."""
    assert needs_compaction(manage(1_000), 1_000)
    assert not needs_compaction(manage(1_000), 999)
    assert not needs_compaction(manage(None), 10**9)
    assert not needs_compaction(make_request(), 10**9)


def test_a_threshold_waits_for_open_calls_and_a_trigger_does_not() -> None:
    """A client that drops what comes before the compaction would drop the call too."""
    assert not needs_compaction(manage(1_000), 10**9, [CALL])
    assert needs_compaction(manage(1_000), 10**9, [CALL, OUTPUT])
    assert needs_compaction(make_request(input=[user("hi"), TRIGGER]), 0, [CALL])


def test_engines_see_no_trigger() -> None:
    """It is meant for the server."""
    assert expand([user("hi"), TRIGGER]) == (user("hi"),)
    assert expand([make_compaction([], "cmp_1")]) == ()


def test_the_events_are_those_of_the_transcript() -> None:
    """Added, compacting, done; the item ends with another content than it began with."""
    lines = (TRANSCRIPTS / "19_compaction.jsonl").read_text().splitlines()
    frames = [json.loads(line).get("frame", {}) for line in lines]
    live = [frame for frame in frames if "cmp_" in str(frame.get("item", frame.get("item_id")))]
    compaction = OpenCompaction(make_compaction([SAID], "cmp_1"))
    ours = [*compaction.open(), *compaction.close("completed")]
    assert [event["type"] for event in ours] == [frame["type"] for frame in live]
    assert list(ours[0]["item"]) == list(live[0]["item"])
    assert ours[0]["item"] != ours[2]["item"] == compaction.item


def test_the_answer_of_the_route_is_a_window() -> None:
    """Every item has an id, messages have parts, and the usage counts what was read."""
    items = [user("hi"), SAID, user("bye")]
    answer = make_compacted(items, instructions="x" * 400, ids=Ids(random.Random(1)), now=NOW)
    assert (answer["object"], answer["created_at"]) == ("response.compaction", int(NOW))
    assert [item["type"] for item in answer["output"]] == ["message", "message", "compaction"]
    assert [item["id"][:4] for item in answer["output"]] == ["msg_", "msg_", "cmp_"]
    assert answer["output"][0]["content"] == [{"type": "input_text", "text": "hi"}]
    usage = answer["usage"]
    assert usage["input_tokens"] == count_tokens(items) + 100
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_what_a_compaction_keeps_counts_against_the_context() -> None:
    """Compactions of others cannot be put into a summary, so they cannot hide from the limit."""
    wire = Wire()
    foreign = {"type": "compaction", "encrypted_content": "x" * 10_000}
    trigger = {"type": "compaction_trigger"}
    response = wire.complete(input=[user("hi"), foreign, trigger])
    assert wire.service.find_stored("me", response["id"], NOW).size > 10_000
