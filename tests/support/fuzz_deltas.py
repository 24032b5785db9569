"""Random answers of engines: what a generator may yield in one turn, as hypothesis strategies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from pyresponses_ws.server.engines.base import (
    AnnotationDelta,
    CallDelta,
    Content,
    CutDelta,
    DetailDelta,
    DoneDelta,
    ItemDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    UsageDelta,
)
from tests.support.wire_strategies import SCHEMA, Wire


@dataclass(frozen=True)
class StopMark:
    """Here somebody stops the output, as a steer does."""


Step = Content | StopMark

#: Whole characters, which are all that openai's types take.
WHOLE_TEXT = st.text(max_size=8)
#: Halves of surrogate pairs too: an emoji that was split over two deltas.
ANY_TEXT = WHOLE_TEXT | st.sampled_from(["\ud83d", "\ude00", "a\udc00"])

_NAMES = st.sampled_from(["get_weather", "a", "x" * 64])
_NAMESPACES = st.none() | st.sampled_from(["", "crm"])
_CITATIONS = st.builds(
    lambda start: AnnotationDelta(
        {
            "type": "url_citation",
            "start_index": start,
            "end_index": start + 1,
            "title": "T",
            "url": "u",
        }
    ),
    st.integers(0, 9),
)
_DETAILS = st.sampled_from([DetailDelta({"phase": "commentary"}), DetailDelta({})])


def steps(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[Step]]:
    """Answers in pieces; a piece of a call comes only behind the opening of that call."""
    runs = st.lists(_runs(text), max_size=6)
    return runs.map(lambda lists: _with_own_ids([step for run in lists for step in run]))


def _runs(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[Step]]:
    """Deltas that belong together: one item, more of it, or none."""
    reasoning = st.builds(ReasoningDelta, text, st.sampled_from(["summary", "content"]))
    message = st.builds(TextDelta, text) | st.builds(RefusalDelta, text)
    single = st.one_of(
        st.builds(CutDelta, st.sampled_from(["max_output_tokens", "content_filter"])),
        st.builds(UsageDelta, *[st.integers(0, 2**40)] * 4),
        st.builds(StopMark),
        st.builds(DoneDelta),
        output_items().map(ItemDelta),
    )
    cited = st.tuples(st.builds(TextDelta, text), _CITATIONS, _DETAILS)
    return st.one_of(
        cited.map(list),
        st.lists(message, min_size=1, max_size=5),
        st.lists(reasoning, min_size=1, max_size=5),
        _calls(text),
        single.map(lambda step: [step]),
    )


@st.composite
def _calls(draw: st.DrawFn, text: st.SearchStrategy[str]) -> list[Step]:
    kind = draw(st.sampled_from(["function", "custom"]))
    first = CallDelta(draw(text), draw(_NAMES), kind, draw(_NAMESPACES))
    between = st.builds(StopMark) | st.builds(UsageDelta, st.integers(0, 9), st.integers(0, 9))
    rest = draw(st.lists(st.builds(CallDelta, text) | between, max_size=5))
    return [first, *rest]


def output_items() -> st.SearchStrategy[dict[str, Any]]:
    """Whole output items of every type, without keys that no schema knows."""
    models = st.sampled_from(SCHEMA["unions"]["ResponseOutputItem"])
    return st.builds(_make_item, models, st.integers(0, 2**32 - 1))


def _make_item(model: str, seed: int) -> dict[str, Any]:
    return Wire(seed, extras=False).model(model)


def _with_own_ids(given: list[Step]) -> list[Step]:
    """Name every whole item and its call differently, as an honest engine would."""
    return [
        ItemDelta(_rename(step.item, number)) if isinstance(step, ItemDelta) else step
        for number, step in enumerate(given)
    ]


def _rename(item: dict[str, Any], number: int) -> dict[str, Any]:
    named = {**item, "id": f"item_{number}"}
    if isinstance(item.get("call_id"), str):
        named["call_id"] = f"call_{number}"
    return named


def requests() -> st.SearchStrategy[dict[str, Any]]:
    """Fields of creates on which the events of an answer depend."""
    return st.fixed_dictionaries(
        {},
        optional={
            "stream_id": st.sampled_from(["a", "lane-2"]),
            "stream_options": st.fixed_dictionaries({"include_obfuscation": st.booleans()}),
            "include": st.lists(st.just("reasoning.encrypted_content"), max_size=1),
            "instructions": WHOLE_TEXT,
            "metadata": st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
            "store": st.booleans(),
            "generate": st.booleans(),
            "previous_response_id": st.just("resp_" + "0" * 50),
        },
    )
