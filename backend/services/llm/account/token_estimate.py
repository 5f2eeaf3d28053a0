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


def input_estimate(request: Request) -> int:
    """Return a high estimate of the prompt's tokens; the reply's own count replaces it later."""
    further = (request.options.get("tools"), request.output and request.output.schema)
    size, images = _measured([*request.messages, *(each for each in further if each)])
    return (
        math.ceil(size / BYTES_PER_TOKEN)
        + images * TOKENS_PER_IMAGE
        + TOKENS_PER_MESSAGE * len(request.messages)
    )


def text_estimate(text: str) -> int:
    """A cautious estimate of the tokens of an answer's *text*."""
    return math.ceil(len(text.encode(errors="replace")) / BYTES_PER_TOKEN)


def _measured(values: Iterable[Any]) -> tuple[int, int]:
    """The bytes of all text inside *values*, and how many images there are."""
    size = images = 0
    pending = [(value, False) for value in values]
    while pending:
        item, in_image = pending.pop()
        if isinstance(item, str):
            images += in_image
            if not in_image:
                size += len(item if item.isascii() else item.encode(errors="replace"))
        elif type(item) is dict or isinstance(item, Mapping):
            for key, inner in item.items():
                pending.append((inner, in_image or key == "url"))
        elif isinstance(item, (list, tuple)):
            pending += ((inner, in_image) for inner in item)
    return size, images
