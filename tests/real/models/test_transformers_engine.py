"""The engine with a real model: what torch and transformers do, and what they must not."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyresponses_ws.errors import APIError, BadRequestError, ConfigError
from pyresponses_ws.server.engines.base import (
    CallDelta,
    CancelToken,
    CutDelta,
    Delta,
    EngineRequest,
    ReasoningDelta,
    TextDelta,
    UsageDelta,
)
from pyresponses_ws.server.engines.transformers.text import TextStream
from tests.real.models.conversations import (
    CONCLUSION,
    FOLDER,
    GREETING,
    HELLO,
    THINK,
    THOUGHT,
)
from tests.real.models.passes import Passes
from tests.server.engines.transformers.local_models import ask
from tests.support.turns import QUESTION, TOOL

if TYPE_CHECKING:
    from pyresponses_ws.server.engines.transformers.engine import TransformersEngine

pytestmark = pytest.mark.real

#: A long answer, of many tokens that no two seeds draw alike.
WILD = {"temperature": 1.5, "generation_config": {"min_new_tokens": 60, "max_new_tokens": 60}}
PROMPTS = (HELLO, THINK, "tell me a story", "list colors", "what is your name", "stop now")


def load(folder: Path = FOLDER) -> TransformersEngine:
    from pyresponses_ws.server.engines.transformers.engine import TransformersEngine

    return TransformersEngine(str(folder))


@pytest.fixture(scope="module")
def engine() -> TransformersEngine:
    return load()


def run(engine: TransformersEngine, text: str, /, **fields: Any) -> list[Delta]:
    return list(engine.run(ask(text, **fields), CancelToken()))


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def usage_of(deltas: list[Delta]) -> UsageDelta:
    return next(delta for delta in deltas if isinstance(delta, UsageDelta))


def refuse(engine: TransformersEngine, request: Any) -> APIError:
    with pytest.raises(BadRequestError) as caught:
        next(engine.run(request, CancelToken()))
    return caught.value


def test_it_speaks_thinks_and_calls(engine: TransformersEngine) -> None:
    """What the tiny model was made to say."""
    assert text_of(run(engine, HELLO)) == GREETING
    thought = run(engine, THINK)
    said = [delta.text for delta in thought if isinstance(delta, ReasoningDelta)]
    assert ("".join(said), text_of(thought)) == (THOUGHT, CONCLUSION)
    called = [d for d in run(engine, QUESTION, tools=[TOOL]) if isinstance(d, CallDelta)]
    assert called[0].name == "get_weather"
    assert json.loads("".join(call.text for call in called)) == {"city": "Paris"}


def test_tokens_are_the_tokenizer_s(engine: TransformersEngine) -> None:
    """The prompt with its marks; the answer with the end of its turn; the marks of reasoning."""
    tokenizer = engine._model._tokenizer
    hello = tokenizer(GREETING)["input_ids"]
    usage = usage_of(run(engine, HELLO))
    prompt = tokenizer(f"<|im_start|>user\n{HELLO}<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
    assert usage == UsageDelta(len(prompt), len(hello) + 1)
    thinking = tokenizer(f"<think>\n{THOUGHT}\n</think>")["input_ids"]
    assert usage_of(run(engine, THINK)).reasoning_tokens == len(thinking)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "get_weather"}])
def test_a_call_can_be_demanded(engine: TransformersEngine, choice: object) -> None:
    """The model goes on from its beginning."""
    deltas = run(engine, QUESTION, tools=[TOOL], tool_choice=choice)
    called = [delta for delta in deltas if isinstance(delta, CallDelta)]
    assert called[0].name == "get_weather"
    assert json.loads("".join(call.text for call in called)) == {"city": "Paris"}


def test_a_seed_repeats_an_answer(engine: TransformersEngine) -> None:
    """And another seed gives another."""
    said = [text_of(run(engine, HELLO, seed=seed, **WILD)) for seed in (1, 1, 2)]
    assert said[0] == said[1] != said[2]


def test_a_seed_repeats_an_answer_among_others(engine: TransformersEngine) -> None:
    """Turns in flight draw from the same state, so they must not meanwhile."""
    alone = {seed: text_of(run(engine, HELLO, seed=seed, **WILD)) for seed in (1, 2)}
    with ThreadPoolExecutor(8) as pool:
        others = [pool.submit(run, engine, HELLO, **WILD) for _ in range(3)]
        seeded = [
            (n % 2 + 1, pool.submit(run, engine, HELLO, seed=n % 2 + 1, **WILD)) for n in range(4)
        ]
        others += [pool.submit(run, engine, HELLO, **WILD) for _ in range(3)]
        assert all(text_of(future.result()) == alone[seed] for seed, future in seeded)
    assert len({text_of(future.result()) for future in others}) == len(others)


def test_a_seeded_turn_leaves_the_random_state_alone(engine: TransformersEngine) -> None:
    """Else whoever draws next could be foreseen."""
    import torch

    before = torch.get_rng_state()
    run(engine, HELLO, seed=1, **WILD)
    assert torch.equal(torch.get_rng_state(), before)


def test_turns_at_once_say_what_they_say_alone(engine: TransformersEngine) -> None:
    """They share the weights and nothing else."""
    alone = {prompt: text_of(run(engine, prompt)) for prompt in PROMPTS}
    with ThreadPoolExecutor(len(PROMPTS)) as pool:
        for _ in range(3):
            both = zip(PROMPTS, pool.map(lambda prompt: run(engine, prompt), PROMPTS), strict=True)
            assert {prompt: text_of(deltas) for prompt, deltas in both} == alone


def test_a_cancel_lets_one_more_token_be_made(engine: TransformersEngine, passes: Passes) -> None:
    """Wherever the model is when it comes."""
    long = {"generation_config": {"min_new_tokens": 400, "max_new_tokens": 400}}
    for deltas in range(2, 12):
        cancel = CancelToken()
        turn = engine.run(ask(HELLO, **long), cancel)
        for _ in range(deltas):
            next(turn)
        cancel.cancel()
        made = sum(passes.all().values())
        assert list(turn) == []
        assert sum(passes.all().values()) <= made + 1


def test_a_cancel_stops_its_turn_alone(engine: TransformersEngine) -> None:
    """The others come to their end."""
    long = {"generation_config": {"min_new_tokens": 150, "max_new_tokens": 150}}
    cancel = CancelToken()
    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(run, engine, THINK, **long) for _ in range(2)]
        turn = engine.run(ask(HELLO, **long), cancel)
        next(turn), next(turn)
        cancel.cancel()
        assert list(turn) == []
        assert [usage_of(other.result()).output_tokens for other in others] == [150, 150]


def test_a_prompt_over_the_context_is_refused(engine: TransformersEngine) -> None:
    """With its length and the limit."""
    error = refuse(engine, ask("the cat sat " * 2000))
    assert error.code == "context_length_exceeded"
    assert "2048 tokens" in str(error)


def test_an_answer_ends_where_the_context_does(engine: TransformersEngine) -> None:
    """It is cut, and never goes on in positions that the model has not learnt."""
    many = {"min_new_tokens": 5000, "max_new_tokens": 5000}
    deltas = run(engine, "the cat sat on the mat " * 330, generation_config=many)
    usage = usage_of(deltas)
    assert usage.input_tokens + usage.output_tokens == 2048
    assert deltas[-1] == CutDelta("max_output_tokens")


def test_an_answer_ends_at_a_text(engine: TransformersEngine) -> None:
    """Which is part of it; several turns may look for one at once."""
    config = {"stop_strings": ["tiny"]}
    with ThreadPoolExecutor(4) as pool:
        turns = [pool.submit(run, engine, HELLO, generation_config=config) for _ in range(4)]
        assert {text_of(turn.result()) for turn in turns} == {"Hello! I am a tiny"}
    assert isinstance(turns[0].result()[-1], UsageDelta)


def test_an_image_for_a_model_of_text_is_refused(engine: TransformersEngine) -> None:
    """Whatever it shows."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    message = {"type": "message", "role": "user", "content": [image]}
    request = EngineRequest(model="m", items=[message])
    assert refuse(engine, request).code == "image_not_supported"


