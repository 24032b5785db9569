"""The demo's conversation: what its user says, and the loop that answers the model's calls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from pyresponses_ws.cli.folder import Folder
from pyresponses_ws.errors import ToolError

if TYPE_CHECKING:
    from pyresponses_ws import Response, ResponsesClient, TurnReport
    from pyresponses_ws.items import ResponseFunctionToolCall

#: One turn's report as plain JSON, with its tool calls and tokens.
Row = dict[str, Any]

#: The offline engine answers to any name of a model.
MODEL = "echo"
INSTRUCTIONS = "Look around the user's folder with the tools, and answer from what they return."
#: Turns that one sentence of the user may take; the offline engine needs two.
STEP_LIMIT = 8
#: Words by which the offline engine picks a tool. A file's name or a search word that holds one
#: could make it pick another, so such names and words are not used.
TOOL_WORDS = {"read", "file", "files", "search", "text"}
DEFAULT_FILE = "README.md"
DEFAULT_WORD = "import"


def _function(name: str, description: str, **properties: str) -> dict[str, Any]:
    """Describe a tool whose arguments are all required strings."""
    parameters = {
        "type": "object",
        "properties": {
            key: {"type": "string", "description": properties[key]} for key in properties
        },
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": parameters,
        "strict": True,
    }


TOOLS = [
    _function(
        "list_files", "List the names in a folder.", path="Folder, relative to the current one"
    ),
    _function("read_file", "Read the start of a text file.", path="File, relative to the folder"),
    _function(
        "search_text",
        "Find the lines that contain a text, in all files below a folder.",
        query="Text to find, taken literally",
        path="Folder to search, relative to the current one",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Screen:
    """Where the demo writes: the model's text to one place, progress to another."""

    #: None keeps the text to ourselves.
    answers: TextIO | None
    notes: TextIO

    def note(self, line: str) -> None:
        """Write a line of progress."""
        print(line, file=self.notes, flush=True)

    def show(self, text: str) -> None:
        """Write a piece of an answer at once, so that it is seen to stream."""
        if self.answers is not None:
            print(text, end="", file=self.answers, flush=True)


class Tour:
    """A user who is shown around a folder. Used once, on one thread."""

    def __init__(self, client: ResponsesClient, folder: Folder, screen: Screen) -> None:
        self._client = client
        self._screen = screen
        self._tools: dict[str, Callable[..., str]] = {
            "list_files": folder.list_files,
            "read_file": folder.read_file,
            "search_text": folder.search_text,
        }
        #: The response that the next turn goes on from; None before the first.
        self._previous: str | None = None
        self._rows: list[Row] = []

    def walk(self) -> list[Row]:
        """Hold the whole conversation; return a row for each response, in order."""
        listing = self.say('Which files are in "."?')
        text = self.say(f'Read the file "{pick_file(listing)}" for me.')
        self.say(f'Search the text "{pick_word(text)}" in ".".')
        self.say("Thank you! How much of what we said had to be sent again?")
        self.say("Then goodbye.")
        return self._rows

    def say(self, text: str) -> str:
        """Say one sentence and run tools until the model is done; return what the tools found."""
        self._screen.note(f"\nuser: {text}")
        response = self._turn([{"type": "message", "role": "user", "content": text}])
        found: list[str] = []
        for _ in range(STEP_LIMIT):
            outputs = [self._run(call) for call in _calls(response)]
            if not outputs:
                break
            found += [output["output"] for output in outputs]
            response = self._turn(outputs)
        return "\n".join(found)

    def _turn(self, items: list[dict[str, Any]]) -> Response:
        """Send only what is new; stream the answer."""
        with self._client.stream(
            model=MODEL,
            instructions=INSTRUCTIONS,
            tools=TOOLS,
            input=items,
            previous_response_id=self._previous,
            store=False,
        ) as stream:
            for delta in stream.text_deltas():
                self._screen.show(delta)
            response = stream.get_final_response()
        if response.output_text:
            self._screen.show("\n")
        self._previous = response.id
        self._rows.append(_row(response, stream.report))
        return response

    def _run(self, call: ResponseFunctionToolCall) -> dict[str, Any]:
        """Run one call; what goes wrong with it is an answer for the model, not an exception."""
        try:
            output = self._tools[call.name](**json.loads(call.arguments))
        except ToolError as exc:
            output = f"error: {exc}"
        except (KeyError, TypeError, ValueError):
            output = f"error: {call.name} cannot be called with {call.arguments}"
        self._screen.note(f"tool: {call.name} {call.arguments}: {len(output)} characters")
        return {"type": "function_call_output", "call_id": call.call_id, "output": output}


def _calls(response: Response) -> list[ResponseFunctionToolCall]:
    return [item for item in response.output if item.type == "function_call"]


def _row(response: Response, report: TurnReport) -> Row:
    usage = response.usage
    return {
        **report.to_dict(),
        "tool_calls": len(_calls(response)),
        "input_tokens": usage.input_tokens if usage else 0,
        "output_tokens": usage.output_tokens if usage else 0,
        "total_tokens": usage.total_tokens if usage else 0,
    }


def pick_file(listing: str) -> str:
    """Choose a file to read from a listing: a README if there is one, else the first usable."""
    names = [name for name in listing.splitlines() if not name.endswith("/") and _is_plain(name)]
    readme = [name for name in names if name.lower().startswith("readme.")]
    return next(iter([*readme, *names]), DEFAULT_FILE)


def pick_word(text: str) -> str:
    """Choose a word to search for: the first of some length in a file's text."""
    words = (word for word in re.findall(r"[^\W\d_]{5,20}", text) if _is_plain(word))
    return next(words, DEFAULT_WORD)


def _is_plain(name: str) -> bool:
    """Tell whether a name can stand between quotes in a sentence without changing its meaning.

    Hidden files, and the remarks that a listing makes, are none.
    """
    if not re.fullmatch(r"\w[\w .+-]{0,79}", name):
        return False
    return TOOL_WORDS.isdisjoint(re.findall(r"[a-z]+", name.lower()))
