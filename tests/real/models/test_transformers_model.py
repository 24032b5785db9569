"""A real model's tokens, and a process that ends while it generates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real

FOLDER = Path(__file__).resolve().parents[2] / "data" / "tiny-chat"
TEXTS = [
    "",
    "<|im_start|>user\nSay hello<|im_end|>\n",
    "  a\tb\r\n\n  " * 50,
    "Grüße, 中文, \U0001f9ff and e\u0301",
    "x" * 5_000,
    "<think></think><tool_call>" * 20,
]

#: A server in a thread, a client that has seen some of an answer, and the end.
LEAVING = """
import sys
from pyresponses_ws import ResponsesClient
from pyresponses_ws.testing import LocalServer

server = LocalServer(engine=f"transformers:{sys.argv[1]}").start()
client = ResponsesClient(api_key="any", base_url=server.base_url)
long = {"generation_config": {"min_new_tokens": 1900, "max_new_tokens": 1900}}
stream = client.stream(model="m", input="Say hello", extra_body=long)
for event in stream:
    if event.type == "response.output_text.delta":
        break
print("leaving")
"""


@pytest.fixture(scope="module")
def model() -> Any:
    """Load the tiny model."""
    from pyresponses_ws.server.engines.transformers.load import load_model

    return load_model(FOLDER)


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_the_tokenizer(model: Any, text: str) -> None:
    """Encoded in a way of our own, and no fewer than was said ahead."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)
    due = tokenizer(text, add_special_tokens=False)["input_ids"]
    encoded = model.encode(text, ())
    assert encoded.inputs["input_ids"].tolist() == [due]
    assert encoded.inputs["attention_mask"].tolist() == [[1] * len(due)]
    assert model.count_least(text) <= encoded.count == len(due)


def test_a_long_text_is_known_to_be_long(model: Any) -> None:
    """Without a look at it: no token of this model has more than some characters."""
    assert model.count_least("hello " * 100_000) > 10_000


def test_a_process_may_end_while_a_model_generates() -> None:
    """Without a word and without an abort, though nobody stopped anything."""
    command = [sys.executable, "-c", LEAVING, str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("leaving\n", "", 0)
