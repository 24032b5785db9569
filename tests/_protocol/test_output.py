"""The output of a response, put together from its events."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws._protocol.output import TAKE, Output
from pyresponses_ws.events import Event

from .wire import delta, event


def taken(*events: Event) -> Output:
    """Feed events to a fresh output."""
    output = Output()
    for each in events:
        TAKE[each.type](output, each)
    return output


def wire(output: Output) -> list[dict[str, Any]]:
    return [item.to_dict() for item in output.items()]


def added(item: Any, **place: Any) -> Any:
    return event("response.output_item.added", item=item, **{"output_index": 0, **place})


def done(item: Any, **place: Any) -> Any:
    return event("response.output_item.done", item=item, **{"output_index": 0, **place})


def at(type: str, **fields: Any) -> Any:
    """Make an event of the first part of the first item."""
    return event(type, **{"output_index": 0, "content_index": 0, "item_id": "i", **fields})


MESSAGE = {"id": "m", "type": "message", "status": "in_progress", "role": "assistant"}


def text_of(output: Output, part: int = 0) -> str:
    return str(wire(output)[0]["content"][part]["text"])


def test_deltas_without_any_set_up_make_the_item() -> None:
    """A WebSocket stream need not contain the set-up events."""
    output = taken(delta("Hel"), delta("lo"))
    assert wire(output) == [
        {
            "id": "msg_0",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [{"type": "output_text", "annotations": [], "text": "Hello"}],
        }
    ]


def test_deltas_go_on_where_the_set_up_began() -> None:
    """Item and part were announced, as they are live."""
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    output = taken(
        added({**MESSAGE, "content": []}),
        at("response.content_part.added", part=part),
        delta("a"),
        delta("b"),
    )
    assert wire(output) == [{**MESSAGE, "content": [{**part, "text": "ab"}]}]


@pytest.mark.parametrize(
    ("name", "whole", "item"),
    [
        ("function_call_arguments", "arguments", {"type": "function_call", "arguments": "ab"}),
        ("custom_tool_call_input", "input", {"type": "custom_tool_call", "input": "ab"}),
        ("mcp_call_arguments", "arguments", {"type": "mcp_call", "arguments": "ab"}),
        ("code_interpreter_call_code", "code", {"type": "code_interpreter_call", "code": "ab"}),
        (
            "apply_patch_call_operation_diff",
            "diff",
            {"type": "apply_patch_call", "operation": {"diff": "ab"}},
        ),
        (
            "shell_call_command",
            "command",
            {"type": "shell_call", "action": {"commands": ["ab"]}},
        ),
        (
            "reasoning_text",
            "text",
            {
                "type": "reasoning",
                "summary": [],
                "content": [{"type": "reasoning_text", "text": "ab"}],
            },
        ),
        (
            "reasoning_summary_text",
            "text",
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "ab"}]},
        ),
        (
            "refusal",
            "refusal",
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "refusal", "refusal": "ab"}],
            },
        ),
    ],
)
def test_every_text_grows_and_its_done_beats_the_deltas(
    name: str, whole: str, item: dict[str, Any]
) -> None:
    """With deltas only, with both, and with the ``done`` alone."""
    places = {"summary_index": 0, "command_index": 0}
    deltas = [at(f"response.{name}.delta", delta=piece, **places) for piece in "ab"]
    wrong = at(f"response.{name}.delta", delta="wrong", **places)
    end = at(f"response.{name}.done", **{whole: "ab"}, **places)
    head = {"id": "i", "type": item["type"], "status": "in_progress"}
    for events in (deltas, [wrong, end, wrong], [end, wrong, wrong]):
        assert wire(taken(*events)) == [{**head, **item}]


def test_a_done_that_holds_no_text_leaves_the_deltas() -> None:
    """Some servers send an empty ``done``."""
    assert text_of(taken(delta("a"), at("response.output_text.done"), delta("b"))) == "ab"


def test_a_finished_item_beats_everything() -> None:
    """It is kept as the object that came."""
    final = {"id": "other", "type": "message", "content": [{"type": "output_text", "text": "x"}]}
    end = done(final)
    output = taken(delta("a"), end, delta("b"), added(MESSAGE), at("response.output_text.done"))
    assert output.items()[0] is end.item
    assert output.finished() == output.items()
    assert output.unfinished() == []


def test_a_finished_part_beats_its_deltas_and_late_events() -> None:
    """The rest of the item goes on growing."""
    part = {"type": "output_text", "text": "done"}
    output = taken(
        delta("a"),
        at("response.content_part.done", part=part),
        delta("b"),
        at("response.output_text.done", text="late"),
        at("response.content_part.added", part={"type": "output_text", "text": ""}),
        delta("c", part=1),
    )
    assert (text_of(output), text_of(output, 1)) == ("done", "c")
    assert text_of(taken(at("response.content_part.done", part=part), delta("b"))) == "done"


def test_a_late_set_up_keeps_what_had_come() -> None:
    """The item gets its real name, the text stays and goes on."""
    part = {"type": "output_text", "annotations": [], "text": ""}
    output = taken(
        delta("a"),
        added({**MESSAGE, "content": [], "phase": "final_answer"}),
        delta("b"),
        at("response.content_part.added", part=part),
        delta("c"),
    )
    assert text_of(output) == "abc"
    assert (wire(output)[0]["id"], wire(output)[0]["phase"]) == ("m", "final_answer")


def test_items_are_told_apart_by_place_and_never_by_id() -> None:
    """GitHub's proxy gives an item another id in each event."""
    events = [at("response.output_text.delta", delta=c, item_id=f"rotated_{c}") for c in "abc"]
    output = taken(*events, delta("second", index=1))
    assert [item["content"][0]["text"] for item in wire(output)] == ["abc", "second"]


