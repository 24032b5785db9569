"""Byte streams as HTTP servers with ``/v1/responses`` send them: good, sparse, mixed up, broken.

Everything is drawn from a seeded generator, so that a number names a stream.
"""

from __future__ import annotations

import functools
import json
import random
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = dict[str, Any]

WORDS = (
    "sun",
    "Öl",
    "日本",
    "🙂",
    "a\u2028b",
    '{"q":',
    "\\n",
    "data: x",
    "[DONE]",
    "-",
    "0",
    "été",
)
HOSTED = ("web_search_call", "mcp_call", "shell_call", "brand_new_item")
_TRANSCRIPTS = Path(__file__).resolve().parents[1] / "data" / "transcripts"
_ENDS = ("response.completed", "response.incomplete", "response.failed")
MODES = ("normal", "missing", "constant")


@dataclass(frozen=True)
class Said:
    """One output item as the upstream means it."""

    kind: str
    #: Texts by the type of their part, or by ``arguments``.
    texts: tuple[tuple[str, str], ...] = ()
    name: str = ""
    call_id: str = ""
    extra: Event = field(default_factory=dict)


@dataclass(frozen=True)
class Style:
    """How a server tells what it means, without leaving anything out altogether."""

    ids: str = "normal"
    places: str = "normal"
    has_numbers: bool = True
    is_interleaved: bool = False
    #: The forms in which an item is told.
    forms: frozenset[str] = frozenset({"added", "deltas", "text", "part", "item", "output"})
    repeats: bool = False


@dataclass(frozen=True)
class Stream:
    """What one answer is made of."""

    number: int
    #: What each read brings.
    pieces: tuple[bytes, ...]
    #: The connection is lost behind them.
    is_lost: bool = False
    #: What a client must get in the end; None where the stream was broken.
    said: tuple[Said, ...] | None = None
    ends_as: str = "completed"
    is_ordered: bool = True


@functools.cache
def read_transcripts() -> list[list[Event]]:
    """Return the events of every response in the transcripts of the protocol, lane by lane."""
    found: list[list[Event]] = []
    for path in sorted(_TRANSCRIPTS.glob("*.jsonl")):
        lanes: dict[Any, list[Event]] = {}
        for line in map(json.loads, path.read_text("utf-8").splitlines()):
            if line.get("dir") != "server":
                continue
            event = line["frame"]
            told = lanes.setdefault(event.pop("stream_id", None), [])
            if event["type"] == "response.created":
                told.clear()
            told.append(event)
            if told[0]["type"] == "response.created" and event["type"] in _ENDS:
                found.append(list(told))
    return found


def make_stream(number: int) -> Stream:
    """Make the stream of a number.

    Of five, two are complete; one is mutated, and one is a transcript mutated; one is garbage.
    """
    rng = random.Random(number)
    kind = number % 5
    if kind == 4:
        return _make_garbage(number, rng)
    said, style = make_said(rng), make_style(rng)
    ends_as = rng.choice(("completed", "completed", "completed", "incomplete", "failed"))
    events = list(tell(rng, said, style, ends_as))
    if kind < 2:
        data = _write(rng, events, has_numbers=style.has_numbers)
        return Stream(
            number,
            tuple(_split(rng, data)),
            said=said,
            ends_as=ends_as,
            is_ordered=not style.is_interleaved and "item" in style.forms,
        )
    events = events if kind == 2 else rng.choice(read_transcripts())
    for _ in range(rng.randint(1, 4)):
        events = rng.choice(_MUTATIONS)(rng, events)
    data = _spoil(rng, _write(rng, events, has_numbers=style.has_numbers))
    return Stream(number, tuple(_split(rng, data)), is_lost=rng.random() < 0.2)


