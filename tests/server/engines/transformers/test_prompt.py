"""A request as the messages and tools that chat templates take."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.engines.base import EngineRequest
from pyresponses_ws.server.engines.transformers.markup import Markup, find_markup
from pyresponses_ws.server.engines.transformers.prompt import Prompt, make_prompt

HERMES = find_markup(template="<tool_call>", tokens=())
SHORT = Markup(has_short_ids=True)
WEATHER = {"type": "function", "name": "weather"}
TIME = {"type": "function", "name": "time"}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
Item = dict[str, Any]


def prompt(
    *items: Item, markup: Markup = HERMES, accepts_images: bool = False, **facts: Any
) -> Prompt:
    """Return the prompt of a request with these items."""
    request = EngineRequest(model="m", items=items, **facts)
    return make_prompt(request, accepts_images=accepts_images, markup=markup)


def messages(*items: Item, **facts: Any) -> list[Item]:
    """Return the messages of a request with these items."""
    return prompt(*items, **facts).messages


def refuse(*items: Item, **facts: Any) -> BadRequestError:
    """Return the error of a request with these items."""
    with pytest.raises(BadRequestError) as caught:
        prompt(*items, **facts)
    assert caught.value.status == 400
    return caught.value


def say(role: str, content: Any) -> Item:
    """Make a message of the input; as a message of a prompt it looks the same without a type."""
    return {"type": "message", "role": role, "content": content}


def told(role: str, content: Any, **rest: Any) -> Item:
    """Make a message of a prompt."""
    return {"role": role, "content": content, **rest}


def call(name: str = "weather", arguments: str = '{"city": "Rome"}', **rest: Any) -> Item:
    """Make a call as an earlier response had it."""
    return {"type": "function_call", "call_id": "c1", "name": name, "arguments": arguments, **rest}


def output(value: Any, call_id: str = "c1") -> Item:
    """Make what a tool returned."""
    return {"type": "function_call_output", "call_id": call_id, "output": value}


def told_call(name: str, arguments: Any, call_id: str = "c1") -> Item:
    """Make a call of a prompt."""
    function = {"name": name, "arguments": arguments}
    return {"type": "function", "id": call_id, "function": function}


def think(*texts: str, key: str = "content") -> Item:
    """Make a reasoning item."""
    parts = [{"type": "reasoning_text", "text": text} for text in texts]
    return {"type": "reasoning", "summary": [], key: parts}


def test_messages_keep_their_roles_and_texts() -> None:
    """Contents may be texts or lists of parts."""
    found = messages(
        say("user", "hi"),
        say("assistant", [{"type": "output_text", "text": "Hello."}]),
        say("user", [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]),
    )
    assert found == [told("user", "hi"), told("assistant", "Hello."), told("user", "a\nb")]


def test_instructions_are_the_system_message() -> None:
    """In front of everything."""
    found = messages(say("user", "hi"), instructions="Be nice.")
    assert found == [told("system", "Be nice."), told("user", "hi")]


@pytest.mark.parametrize(
    ("items", "system"),
    [
        ([say("system", "old")], "new"),
        ([say("developer", "kept"), say("system", "old")], "new\n\nkept"),
        ([say("system", "old"), say("system", "kept")], "new\n\nkept"),
        ([say("user", "hi"), say("system", "kept")], "new\n\nkept"),
        ([say("developer", "kept")], "new\n\nkept"),
    ],
)
def test_instructions_replace_the_system_message_in_front(items: list[Item], system: str) -> None:
    """The first one, if nobody has spoken before it; a developer's word always stays."""
    found = messages(*items, say("user", "hi"), instructions="new")
    assert found[0] == told("system", system)
    assert [message["role"] for message in found].count("system") == 1


def test_system_texts_are_joined_in_front() -> None:
    """Most templates read one system message, the first, and lose or refuse any other."""
    found = messages(say("developer", "a"), say("user", "hi"), say("system", "b"))
    assert found == [told("system", "a\n\nb"), told("user", "hi")]


