"""The engine with a model that reads images; a tiny one, made here of random weights."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyresponses_ws.errors import APIError, BadRequestError
from pyresponses_ws.server.engines.base import CancelToken, EngineRequest, TextDelta, UsageDelta
from tests.real.models.conversations import FOLDER

if TYPE_CHECKING:
    from pyresponses_ws.server.engines.transformers.engine import TransformersEngine

pytestmark = pytest.mark.real

#: As the templates of such models have it: contents are lists of parts.
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for part in m.content %}"
    "{{ '<image>' if part.type == 'image' else part.text }}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
#: Tokens of an image: 8 x 8 pixels in patches of 4 x 4.
PATCHES = 4
RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a LLaVA of 30,000 weights, with the tokenizer of the tiny chat model."""
    import torch
    from transformers import AutoTokenizer, LlavaForConditionalGeneration

    made = tmp_path_factory.mktemp("models") / "tiny-llava"
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlavaForConditionalGeneration(_configure(tokenizer))
    model.generation_config.update(max_new_tokens=8, eos_token_id=2, pad_token_id=0)
    model.save_pretrained(made)
    _make_processor(tokenizer).save_pretrained(made)
    return made


def _configure(tokenizer: Any) -> Any:
    from transformers import CLIPVisionConfig, LlavaConfig, Qwen3Config

    size = {"intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    text = Qwen3Config(
        **size,
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    return LlavaConfig(
        text_config=text,
        vision_config=CLIPVisionConfig(**size, hidden_size=16, image_size=8, patch_size=4),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )


def _make_processor(tokenizer: Any) -> Any:
    """Make one that needs Pillow alone; torchvision's would be the default."""
    from transformers import CLIPImageProcessorPil, LlavaProcessor

    pixels = CLIPImageProcessorPil(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
    return LlavaProcessor(
        pixels,
        tokenizer,
        patch_size=4,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )


@pytest.fixture(scope="module")
def engine(folder: Path) -> TransformersEngine:
    from pyresponses_ws.server.engines.transformers.engine import TransformersEngine

    return TransformersEngine(str(folder))


def draw(color: tuple[int, int, int], size: tuple[int, int] = (20, 20)) -> str:
    """Make a PNG of one colour, as a data: URL."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def look(text: str, *urls: str) -> EngineRequest:
    """Ask about images."""
    content = [{"type": "input_image", "image_url": url} for url in urls]
    message = {"role": "user", "content": [*content, {"type": "input_text", "text": text}]}
    return EngineRequest(model="m", items=[message])


def say(engine: TransformersEngine, request: EngineRequest) -> tuple[str, int]:
    """Return what was answered, and how many tokens the prompt had."""
    deltas = list(engine.run(request, CancelToken()))
    text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    usage = next(delta for delta in deltas if isinstance(delta, UsageDelta))
    return text, usage.input_tokens


def refuse(engine: TransformersEngine, request: EngineRequest) -> APIError:
    with pytest.raises(BadRequestError) as caught:
        next(engine.run(request, CancelToken()))
    return caught.value


def test_images_are_part_of_the_prompt(engine: TransformersEngine) -> None:
    """Each has its tokens, and what it shows makes a difference."""
    text = say(engine, look("Hi"))
    red, blue = (say(engine, look("Hi", draw(color))) for color in (RED, BLUE))
    both = say(engine, look("Hi", draw(RED), draw(BLUE)))
    assert [each[1] - text[1] for each in (red, blue, both)] == [PATCHES, PATCHES, 2 * PATCHES]
    assert red[0] != blue[0]


def test_images_of_the_past_are_seen_again(engine: TransformersEngine) -> None:
    """In the order in which they came."""
    turns = look("Hi", draw(RED)).items
    request = EngineRequest(model="m", items=[*turns, *look("And?", draw(BLUE)).items])
    assert say(engine, request)[1] > say(engine, look("Hi", draw(RED)))[1] + PATCHES


def test_bytes_that_are_no_image_are_refused(engine: TransformersEngine) -> None:
    """Before anything was promised."""
    error = refuse(engine, look("Hi", "data:image/png;base64,AAAA"))
    assert (error.status, error.param) == (400, "input")
    assert "The image in content[0] of the 'message' item, number 1 from the end" in str(error)
    assert "cannot be read" in str(error)


def test_an_image_of_too_many_pixels_is_refused(engine: TransformersEngine) -> None:
    """Undecoded it is small."""
    error = refuse(engine, look("Hi", draw(RED, (8000, 5000))))
    assert "8000 x 5000 pixels" in str(error)


def test_the_mark_of_an_image_in_a_text_is_no_image(engine: TransformersEngine) -> None:
    """The processor finds more marks than images, and says so."""
    error = refuse(engine, look("<image> <image>", draw(RED)))
    assert error.param == "input"


def test_without_what_images_need_texts_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Processors of some models need torchvision; the log says what is missing."""
    import transformers

    from pyresponses_ws.server.engines.transformers.engine import TransformersEngine

    def load(*_: object, **__: object) -> None:
        raise ImportError("this processor requires Torchvision")

    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", load)
    engine = TransformersEngine(str(folder))
    assert "reads no images here: ImportError: this processor requires Torch" in caplog.text
    assert refuse(engine, look("Hi", draw(RED))).code == "image_not_supported"
    assert say(engine, look("Hi"))[0]