def make_style(rng: random.Random) -> Style:
    """Draw a style in which every item can still be told from the others."""
    ids = rng.choice(("normal", "normal", "missing", "rotating"))
    places = "normal" if ids == "rotating" else rng.choice(MODES)
    is_blind = ids == "missing" and places != "normal"
    is_interleaved = not is_blind and rng.random() < 0.3
    forms = {"output"} if rng.random() < 0.3 else set()
    forms |= {form for form in ("added", "deltas", "text", "part") if rng.random() < 0.7}
    if is_blind or places == "constant" or not forms or rng.random() < 0.7:
        forms |= {"item"}
    if is_interleaved:
        forms |= {"added"}  # Without it nobody could say where one begins and the other ends.
    return Style(
        ids=ids,
        places=places,
        has_numbers=rng.random() < 0.5,
        is_interleaved=is_interleaved,
        forms=frozenset(forms),
        repeats=rng.random() < 0.2,
    )


def make_said(rng: random.Random) -> tuple[Said, ...]:
    """Draw an output."""
    makers = (_say_message, _say_message, _say_reasoning, _say_call, _say_call, _say_hosted)
    return tuple(rng.choice(makers)(rng, at) for at in range(rng.choice((0, 1, 1, 2, 3, 5))))


def _text(rng: random.Random, mark: str) -> str:
    words = (rng.choice(WORDS) for _ in range(rng.randint(0, 6)))
    return f"{mark}{rng.randrange(10**6)} " + " ".join(words)


def _say_message(rng: random.Random, at: int) -> Said:
    count = rng.choice((0, 1, 1, 1, 2))
    kinds = rng.choices(("output_text", "output_text", "refusal"), k=count)
    texts = tuple((kind, _text(rng, f"m{at}p{i} ")) for i, kind in enumerate(kinds))
    return Said("message", texts, extra={"role": "assistant"})


def _say_reasoning(rng: random.Random, at: int) -> Said:
    kind = rng.choice(("summary_text", "reasoning_text"))
    # Two without a text and without a name are one that comes twice.
    texts = tuple((kind, _text(rng, f"r{at}p{i} ")) for i in range(rng.randint(at > 0, 2)))
    extra = {"encrypted_content": f"secret {at}"} if rng.random() < 0.5 else {}
    return Said("reasoning", texts, extra=extra)


def _say_call(rng: random.Random, at: int) -> Said:
    kind = rng.choice(("function_call", "function_call", "custom_tool_call"))
    text = (
        json.dumps({"city": _text(rng, f"c{at} ")}) if kind == "function_call" else _text(rng, "x")
    )
    return Said(kind, (("arguments", text),), name=f"tool_{at}", call_id=f"call_{at}")


def _say_hosted(rng: random.Random, at: int) -> Said:
    kind = rng.choice(HOSTED)
    return Said(kind, extra={"call_id": f"h_{at}", "nested": {"deep": [at, None, True]}})


# --- telling it -----------------------------------------------------------------------------------


def tell(
    rng: random.Random, said: tuple[Said, ...], style: Style, ends_as: str = "completed"
) -> Iterator[Event]:
    """Yield the events of an answer."""
    response = {"id": "resp_up", "object": "response", "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": response}
    for event in _mix(
        rng, [list(_tell_item(rng, each, at, style)) for at, each in enumerate(said)], style
    ):
        yield event
        if style.repeats and style.has_numbers and rng.random() < 0.3:
            yield event
    output = [_item(rng, each, at, style) for at, each in enumerate(said)]
    final = response | {"status": ends_as, "output": output, "usage": make_usage(rng)}
    if "output" not in style.forms:
        final |= {"output": rng.choice(([], None))}
    if ends_as == "failed":
        final |= {"error": {"code": rng.choice(("server_error", 500, None)), "message": "it broke"}}
    if ends_as == "incomplete":
        reason = rng.choice(("max_output_tokens", "content_filter", "boredom", None))
        final |= {"incomplete_details": {"reason": reason}}
    kinds = [f"response.{ends_as}", "response.done"]
    yield {"type": rng.choice(kinds) if ends_as != "failed" else kinds[0], "response": final}


