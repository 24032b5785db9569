"""The parts of a message as a local model reads them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.engines.transformers.content import ContentReader, Image, text_of

PIXEL = b"\x89PNG not really"
IMAGE = {"type": "input_image", "image_url": "?"}
URL = f"data:image/png;base64,{b64encode(PIXEL).decode()}"


def read_text(content: object) -> object:
    """Read a content for a model without eyes."""
    return ContentReader(accepts_images=False).read(content)


def refuse(part: dict[str, Any], *, accepts_images: bool = True) -> BadRequestError:
    """Return the error of a content with this part."""
    with pytest.raises(BadRequestError) as caught:
        ContentReader(accepts_images=accepts_images).read([part])
    assert (caught.value.status, caught.value.param) == (400, "input")
    return caught.value


def test_texts_of_every_kind_are_joined() -> None:
    """What an assistant refused is what it said."""
    parts = [
        {"type": "input_text", "text": "one"},
        {"type": "output_text", "text": "two", "annotations": []},
        {"type": "refusal", "refusal": "three"},
        {"type": "text", "text": "four"},
        {"type": "input_text", "text": ""},
    ]
    assert read_text(parts) == "one\ntwo\nthree\nfour"
    assert read_text("  as it is\n") == "  as it is\n"
    assert read_text(None) == ""


def test_a_model_with_eyes_gets_lists() -> None:
    """Templates of such models go through parts, and a text would be cut into letters."""
    reader = ContentReader(accepts_images=True)
    assert reader.read("hi") == [{"type": "text", "text": "hi"}]
    assert reader.read([]) == []


@pytest.mark.parametrize("url", [URL, {"url": URL, "detail": "low"}, URL.replace("image", "IMAGE")])
def test_an_image_is_decoded(url: Any) -> None:
    """The message only marks its place."""
    reader = ContentReader(accepts_images=True)
    parts = [{"type": "input_image", "image_url": url}, {"type": "input_text", "text": "What?"}]
    assert reader.read(parts) == [{"type": "image"}, {"type": "text", "text": "What?"}]
    assert reader.images == [Image(PIXEL, "image/png")]


def test_images_are_collected_in_order() -> None:
    """Over all contents that the reader is given."""
    reader = ContentReader(accepts_images=True)
    for kind in ("png", "jpeg"):
        reader.read([{"type": "input_image", "image_url": URL.replace("png", kind)}])
    assert [image.media_type for image in reader.images] == ["image/png", "image/jpeg"]


def test_an_image_for_a_model_without_eyes_is_refused() -> None:
    """Before anybody looks whether it is one."""
    error = refuse(IMAGE, accepts_images=False)
    assert error.code == "image_not_supported"
    assert "reads text only" in str(error)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"image_url": "https://example.com/cat.png"}, "fetches nothing"),
        ({"image_url": "file:///etc/passwd"}, "fetches nothing"),
        ({"image_url": "/etc/passwd"}, "fetches nothing"),
        ({"file_id": "file_1"}, "a file's id says nothing"),
        ({"image_url": URL.replace(";base64", "")}, "must say"),
        ({"image_url": URL.replace("image/png", "text/html")}, "must say"),
        ({"image_url": "data:image/png;base64,"}, "no base64"),
        ({"image_url": "data:image/png;base64,@@@"}, "no base64"),
        ({"image_url": "data:image/png;base64,é"}, "no base64"),
    ],
)
def test_only_images_that_are_sent_are_read(part: dict[str, Any], reason: str) -> None:
    """Nobody can make the server open a file or a connection."""
    error = refuse({"type": "input_image", **part})
    assert error.code == "invalid_image_url"
    assert reason in str(error)
    assert "passwd" not in str(error)


@pytest.mark.parametrize("kind", ["input_file", "input_audio", "input_video"])
@pytest.mark.parametrize("accepts_images", [True, False])
def test_other_parts_are_refused_by_name(kind: str, accepts_images: bool) -> None:
    """An answer that ignores half of the question would be worse."""
    error = refuse({"type": kind}, accepts_images=accepts_images)
    assert f"'{kind}'" in str(error)


@pytest.mark.parametrize("accepts_images", [True, False])
@pytest.mark.parametrize("part", [IMAGE, {"type": "input_file"}])
def test_a_part_is_found_by_its_place(part: dict[str, str], accepts_images: bool) -> None:
    """Which its reader is told, and only counts the parts."""
    content = [{"type": "input_text", "text": "See:"}, part]
    reader = ContentReader(accepts_images=accepts_images)
    with pytest.raises(BadRequestError, match=r"output\[1\] of that item"):
        reader.read(content, path="output", item="that item")


def test_an_image_knows_its_place() -> None:
    """For whoever finds out later that it is none."""
    reader = ContentReader(accepts_images=True)
    reader.read([{"type": "input_image", "image_url": URL}], item="that item")
    assert reader.images[0].place == "content[0] of that item"


def test_an_image_shows_its_size_alone() -> None:
    """Pictures have no place in logs."""
    assert repr(Image(PIXEL, "image/png")) == f"Image(image/png, {len(PIXEL)} bytes)"


def test_the_text_of_anything() -> None:
    """Texts are taken, whatever stands between them."""
    parts = [{"type": "summary_text", "text": "a"}, {"type": "image"}, "b", {"type": "reasoning"}]
    assert text_of(parts) == "a"
    assert text_of("b") == "b"
    assert text_of(7) == ""
