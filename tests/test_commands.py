"""What a client says: built by hand, and read by a server."""

from __future__ import annotations

from pyresponses_ws.codec import decode_command, dumps, loads
from pyresponses_ws.commands import COMMANDS, ResponseCreate, ResponseInject, ResponseSteer
from pyresponses_ws.items import (
    EasyInputMessage,
    FunctionCallOutput,
    FunctionTool,
    Reasoning,
    ToolChoiceFunction,
)


def test_a_create_holds_what_was_given() -> None:
    """Flat, the type first, nothing that was not given: a null would be refused."""
    create = ResponseCreate(model="gpt-6-astra", input="hi", reasoning=Reasoning(effort="low"))
    assert dumps(create) == (
        b'{"type":"response.create","model":"gpt-6-astra","input":"hi",'
        b'"reasoning":{"effort":"low"}}'
    )


def test_a_create_carries_every_kind_of_input() -> None:
    """Our items and plain dicts, side by side."""
    message = {"role": "user", "content": "hi"}
    output = FunctionCallOutput(call_id="call_1", output="{}")
    create = ResponseCreate(model="m", input=[message, output])  # type: ignore[list-item]
    assert create.to_dict()["input"] == [message, output.to_dict()]


def test_a_server_reads_a_create() -> None:
    """Input, tools and choices are typed; unknown settings are kept."""
    wire = {
        "type": "response.create",
        "input": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "name": "f"}],
        "tool_choice": {"type": "function", "name": "f"},
        "brand_new": {"x": 1},
    }
    create = decode_command(loads(dumps(wire)))
    assert isinstance(create, ResponseCreate)
    assert isinstance(create.input, list)
    assert isinstance(create.input[0], EasyInputMessage)
    assert create.tools == [FunctionTool(name="f")]
    assert create.tool_choice == ToolChoiceFunction(name="f")
    assert create.to_dict() == wire


def test_a_steer_names_its_target_only() -> None:
    """Three keys; the lane is that of the target."""
    steer = ResponseSteer(previous_response_id="resp_1", input="Shorter.")
    assert steer.to_dict() == {
        "type": "response.steer",
        "previous_response_id": "resp_1",
        "input": "Shorter.",
    }
    assert decode_command(steer.to_dict()) == steer


def test_an_injection_carries_tool_outputs() -> None:
    """The beta's command."""
    inject = ResponseInject(
        response_id="resp_1", input=[FunctionCallOutput(call_id="call_1", output="{}")]
    )
    assert decode_command(inject.to_dict()) == inject


def test_other_commands_stay_dicts() -> None:
    """Old and foreign ones are the server's to refuse."""
    assert COMMANDS.tags == {"response.create", "response.steer", "response.inject"}
    assert decode_command({"type": "response.cancel"}) == {"type": "response.cancel"}