def test_items_come_in_the_order_of_their_index() -> None:
    """Not in that of arrival: hosted tools may run in parallel."""
    output = taken(delta("late", index=5), delta("early", index=2))
    assert [item["content"][0]["text"] for item in wire(output)] == ["early", "late"]


def test_without_an_index_events_belong_to_the_item_that_is_written() -> None:
    """Each finished item makes room for the next."""

    def loose(text: str) -> Any:
        return event("response.output_text.delta", delta=text)

    item = {"type": "message", "content": [{"type": "output_text", "text": "1"}]}
    output = taken(
        event("response.output_item.added", item=MESSAGE),
        loose("x"),
        event("response.output_item.done", item=item),
        loose("2"),
        loose("2"),
        event("response.output_item.added", item=MESSAGE),
        loose("3"),
    )
    assert [each["content"][0]["text"] for each in wire(output)] == ["1", "22", "3"]


def test_annotations_are_kept_in_place() -> None:
    """With their index or without, with a part or before it."""
    first, second = {"type": "file_path", "index": 1}, {"type": "file_path", "index": 2}
    kind = "response.output_text.annotation.added"
    output = taken(
        at(kind, annotation=second, annotation_index=1),
        at(kind, annotation=first, annotation_index=0),
        at(kind, annotation={"type": "file_path", "index": 3}),
        at(kind, annotation="nonsense"),
    )
    part = wire(output)[0]["content"][0]
    assert [each["index"] for each in part["annotations"]] == [1, 2, 3]
    assert (part["type"], part["text"]) == ("output_text", "")
    TAKE[kind](output, at(kind, annotation={"type": "file_path", "index": 4}))
    assert len(wire(output)[0]["content"][0]["annotations"]) == 4


def test_annotations_survive_the_part_that_comes_without_a_list() -> None:
    """A server may leave the list out."""
    part = {"type": "output_text", "text": "t"}
    annotation = {"type": "file_path", "index": 1}
    output = taken(
        at("response.content_part.added", part=part),
        at("response.output_text.annotation.added", annotation=annotation),
    )
    assert wire(output)[0]["content"] == [{**part, "annotations": [annotation]}]


def test_a_done_brings_log_probabilities_and_a_name() -> None:
    """Both are kept where the item does not have them."""
    logprobs = [{"token": "a", "logprob": -0.5}]
    text = taken(at("response.output_text.done", text="a", logprobs=logprobs))
    assert wire(text)[0]["content"][0]["logprobs"] == logprobs
    call = at("response.function_call_arguments.done", arguments="{}", name="look_up")
    assert wire(taken(call))[0]["name"] == "look_up"
    named = added({"type": "function_call", "name": "real"})
    assert wire(taken(named, call))[0]["name"] == "real"


def test_a_hosted_shell_writes_two_streams() -> None:
    """Standard output and error grow side by side, until the whole comes."""
    kind = "response.shell_call_output_content"
    whole = {"stdout": "ab", "stderr": "e", "outcome": {"type": "exit", "exit_code": 0}}
    events = [
        at(f"{kind}.delta", delta={"stdout": "a"}, command_index=0),
        at(f"{kind}.delta", delta={"stdout": "b", "stderr": "e"}, command_index=0),
        at(f"{kind}.delta", delta="nonsense", command_index=0),
    ]
    assert wire(taken(*events))[0]["output"] == [{"stdout": "ab", "stderr": "e"}]
    end = at(f"{kind}.done", output=[whole], command_index=0)
    assert wire(taken(*events, end, *events))[0]["output"] == [whole]
    assert wire(taken(*events, at(f"{kind}.done", output=None)))[0]["output"] != []


