"""openai-agents: its WebSocket model, with a function tool."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, TypeVar

import pytest
from pydantic import BaseModel

from tests.real.clients.recorder import Recorder
from tests.support import turns

pytestmark = pytest.mark.real

T = TypeVar("T")
#: Seconds for all runs of a test.
PATIENCE = 50.0
ANSWER = "get_weather returned: 14 °C in Paris"


class City(BaseModel):
    """What a text is parsed to."""

    name: str
    inhabitants: int


def make_agent(agents: ModuleType, **options: Any) -> Any:
    """Make an agent with one function tool; nothing that it says is stored."""

    def get_weather(city: str) -> str:
        """Tell the current weather of a city."""
        return f"14 °C in {city}"

    settings = agents.ModelSettings(store=False, **options)
    tool = agents.function_tool(get_weather)
    return agents.Agent(name="Reporter", model=turns.MODEL, model_settings=settings, tools=[tool])


def converse(agents: ModuleType, base_url: str, work: Callable[[Any], Awaitable[T]]) -> T:
    """Do ``work`` with a session, which keeps one WebSocket for all its runs."""

    async def main() -> T:
        async with agents.responses_websocket_session(api_key="test", base_url=base_url) as session:
            return await asyncio.wait_for(work(session), PATIENCE)

    return asyncio.run(main())


def kinds_of_input(commands: list[dict[str, Any]]) -> list[list[str]]:
    """Return the types of the items of each create."""
    return [[item.get("type", "message") for item in one["input"]] for one in commands]


def test_text(agents: ModuleType, recorder: Recorder) -> None:
    """One run, one create, one answer."""
    agent = make_agent(agents)
    result = converse(agents, recorder.base_url, lambda session: session.run(agent, "Hello"))
    assert result.final_output == "You said: Hello"
    assert len(recorder.commands) == 1
    assert recorder.commands[0]["stream"] is True


def test_run_with_a_tool(agents: ModuleType, recorder: Recorder) -> None:
    """The tool runs between two creates over one socket; the second repeats the context."""
    agent = make_agent(agents)
    result = converse(agents, recorder.base_url, lambda session: session.run(agent, turns.QUESTION))
    assert result.final_output == ANSWER
    assert kinds_of_input(recorder.commands) == [
        ["message"],
        ["message", "function_call", "function_call_output"],
    ]
    assert recorder.connections == 1


def test_streamed_run_with_a_tool(agents: ModuleType, recorder: Recorder) -> None:
    """The deltas that it hands out are the answer."""
    agent = make_agent(agents)

    async def work(session: Any) -> tuple[str, str]:
        result = session.run_streamed(agent, turns.QUESTION)
        raw = [event.data async for event in result.stream_events() if hasattr(event, "data")]
        text = "".join(event.delta for event in raw if event.type == "response.output_text.delta")
        return text, result.final_output

    assert converse(agents, recorder.base_url, work) == (ANSWER, ANSWER)
    assert len(recorder.commands) == 2


@pytest.mark.parametrize("is_streamed", [False, True])
def test_previous_response_id_by_itself(
    agents: ModuleType, recorder: Recorder, is_streamed: bool
) -> None:
    """With it the second create holds the output of the tool alone, and nothing is stored."""
    agent = make_agent(agents)

    async def work(session: Any) -> Any:
        if not is_streamed:
            return await session.run(agent, turns.QUESTION, auto_previous_response_id=True)
        result = session.run_streamed(agent, turns.QUESTION, auto_previous_response_id=True)
        assert [event async for event in result.stream_events()]
        return result

    result = converse(agents, recorder.base_url, work)
    assert result.final_output == ANSWER
    assert kinds_of_input(recorder.commands) == [["message"], ["function_call_output"]]
    first, second = result.raw_responses
    assert recorder.commands[1]["previous_response_id"] == first.response_id
    # The server counts the whole context, which it remembered.
    assert second.usage.input_tokens > first.usage.input_tokens


def test_several_runs_continue_one_another(agents: ModuleType, recorder: Recorder) -> None:
    """Each run sends its own words; what it leaves out the server still knows."""
    agent = make_agent(agents)

    async def work(session: Any) -> list[Any]:
        results = [await session.run(agent, turns.QUESTION, auto_previous_response_id=True)]
        for words in ("Thank you.", "Goodbye."):
            last = results[-1].last_response_id
            results.append(await session.run(agent, words, previous_response_id=last))
        return results

    results = converse(agents, recorder.base_url, work)
    outputs = [result.final_output for result in results]
    assert outputs == [ANSWER, "You said: Thank you.", "You said: Goodbye."]
    kinds = [["message"], ["function_call_output"], ["message"], ["message"]]
    assert kinds_of_input(recorder.commands) == kinds
    tokens = [one.usage.input_tokens for result in results for one in result.raw_responses]
    assert tokens == sorted(set(tokens))
    assert recorder.connections == 1


def test_unknown_previous_id(agents: ModuleType, base_url: str) -> None:
    """The library's own error holds the frame; the session's next run works."""
    agent = make_agent(agents)
    error_class = agents.models.openai_responses.ResponsesWebSocketError

    async def work(session: Any) -> tuple[Any, str]:
        with pytest.raises(error_class) as caught:
            await session.run(agent, "Hello", previous_response_id="resp_none")
        return caught.value, (await session.run(agent, "Hello")).final_output

    error, answer = converse(agents, base_url, work)
    assert (error.code, error.payload["status"]) == ("previous_response_not_found", 400)
    assert answer == "You said: Hello"


def test_warm_up(agents: ModuleType, recorder: Recorder) -> None:
    """A model call with ``generate: false`` says nothing; the next run continues it."""
    warm_agent = make_agent(agents, extra_body={"generate": False})
    agent = make_agent(agents)

    async def work(session: Any) -> tuple[Any, str]:
        warm = await session.run(warm_agent, turns.QUESTION, max_turns=1)
        more = await session.run(agent, [], previous_response_id=warm.last_response_id)
        return warm, more.final_output

    warm, answer = converse(agents, recorder.base_url, work)
    assert warm.raw_responses[0].output == []
    assert answer == ANSWER


def test_output_is_parsed_to_a_model(agents: ModuleType, base_url: str) -> None:
    """The agent's output type travels as a schema, and the answer becomes an object of it."""
    agent = agents.Agent(name="Clerk", model=turns.MODEL, output_type=City)
    words = '"Paris" has 2102650 inhabitants.'
    result = converse(agents, base_url, lambda session: session.run(agent, words))
    assert result.final_output == City(name="Paris", inhabitants=2102650)