@pytest.mark.parametrize(
    ("reasoning", "text"),
    [
        (think("I think"), "I think"),
        (think("short", key="summary"), "short"),
        ({**think("short", key="summary"), "content": think("long")["content"]}, "long"),
    ],
)
def test_reasoning_goes_with_the_next_message(reasoning: Item, text: str) -> None:
    """The reasoning itself, or else its summary."""
    found = messages(say("user", "?"), reasoning, say("assistant", "!"))
    assert found[1] == told("assistant", "!", reasoning_content=text)


def test_reasoning_goes_with_the_next_call() -> None:
    """Which then is a message of its own."""
    found = messages(say("user", "?"), think("a"), think("b"), call())
    assert found[1]["reasoning_content"] == "a\nb"
    assert found[1]["content"] == ""
    assert len(found[1]["tool_calls"]) == 1


@pytest.mark.parametrize(
    "reasoning", [{"type": "reasoning", "summary": [], "encrypted_content": "x"}, think("lost")]
)
def test_reasoning_that_led_to_nothing_is_left_out(reasoning: Item) -> None:
    """What is encrypted cannot be read, and no template takes it without a message."""
    found = messages(say("user", "?"), reasoning, say("user", "!"), say("assistant", "."))
    assert found == [told("user", "?"), told("user", "!"), told("assistant", ".")]


def test_calls_join_the_message_before_them() -> None:
    """Arguments are objects, as templates expect, and outputs know their tool."""
    found = messages(
        say("user", "?"),
        say("assistant", "Let me see."),
        call(),
        call("time", "{}", call_id="c2"),
        output("sunny"),
        output([{"type": "input_text", "text": "noon"}], "c2"),
    )
    calls = [told_call("weather", {"city": "Rome"}), told_call("time", {}, "c2")]
    assert found[1:] == [
        told("assistant", "Let me see.", tool_calls=calls),
        told("tool", "sunny", tool_call_id="c1", name="weather"),
        told("tool", "noon", tool_call_id="c2", name="time"),
    ]


def test_a_call_behind_an_output_is_a_message_of_its_own() -> None:
    """Each round of calls is told apart."""
    found = messages(call(), output("a"), call(call_id="c2"), output("b", "c2"))
    assert [message["role"] for message in found] == ["assistant", "tool"] * 2


@pytest.mark.parametrize("text", ['{"city": "Ro', "[1]", '"x"', "", "[" * 100_000])
def test_broken_arguments_stay_the_text_that_they_are(text: str) -> None:
    """An answer that was cut off is no reason to refuse what follows."""
    found = messages(call(arguments=text), output("x"))
    assert found[0]["tool_calls"][0]["function"]["arguments"] == text


