"""The parts of a message as a local model reads them: texts, and images where it has eyes."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core.errors import bad_request

Part = dict[str, Any]

#: Parts that are text, and the key that holds it.
_TEXTS = {
    **dict.fromkeys(("input_text", "output_text", "text", "summary_text"), "text"),
    "reasoning_text": "text",
    "refusal": "refusal",
}

#: Parts that are images; the second is that of chat completions.
_IMAGES = frozenset({"input_image", "image_url", "computer_screenshot"})

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)


@dataclass(frozen=True)
class Image:
    """The bytes of one image, undecoded, and the type that the client gave them: image/png."""

    data: bytes
    media_type: str
    #: Words for where it stood.
    place: str = field(default="the input", compare=False)

    def __repr__(self) -> str:
        return f"Image({self.media_type}, {len(self.data)} bytes)"


class ContentReader:
    """Reads the contents of one context, in order, and collects their images."""

    def __init__(self, *, accepts_images: bool) -> None:
        self._accepts_images = accepts_images
        self.images: list[Image] = []

    def read(
        self, content: object, *, path: str = "content", item: str = "the input"
    ) -> str | list[Part]:
        """Return a content in the template's form.

        That is a text for a model that reads text only, else a list of ``{"type": "text"}`` and
        ``{"type": "image"}``. Raises BadRequestError for what the model cannot read, which tells
        the place of a part by ``path``, a key, and words for the ``item``.
        """
        if isinstance(content, str):
            content = [{"type": "input_text", "text": content}]
        parts = [
            self._read_part(part, f"{path}[{index}] of {item}")
            for index, part in enumerate(_objects(content))
        ]
        return parts if self._accepts_images else join_texts(parts)

    def _read_part(self, part: Part, place: str) -> Part:
        kind = str(part.get("type"))
        if kind in _TEXTS:
            text = part.get(_TEXTS[kind])
            return {"type": "text", "text": text if isinstance(text, str) else ""}
        if kind not in _IMAGES:
            raise _unreadable(kind, place)
        if not self._accepts_images:
            raise _no_images(place)
        self.images.append(_read_image(part, place))
        return {"type": "image"}


def join_texts(parts: Iterable[Part]) -> str:
    """Return the texts of parts, one a line."""
    texts = (part.get(_TEXTS.get(str(part.get("type")), "text")) for part in parts)
    return "\n".join(text for text in texts if isinstance(text, str) and text)


def text_of(content: object) -> str:
    """Return the text of a content, whatever else is in it."""
    return content if isinstance(content, str) else join_texts(_objects(content))


def _objects(value: object) -> list[Part]:
    entries = value if isinstance(value, list) else ()
    return [entry for entry in entries if isinstance(entry, dict)]


def _read_image(part: Part, place: str) -> Image:
    url = part.get("image_url")
    if isinstance(url, Mapping):
        url = url.get("url")
    if not isinstance(url, str):
        raise _no_data(place, "a file's id says nothing to this server")
    head = _DATA_URL.match(url)
    if head is None:
        raise _no_data(place, "this server fetches nothing")
    if ";base64" not in head[2].lower() or not head[1].lower().startswith("image/"):
        raise _no_data(place, "it must say 'image/...;base64'")
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        raise _no_data(place, "what it holds is no base64")
    return Image(data, head[1].lower(), place)


def _no_data(place: str, reason: str) -> APIError:
    message = (
        f"Invalid 'image_url' in {place}: send the image as a 'data:' URL in base64; {reason}."
    )
    return bad_request(message, code="invalid_image_url", param="input")


def _no_images(place: str) -> APIError:
    message = (
        f"The model behind this server reads text only, and {place}, is an image. Take the "
        "image out, or serve a model that reads images."
    )
    return bad_request(message, code="image_not_supported", param="input")


def _unreadable(kind: str, place: str) -> APIError:
    message = (
        f"Invalid value: '{kind[:64]}', the type of {place}. The model behind this server reads "
        "texts, and images if it was made for them: 'input_text', 'output_text', 'refusal', and "
        "'input_image'."
    )
    return bad_request(message, code="invalid_value", param="input")
