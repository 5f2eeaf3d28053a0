"""How many tokens a request may take, before the provider has counted them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from .. import models
from ..providers.fields import text
from ..providers.image_size import size_in_url
from ..types import Request

#: English runs at about four bytes a token, code and other scripts at fewer: three is cautious.
BYTES_PER_TOKEN = 3
#: Role, separators and template of one message.
TOKENS_PER_MESSAGE = 8
#: What Groq's vision model takes for an image, whatever its size.
TOKENS_PER_IMAGE = 2048
#: What Claude takes for one (Anthropic, "Vision").
PIXELS_PER_TOKEN = 750
#: A page of a document that is no text (Anthropic's "PDF support": 1,500 to 3,000), and how many
#: bytes of it have as much: of text they have three.
TOKENS_PER_PAGE = 3000
BYTES_PER_PAGE = 50_000


def input_estimate(request: Request) -> int:
    """Return a high estimate of the prompt's tokens; the reply's own count replaces it later."""
    texts, media = texts_in(request)
    size = sum(map(_size, texts))
    return math.ceil(size / BYTES_PER_TOKEN) + media + TOKENS_PER_MESSAGE * len(request.messages)


def text_estimate(text: str) -> int:
    """A cautious estimate of the tokens of an answer's *text*."""
    return math.ceil(len(text.encode(errors="replace")) / BYTES_PER_TOKEN)


def texts_in(request: Request) -> tuple[list[str], int]:
    """Return all texts that are a part of the prompt, and the tokens of images and documents."""
    further = (request.options.get("tools"), request.output and request.output.schema)
    texts, parts = _found(request.messages, in_messages=True)
    if more := [each for each in further if each]:
        texts += _found(more, in_messages=False)[0]
    return texts, sum(_media_tokens(part, request.model) for part in parts)


def _size(text: str) -> int:
    return len(text if text.isascii() else text.encode(errors="replace"))


def _found(
    values: Iterable[Any], *, in_messages: bool
) -> tuple[list[str], list[Mapping[str, Any]]]:
    """The texts inside *values*, and the parts that are images and documents."""
    texts, media = list[str](), []
    pending = list(values)
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            texts.append(item)
        elif type(item) is dict or isinstance(item, Mapping):
            if in_messages and _is_media(item):
                media.append(item)
                continue
            pending += item.values()
            if not in_messages:
                texts += [f'"{name}":' for name in item]  # as providers show them to the model
        elif isinstance(item, (list, tuple)):
            pending += item
    return texts, media


def _is_media(part: Mapping[str, Any]) -> bool:
    return "image_url" in part or isinstance(part.get("file"), Mapping)


def _media_tokens(part: Mapping[str, Any], model: str) -> int:
    """The tokens of an image or a document."""
    if "image_url" in part:
        return _image_tokens(part["image_url"], model)
    data = text(part["file"], "file_data") or ""
    # Base64 has four characters for three bytes.
    size = len(data) * 3 // 4
    if data[:10].lower() == "data:text/":
        return math.ceil(size / BYTES_PER_TOKEN)
    return TOKENS_PER_PAGE * math.ceil(max(size, 1) / BYTES_PER_PAGE)


def _image_tokens(source: object, model: str) -> int:
    """What an image takes of *model*: of a Claude by its size, which is cut down to a bound."""
    if (most := models.most_image_tokens(model)) is None:
        return TOKENS_PER_IMAGE
    url = source if isinstance(source, str) else text(source, "url") or ""
    size = size_in_url(url)
    return most if size is None else min(most, math.ceil(size[0] * size[1] / PIXELS_PER_TOKEN))