def test_a_custom_call_is_a_call_of_its_input() -> None:
    """As the tool was offered."""
    item = {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "*** Begin"}
    answer = {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"}
    found = messages({**item, "namespace": "code"}, answer)
    assert found[0]["tool_calls"] == [told_call("code.patch", {"input": "*** Begin"})]
    assert found[1] == told("tool", "ok", tool_call_id="c1", name="code.patch")


@pytest.mark.parametrize("kind", ["web_search_call", "mcp_list_tools", "configuration_update"])
def test_what_says_nothing_to_a_model_is_left_out(kind: str) -> None:
    """So that a conversation that began elsewhere can go on here."""
    assert messages({"type": kind, "id": "x"}, say("user", "hi")) == [told("user", "hi")]


@pytest.mark.parametrize("kind", ["computer_call", "shell_call_output", "item_reference", "new"])
def test_any_other_item_is_refused_by_name(kind: str) -> None:
    """The answer would miss it."""
    error = refuse(say("user", "hi"), {"type": kind, "call_id": "c"})
    assert error.param == "input"
    assert f"'{kind}'" in str(error)


@pytest.mark.parametrize(
    ("item", "place"),
    [
        ({"type": "shell_call", "id": "sh_1", "call_id": "c9"}, "the 'shell_call' item 'c9'"),
        (output([IMAGE]), "output[0] of the 'function_call_output' item 'c1'"),
        ({**say("user", [IMAGE]), "id": "msg_1"}, "content[0] of the 'message' item 'msg_1'"),
        (say("user", [IMAGE]), "content[0] of the 'message' item"),
        ({"type": "x" * 100, "id": "y" * 100}, f"the '{'x' * 64}' item '{'y' * 64}'"),
    ],
)
def test_an_item_is_found_by_its_name_or_its_place(item: Item, place: str) -> None:
    """Counted from the end: what history is in front of the input is not the client's to count."""
    error = refuse(say("developer", "old"), say("system", "old"), item, say("user", "hi"))
    assert f"{place}, number 2 from the end of the input" in str(error)
    replaced = refuse(say("developer", [IMAGE]), say("system", "old"), instructions="new")
    assert "number 2 from the end" in str(replaced)


def test_an_empty_input_is_refused() -> None:
    """No template renders an empty conversation into anything of use."""
    assert refuse().code == "missing_required_parameter"


def test_a_warm_up_may_come_before_there_is_anything_to_say() -> None:
    """Its tools alone are worth reading."""
    found = prompt(tools=[WEATHER], generate=False)
    assert found.messages == [told("user", "")]
    assert found.tools is not None


def test_images_go_beside_the_messages() -> None:
    """In the order of their places, those in outputs of tools too."""
    second = {**IMAGE, "image_url": "data:image/jpeg;base64,BBBB"}
    parts = [{"type": "input_text", "text": "See?"}, IMAGE]
    items = say("user", parts), call(), output([second])
    found = prompt(*items, accepts_images=True, instructions="Look.")
    text = {"type": "text", "text": "See?"}
    assert found.messages[0] == told("system", [{"type": "text", "text": "Look."}])
    assert found.messages[1] == told("user", [text, {"type": "image"}])
    assert found.messages[3]["content"] == [{"type": "image"}]
    assert [image.media_type for image in found.images] == ["image/png", "image/jpeg"]


def test_an_image_for_a_text_model_is_refused() -> None:
    """Wherever it stands."""
    assert refuse(say("user", [IMAGE])).code == "image_not_supported"
    assert refuse(call(), output([IMAGE])).code == "image_not_supported"


def test_a_system_message_holds_no_image() -> None:
    """It is joined to others, as text."""
    error = refuse(say("system", [IMAGE]), say("user", "hi"), accepts_images=True)
    assert "text only, and the 'message' item, number 2 from the end" in str(error)


def test_system_texts_of_a_model_with_eyes_are_joined_too() -> None:
    """Their parts are texts again by then."""
    parts = [{"type": "input_text", "text": "b"}]
    found = messages(
        say("system", "a"), say("developer", parts), say("user", "hi"), accepts_images=True
    )
    assert found[0] == told("system", [{"type": "text", "text": "a\n\nb"}])


def test_templates_that_want_turns_get_them() -> None:
    """What one side said in a row becomes one message; calls stay apart from later words."""
    items = [
        *(say("user", "a"), say("user", "b")),
        *(think("hm"), say("assistant", "c"), say("assistant", "d")),
        *(call(), say("assistant", "e")),
    ]
    found = messages(*items, markup=Markup(alternates=True))
    calls = [told_call("weather", {"city": "Rome"})]
    assert found == [
        told("user", "a\n\nb"),
        told("assistant", "c\n\nd", reasoning_content="hm", tool_calls=calls),
        told("assistant", "e"),
    ]
    assert len(messages(*items)) == 5


def test_turns_of_a_model_with_eyes_are_joined_part_by_part() -> None:
    """Images keep their places."""
    items = say("user", [IMAGE]), say("user", "b")
    found = messages(*items, markup=Markup(alternates=True), accepts_images=True)
    assert found == [told("user", [{"type": "image"}, {"type": "text", "text": "b"}])]


def test_templates_that_take_one_call_a_message_get_one() -> None:
    """Llama's refuses more."""
    found = messages(call(), call(call_id="c2"), markup=Markup(is_single=True))
    assert [len(message["tool_calls"]) for message in found] == [1, 1]


def test_templates_that_want_short_ids_get_them() -> None:
    """Mistral's takes nine letters and digits; a call and its output share them."""
    found = messages(call(), output("x"), markup=SHORT)
    short = found[0]["tool_calls"][0]["id"]
    assert len(short) == 9
    assert short.isalnum()
    assert found[1]["tool_call_id"] == short


def test_a_short_id_is_made_of_any() -> None:
    """Even of half a surrogate pair, which has no UTF-8."""
    found = messages(call(call_id="\ud800"), output("x", "\ud800"), markup=SHORT)
    assert found[0]["tool_calls"][0]["id"] == found[1]["tool_call_id"]


def test_tools_come_with_the_way_back() -> None:
    """For the reader of the answer."""
    found = prompt(say("user", "hi"), tools=[WEATHER, TIME])
    assert found.tools is not None
    assert [tool["function"]["name"] for tool in found.tools] == ["weather", "time"]
    assert list(found.names) == ["weather", "time"]
    assert found.prefill == ""


def test_without_tools_there_is_no_list_of_them() -> None:
    """Templates ask whether there are tools, and an empty list is no none to all of them."""
    found = prompt(say("user", "hi"), tools=[WEATHER], tool_choice="none")
    assert (found.tools, found.names) == (None, {})


@pytest.mark.parametrize(
    ("choice", "prefill"),
    [
        ("auto", ""),
        ("required", '<tool_call>\n{"name": "'),
        ({"type": "function", "name": "time"}, '<tool_call>\n{"name": "time", "arguments":'),
    ],
)
def test_a_call_that_must_be_is_begun(choice: Any, prefill: str) -> None:
    """The model can only finish it."""
    found = prompt(say("user", "hi"), tools=[WEATHER, TIME], tool_choice=choice)
    assert found.prefill == prefill


def test_of_one_tool_the_name_is_known() -> None:
    """Required or chosen is then the same."""
    found = prompt(say("user", "hi"), tools=[TIME], tool_choice="required")
    assert found.prefill == '<tool_call>\n{"name": "time", "arguments":'


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "time"}])
def test_a_model_without_known_markers_cannot_be_made_to_call(choice: Any) -> None:
    """It is said rather than tried."""
    error = refuse(say("user", "hi"), tools=[TIME], tool_choice=choice, markup=Markup())
    assert error.param == "tool_choice"