def test_commands_are_announced_one_by_one() -> None:
    """An announcement that comes late keeps what has grown."""
    kind = "response.shell_call_command"
    output = taken(
        at(f"{kind}.added", command="", command_index=0),
        at(f"{kind}.delta", delta="ls", command_index=0),
        at(f"{kind}.delta", delta="pwd", command_index=1),
        at(f"{kind}.added", command="", command_index=1),
    )
    assert wire(output)[0]["action"] == {"commands": ["ls", "pwd"]}


def test_summary_parts_have_places_of_their_own() -> None:
    """``summary_index`` counts them."""
    part = {"type": "summary_text", "text": ""}
    kind = "response.reasoning_summary_part"
    output = taken(
        added({"id": "r", "type": "reasoning", "summary": []}),
        at(f"{kind}.added", part=part, summary_index=0),
        at("response.reasoning_summary_text.delta", delta="one", summary_index=0),
        at(f"{kind}.done", part={**part, "text": "One."}, summary_index=0),
        at("response.reasoning_summary_text.delta", delta="two", summary_index=1),
    )
    assert [each["text"] for each in wire(output)[0]["summary"]] == ["One.", "two"]


def test_what_makes_no_sense_changes_nothing() -> None:
    """Items and parts that are no objects, deltas that are no text."""
    output = taken(
        added("text"),
        done(None),
        at("response.content_part.added", part=7),
    )
    assert not output.has_begun
    values: list[object] = ["a", None, 7, {}, "b"]
    deltas = [at("response.output_text.delta", delta=value) for value in values]
    assert text_of(taken(*deltas)) == "ab"
    places: list[object] = [{}, "0"]
    odd = [at("response.output_text.delta", delta="c", content_index=place) for place in places]
    assert text_of(taken(*deltas, *odd)) == "abcc"


def test_only_what_changed_is_built_anew() -> None:
    """Looking again costs nothing, and one that grows does not touch its neighbours."""
    output = taken(delta("a", index=0), delta("b", index=1))
    first = output.items()
    assert [new is old for new, old in zip(output.items(), first, strict=True)] == [True, True]
    more = delta("c", index=1)
    TAKE[more.type](output, more)
    second = output.items()
    assert (second[0] is first[0], second[1] is first[1]) == (True, False)
    assert first[1].to_dict()["content"][0]["text"] == "b"


def test_what_was_replaced_does_not_keep_an_item_stale() -> None:
    """The deltas of a part that is done count no more."""
    output = taken(delta("a"), at("response.content_part.done", part={"type": "output_text"}))
    assert output.items()[0] is output.items()[0]


def test_a_late_set_up_is_seen_by_the_next_look() -> None:
    """The item of the look before it is out of date."""
    output = taken(delta("a"))
    before = output.items()
    late = added({**MESSAGE, "phase": "commentary"})
    TAKE[late.type](output, late)
    assert (wire(output)[0]["phase"], before[0].phase) == ("commentary", None)


@pytest.mark.parametrize(
    "end",
    [
        at("response.output_text.done", text="x"),
        at("response.content_part.done", part={"type": "output_text", "text": "x"}),
        done({"type": "message"}),
    ],
)
def test_what_is_done_collects_nothing_more(end: Event) -> None:
    """Late deltas are dropped where they arrive, not kept for nobody."""
    output = taken(delta("a"), end)
    assert output.tails == {}
    for _ in range(3):
        late = delta("b")
        TAKE[late.type](output, late)
    assert [list(tail) for tail in output.tails.values()] == [[]]


def test_a_command_may_be_announced_and_never_written() -> None:
    """It is there, and empty."""
    output = taken(at("response.shell_call_command.added", command="", command_index=0))
    assert wire(output)[0]["action"] == {"commands": [""]}


def test_settling_ends_what_was_left_in_progress() -> None:
    """An item keeps the status that it was given otherwise."""
    searching = {"type": "web_search_call", "status": "searching"}
    output = taken(delta("a"), added(searching, output_index=1))
    assert [item.status for item in output.settle("incomplete")] == ["incomplete", "searching"]
