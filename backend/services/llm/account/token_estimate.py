"""How many tokens a request may take, before the provider has counted them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..types import Request

#: English runs at about four bytes a token, code and other scripts at fewer: three is cautious.
BYTES_PER_TOKEN = 3
#: Role, separators and template of one message.
TOKENS_PER_MESSAGE = 8
#: What Groq's vision model takes for an image, whatever its size.
TOKENS_PER_IMAGE = 2048
#: A page of a document that is no text (Anthropic's "PDF support": 1,500 to 3,000), and how many
#: bytes of it have as much: of text they have three.
TOKENS_PER_PAGE = 3000
BYTES_PER_PAGE = 50_000


def input_estimate(request: Request) -> int:
    """Return a high estimate of the prompt's tokens; the reply's own count replaces it later."""
    further = (request.options.get("tools"), request.output and request.output.schema)
    size, media = _measured(request.messages, in_messages=True)
    more, _ = _measured([each for each in further if each], in_messages=False)
    return (
        math.ceil((size + more) / BYTES_PER_TOKEN)
        + media
        + TOKENS_PER_MESSAGE * len(request.messages)
    )


def text_estimate(text: str) -> int:
    """A cautious estimate of the tokens of an answer's *text*."""
    return math.ceil(len(text.encode(errors="replace")) / BYTES_PER_TOKEN)


def _measured(values: Iterable[Any], *, in_messages: bool) -> tuple[int, int]:
    """The bytes of all text inside *values*, and the tokens of the images and documents."""
    size = media = 0
    pending = list(values)
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            size += len(item if item.isascii() else item.encode(errors="replace"))
        elif type(item) is dict or isinstance(item, Mapping):
            if in_messages and (tokens := _media_tokens(item)) is not None:
                media += tokens
            else:
                pending += item.values()
        elif isinstance(item, (list, tuple)):
            pending += item
    return size, media


def _media_tokens(part: Mapping[str, Any]) -> int | None:
    """The tokens of an image or a document; None where *part* is neither."""
    if "image_url" in part:
        return TOKENS_PER_IMAGE
    file = part.get("file")
    if not isinstance(file, Mapping):
        return None
    url = file.get("file_data")
    data = url if isinstance(url, str) else ""
    # Base64 has four characters for three bytes.
    size = len(data) * 3 // 4
    if data[:10].lower() == "data:text/":
        return math.ceil(size / BYTES_PER_TOKEN)
    return TOKENS_PER_PAGE * math.ceil(max(size, 1) / BYTES_PER_PAGE)
