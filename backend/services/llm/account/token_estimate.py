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
    """A cautious estimate of the prompt's tokens, in whole tokens; trued up by the reply."""
    size = images = 0
    for text, is_image in _texts(request):
        size += 0 if is_image else len(text.encode(errors="replace"))
        images += is_image
    return (
        math.ceil(size / BYTES_PER_TOKEN)
        + images * TOKENS_PER_IMAGE
        + TOKENS_PER_MESSAGE * len(request.messages)
    )


def _texts(request: Request) -> Iterable[tuple[str, bool]]:
    for message in request.messages:
        yield from _within(message, in_image=False)
    for said in (request.options.get("tools"), request.output and request.output.schema):
        yield from _within(said, in_image=False)


def _within(value: Any, *, in_image: bool) -> Iterable[tuple[str, bool]]:
    """Every string inside *value*, and whether it is an image's data."""
    pending: list[tuple[Any, bool]] = [(value, in_image)]
    while pending:
        item, in_image = pending.pop()
        if isinstance(item, str):
            yield item, in_image
        elif isinstance(item, Mapping):
            for key, inner in item.items():
                pending.append((inner, in_image or key == "url"))
        elif isinstance(item, (list, tuple)):
            pending += ((inner, in_image) for inner in item)