def make_usage(rng: random.Random) -> Any:
    """Draw a usage in one of the spellings, or none worth the name."""
    return rng.choice(
        (
            None,
            {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
            {"prompt_tokens": 5, "completion_tokens": 3},
            {"input_tokens": 5, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 2}},
            {"input_tokens": "5", "output_tokens": True},
            {"input_tokens": 5, "output_tokens": 3, "output_tokens_details": 7},
            "many",
        )
    )


def _mix(rng: random.Random, rows: list[list[Event]], style: Style) -> Iterator[Event]:
    """Yield the events of several items, each in its order."""
    if not style.is_interleaved:
        yield from (event for row in rows for event in row)
        return
    while rows := [row for row in rows if row]:
        yield rng.choice(rows[:2]).pop(0)


def _tell_item(rng: random.Random, said: Said, at: int, style: Style) -> Iterator[Event]:
    forms = style.forms
    if "added" in forms:
        yield _about(
            rng, at, style, "response.output_item.added", item=_begun(rng, said, at, style)
        )
    for place, (kind, text) in enumerate(said.texts):
        yield from _tell_text(rng, said, at, style, kind, place, text)
    is_bare = not said.texts and "output" not in forms
    needs_item = said.kind in HOSTED or is_bare or (said.name and "added" not in forms)
    is_untold = said.texts and not forms & {
        "deltas",
        "text",
        "output",
        *([] if said.name else ["part"]),
    }
    if "item" in forms or is_untold or (needs_item and "output" not in forms):
        yield _about(rng, at, style, "response.output_item.done", item=_item(rng, said, at, style))


def _tell_text(
    rng: random.Random, said: Said, at: int, style: Style, kind: str, place: int, text: str
) -> Iterator[Event]:
    base, key = _names(said.kind, kind)
    where = {} if kind == "arguments" else {_place_key(kind): place}
    if "deltas" in style.forms:
        for piece in _cut(rng, text):
            yield _about(rng, at, style, f"{base}.delta", delta=piece, **where)
        for note in cite(kind, text):
            name = "response.output_text.annotation.added"
            yield _about(rng, at, style, name, annotation=note, **where)
    if "text" in style.forms:
        yield _about(rng, at, style, f"{base}.done", **{key: text}, **where)
    if "part" in style.forms and kind != "arguments":
        name = "reasoning_summary_part" if kind == "summary_text" else "content_part"
        yield _about(rng, at, style, f"response.{name}.done", part=_part(kind, text), **where)


def _names(kind: str, channel: str) -> tuple[str, str]:
    names = {
        "output_text": ("response.output_text", "text"),
        "refusal": ("response.refusal", "refusal"),
        "summary_text": ("response.reasoning_summary_text", "text"),
        "reasoning_text": ("response.reasoning_text", "text"),
    }
    if kind == "custom_tool_call":
        return "response.custom_tool_call_input", "input"
    return names.get(channel, ("response.function_call_arguments", "arguments"))


def _place_key(kind: str) -> str:
    return "summary_index" if kind == "summary_text" else "content_index"


def _part(kind: str, text: str) -> Event:
    notes = cite(kind, text)
    known = {"type": kind, "refusal" if kind == "refusal" else "text": text}
    return {**known, "annotations": notes} if notes else known


def cite(kind: str, text: str) -> list[Event]:
    """Return the annotations of a part: some texts are cited whole."""
    if kind != "output_text" or len(text) % 2:
        return []
    return [{"type": "url_citation", "url": "u", "start_index": 0, "end_index": len(text)}]


def _about(rng: random.Random, at: int, style: Style, kind: str, **fields: Any) -> Event:
    """Make an event about an item, naming it as the style has it."""
    event: Event = {"type": kind}
    if style.places != "missing":
        event["output_index"] = at if style.places == "normal" else 0
    if style.ids != "missing" and "item" not in fields:
        event["item_id"] = _id(rng, at, style)
    return event | fields


def _id(rng: random.Random, at: int, style: Style) -> str:
    return f"item_{at}" if style.ids == "normal" else f"item_{at}_{rng.randrange(10**9)}"