def test_what_the_template_cannot_take_is_refused(engine: TransformersEngine) -> None:
    """A template that raises says why."""
    tokenizer = engine._model._tokenizer
    before = tokenizer.chat_template
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    try:
        assert "roles must alternate" in str(refuse(engine, ask(HELLO)))
    finally:
        tokenizer.chat_template = before


@pytest.mark.parametrize("text", ["Grüße 😀 日本語 👩‍👩‍👧", "a  b\n\n c\t", "\u200d\ufffd é"])
def test_text_of_any_kind_streams_as_it_is(engine: TransformersEngine, text: str) -> None:
    """The real tokenizer cuts characters into bytes."""
    model = engine._model
    stream = TextStream(model.decode)
    pieces = [stream.feed(token) for token in model._tokenizer(text)["input_ids"]]
    assert "".join(pieces) + stream.finish() == text
    assert all(piece == "\ufffd" or "\ufffd" not in piece for piece in pieces if piece not in text)


def test_half_of_a_character_is_read(engine: TransformersEngine) -> None:
    """The real tokenizer takes UTF-8 only."""
    tool = {**TOOL, "description": "\udead"}
    deltas = run(engine, "Say hello \ud83d", tools=[tool], max_output_tokens=4)
    assert usage_of(deltas).output_tokens


@pytest.mark.parametrize("seed", [-1, -(2**63)])
def test_a_seed_may_be_any_number_that_torch_takes(engine: TransformersEngine, seed: int) -> None:
    """Negative ones count too."""
    short = {"temperature": 1.5, "generation_config": {"min_new_tokens": 20, "max_new_tokens": 20}}
    said = [text_of(run(engine, HELLO, seed=each, **short)) for each in (seed, seed, -seed - 1)]
    assert said[0] == said[1] != said[2]