@pytest.mark.parametrize("kind", ["json_schema", "json_object"])
def test_a_promised_format_is_refused(kind: str) -> None:
    """Nothing holds a local model to it."""
    error = refuse(say("user", "hi"), settings={"text": {"format": {"type": kind}}})
    assert (error.param, error.code) == ("text.format", "unsupported_value")
    assert f"'{kind}'" in str(error)


@pytest.mark.parametrize("text", [{}, {"format": {"type": "text"}}, {"verbosity": "low"}])
def test_plain_text_is_no_promise(text: Any) -> None:
    """That is what comes anyway."""
    assert messages(say("user", "hi"), settings={"text": text}) == [told("user", "hi")]


def test_what_was_said_stands_in_no_log() -> None:
    """A prompt shows what it is, not what it says."""
    assert "secret" not in repr(prompt(say("user", "secret"), tools=[WEATHER]))


TEXTS = st.text("aé \n", max_size=5)
ITEMS = st.one_of(
    st.builds(say, st.sampled_from(["user", "assistant", "system", "developer"]), TEXTS),
    st.builds(call, st.sampled_from(["weather", "time"]), TEXTS),
    st.builds(output, TEXTS),
    st.builds(think, TEXTS),
    st.builds(lambda kind: {"type": kind}, st.sampled_from(["mcp_call", "compaction_trigger"])),
)
MARKUPS = st.builds(
    Markup, alternates=st.booleans(), is_single=st.booleans(), has_short_ids=st.booleans()
)


@given(items=st.lists(ITEMS, max_size=8), markup=MARKUPS, accepts_images=st.booleans())
def test_no_word_is_lost(items: list[Item], markup: Markup, accepts_images: bool) -> None:
    """Whatever the order of items, each text comes out as often as it went in."""
    items = [say("user", "first"), *items]
    found = str(messages(*items, markup=markup, accepts_images=accepts_images))
    for item in items:
        text = item.get("content", item.get("output"))
        assert item["type"] == "reasoning" or text is None or repr(text)[1:-1] in found
    assert found.count("'system'") <= 1