def _begun(rng: random.Random, said: Said, at: int, style: Style) -> Event:
    known: Event = {"type": said.kind, "status": "in_progress", **said.extra}
    if said.name:
        known |= {"name": said.name, "call_id": said.call_id, "arguments": ""}
    if said.kind in ("message", "reasoning"):
        known |= {"content": [], "summary": []}
    return _identify(rng, known, at, style)


def _item(rng: random.Random, said: Said, at: int, style: Style) -> Event:
    known: Event = {"type": said.kind, "status": "completed", **said.extra}
    if said.name:
        key = "input" if said.kind == "custom_tool_call" else "arguments"
        known |= {"name": said.name, "call_id": said.call_id, key: said.texts[0][1]}
    elif said.kind in ("message", "reasoning"):
        parts = [_part(kind, text) for kind, text in said.texts]
        known |= {
            "content": [part for part in parts if part["type"] != "summary_text"],
            "summary": [part for part in parts if part["type"] == "summary_text"],
        }
    return _identify(rng, known, at, style)


def _identify(rng: random.Random, item: Event, at: int, style: Style) -> Event:
    return item if style.ids == "missing" else {"id": _id(rng, at, style), **item}


def _cut(rng: random.Random, text: str) -> Iterator[str]:
    while text:
        size = rng.randint(1, 8)
        yield text[:size]
        text = text[size:]


# --- writing it -----------------------------------------------------------------------------------


def _write(rng: random.Random, events: Iterable[Event], *, has_numbers: bool) -> bytes:
    """Write events as bytes, in one of the ways in which servers do; or the Response alone."""
    rows = list(events)
    last = rows[-1].get("response") if rows else None
    if rng.random() < 0.1 and isinstance(last, dict) and last.get("output"):
        return rng.choice((b"", b"\n ")) + json.dumps(last).encode()
    end = rng.choice((b"\n", b"\n", b"\r\n", b"\r"))
    has_names, is_ascii = rng.random() < 0.5, rng.random() < 0.5
    lines = [b"\xef\xbb\xbf"] if rng.random() < 0.1 else []
    number, before = -1, None
    for event in rows:
        number += event is not before
        before = event
        numbered = {**event, "sequence_number": number} if has_numbers else event
        lines += _lines(rng, numbered, has_name=has_names, is_ascii=is_ascii)
    lines += [b"data: [DONE]", b""] if rng.random() < 0.4 else []
    return end.join([*lines, b""])


def _lines(rng: random.Random, event: Event, *, has_name: bool, is_ascii: bool) -> Iterator[bytes]:
    if rng.random() < 0.1:
        yield from (b": keep-alive", b"")
    if rng.random() < 0.05:
        yield from (b'data: {"type": "response.brand_new", "delta": "nothing"}', b"")
    if has_name:
        yield b"event: " + str(event.get("type")).encode("utf-8", "replace")
    text = json.dumps(event, ensure_ascii=is_ascii)
    yield b"data: " + text.encode("utf-8", "surrogatepass")
    yield b""


def _split(rng: random.Random, data: bytes) -> Iterator[bytes]:
    """Yield bytes in pieces that know nothing of events."""
    size = rng.choice((1, 7, 100, 1 << 16)) if len(data) < 3_000 else rng.choice((300, 1 << 16))
    while data:
        at = rng.randint(1, size)
        yield data[:at]
        data = data[at:]


# --- breaking it ----------------------------------------------------------------------------------


def _drop(rng: random.Random, events: list[Event]) -> list[Event]:
    return [event for event in events if rng.random() < 0.7]


def _drop_type(rng: random.Random, events: list[Event]) -> list[Event]:
    kind = rng.choice([event.get("type") for event in events] or [None])
    return [event for event in events if event.get("type") != kind]


def _double(rng: random.Random, events: list[Event]) -> list[Event]:
    return [twin for event in events for twin in [event] * rng.choice((1, 1, 2, 3))]


def _shuffle(rng: random.Random, events: list[Event]) -> list[Event]:
    return rng.sample(events, len(events))