def test_no_memory_fails_one_turn(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told by torch in either of its ways."""
    import torch

    for error in (
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("can't allocate memory"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(engine._model, "_generate", _raising(error))
            with pytest.raises(APIError, match="ran out of memory") as caught:
                run(engine, HELLO)
        assert caught.value.status == 503
        assert text_of(run(engine, HELLO)) == GREETING


def _raising(error: Exception) -> Callable[..., None]:
    def generate(*_: object) -> None:
        raise error

    return generate


def test_nothing_is_said_and_nobody_is_called(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bar and no warning among the server's lines; no look at the hub."""
    from transformers.utils.logging import is_progress_bar_enabled

    def connect(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", connect)
    before = is_progress_bar_enabled()
    engine = load()
    run(
        engine, HELLO, generation_config={"do_sample": False, "min_new_tokens": 70}, temperature=0.5
    )
    assert capfd.readouterr() == ("", "")
    assert is_progress_bar_enabled() is before


def copy(folder: Path, **config: Any) -> Path:
    """Copy the model, with changes of its configuration."""
    shutil.copytree(FOLDER, folder)
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    return folder


CODE = {"AutoConfig": "its.Config", "AutoModelForCausalLM": "its.Model"}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "nonesuch"}, "nonesuch"),
        ({"model_type": "nonesuch", "auto_map": CODE}, "custom code"),
        ({"model_type": "t5"}, "'t5' is no causal language model"),
        (
            {"num_hidden_layers": 4, "layer_types": ["full_attention"] * 4},
            r"11 weights are missing, such as model\.layers\.3",
        ),
        ({"hidden_size": 64}, "cannot serve"),
    ],
)
def test_a_model_that_cannot_be_served_is_told(
    tmp_path: Path, config: dict[str, Any], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """In one line, and weights are never made up."""
    with pytest.raises(ConfigError, match=reason) as caught:
        load(copy(tmp_path / "model", **config))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("data", [b"version https://git-lfs.github.com/spec/v1\n", b"", b"{"])
def test_a_file_that_is_not_whole_is_told(tmp_path: Path, name: str, data: bytes) -> None:
    """As by a download that broke, or a clone without Git LFS."""
    (copy(tmp_path / "model") / name).write_bytes(data)
    with pytest.raises(ConfigError, match=rf"cannot serve the model of .*; {name} is .*again"):
        load(tmp_path / "model")


@pytest.mark.parametrize("names", [["tokenizer.json"], ["tokenizer.json", "tokenizer_config.json"]])
def test_a_folder_without_a_tokenizer_is_told(tmp_path: Path, names: list[str]) -> None:
    """Else transformers would make up one that knows no word."""
    folder = copy(tmp_path / "model")
    for name in names:
        (folder / name).unlink()
    with pytest.raises(ConfigError, match="it has no tokenizer files"):
        load(folder)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for m in messages %}{{ m", "TemplateSyntaxError: unexpected end of template"),
        ("{{ messages|nonesuch }}", "No filter named 'nonesuch'"),
    ],
)
def test_a_template_that_never_works_is_told(tmp_path: Path, template: str, reason: str) -> None:
    """Before anybody asks."""
    (copy(tmp_path / "model") / "chat_template.jinja").write_text(template)
    with pytest.raises(ConfigError, match=f"its chat template cannot be used: .*{reason}"):
        load(tmp_path / "model")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ raise_exception('a system message is missing') }}", ""),
        ("{{ messages[1].content }}", "takes no lone message of a user: UndefinedError"),
    ],
)
def test_a_template_may_refuse_a_lone_message(
    tmp_path: Path, template: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It may take others; one that trips over it is worth a warning."""
    (copy(tmp_path / "model") / "chat_template.jinja").write_text(template)
    load(tmp_path / "model")
    assert words in caplog.text
    assert bool(caplog.text) is bool(words)


def test_a_model_without_a_chat_template_is_told(tmp_path: Path) -> None:
    """It was not made to chat."""
    (copy(tmp_path / "model") / "chat_template.jinja").unlink()
    with pytest.raises(ConfigError, match="no chat template"):
        load(tmp_path / "model")


def test_settings_for_several_sequences_are_left_out(tmp_path: Path) -> None:
    """Those of the model's own file too: beams cannot be streamed."""
    folder = copy(tmp_path / "model")
    file = folder / "generation_config.json"
    given = {
        "num_beams": 4,
        "max_time": 0.001,
        "cache_implementation": "static",
        "penalty_alpha": 0.6,
    }
    file.write_text(json.dumps({**json.loads(file.read_text()), **given}))
    assert text_of(run(load(folder), HELLO)) == GREETING


def test_positions_that_change_the_model_make_turns_run_alone(tmp_path: Path) -> None:
    """Frequencies that grow with a long prompt would be those of a short one beside it."""
    rope = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    engine = load(copy(tmp_path / "model", rope_parameters=rope))
    assert engine._model.runs_alone
    assert text_of(run(engine, HELLO)) == GREETING