def _cut_off(rng: random.Random, events: list[Event]) -> list[Event]:
    return events[: rng.randint(0, len(events))]


def _lose_keys(rng: random.Random, events: list[Event]) -> list[Event]:
    return [_change(rng, event, lambda value: _LOST) for event in events]


def _mistype(rng: random.Random, events: list[Event]) -> list[Event]:
    return [_change(rng, event, lambda value: rng.choice(_ODD)) for event in events]


def _end_oddly(rng: random.Random, events: list[Event]) -> list[Event]:
    return [*events[: rng.randint(0, len(events))], rng.choice(_ODD_ENDS), *events[-1:]]


_LOST = object()
_ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**30, 1.5, "", "x", "\ud83d", [], {}, [None], [[]], {"type": "message"}),
    *([{"type": "output_text"}], [{"type": "function_call", "id": 5}], "response.completed"),
)
_ODD_ENDS: tuple[Event, ...] = (
    {"type": "error", "code": 500, "message": "flat"},
    {"type": "error", "error": {"type": "server_error", "code": "slow_down", "message": "nested"}},
    {"type": "error", "error": "words"},
    {"type": "error"},
    {"type": "response.cancelled", "response": {"status": "cancelled"}},
    {"type": "response.failed"},
    {"type": "response.incomplete", "response": {"incomplete_details": "why"}},
    {"type": "response.done", "response": {"status": "queued"}},
    {"type": "response.completed", "response": "all"},
)
_MUTATIONS: tuple[Callable[[random.Random, list[Event]], list[Event]], ...] = (
    *(_drop, _drop_type, _double, _shuffle, _cut_off, _lose_keys, _mistype, _end_oddly),
)


def _change(rng: random.Random, value: Any, edit: Callable[[Any], Any]) -> Any:
    """Return a copy of JSON with an edit in some places."""
    if isinstance(value, dict):
        edited = {key: _change_one(rng, child, edit) for key, child in value.items()}
        return {key: child for key, child in edited.items() if child is not _LOST}
    if isinstance(value, list):
        return [each for child in value if (each := _change_one(rng, child, edit)) is not _LOST]
    return value


def _change_one(rng: random.Random, value: Any, edit: Callable[[Any], Any]) -> Any:
    return edit(value) if rng.random() < 0.06 else _change(rng, value, edit)


def _spoil(rng: random.Random, data: bytes) -> bytes:
    """Damage bytes, most often not at all."""
    choice = rng.random()
    at = rng.randint(0, len(data))
    if choice < 0.1:
        return data[:at]
    if choice < 0.15:
        return data[:at] + rng.randbytes(rng.randint(1, 9)) + data[at:]
    if choice < 0.2:
        return data[:at] + b'\n\ndata: {"type": \n\n' + data[at:]
    return data


def _make_garbage(number: int, rng: random.Random) -> Stream:
    letters = (string.printable + "é🙂").encode()
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: b"",
        lambda: rng.randbytes(rng.randint(1, 2_000)),
        lambda: bytes(rng.choices(letters, k=rng.randint(1, 2_000))),
        lambda: b"<html><body>502 Bad Gateway</body></html>",
        lambda: json.dumps(rng.choice(_ODD)).encode(),
        lambda: json.dumps({"object": "chat.completion", "choices": []}).encode(),
        lambda: json.dumps(rng.choice(_ODD_ENDS)).encode(),
        lambda: b"data: " + json.dumps(rng.choice(_ODD)).encode() + b"\n\n",
        lambda: b"data: " + b"[" * rng.randint(1, 3_000) + b"\n\n",
        lambda: b'{"output": ' * rng.randint(1, 300),
        lambda: json.dumps({"status": rng.choice(_ODD[:8]), "output": [rng.choice(_ODD)]}).encode(),
        lambda: b": comment\n\n" * rng.randint(1, 50),
    )
    data = rng.choice(makers)()
    return Stream(number, tuple(_split(rng, data)), is_lost=rng.random() < 0.3)
