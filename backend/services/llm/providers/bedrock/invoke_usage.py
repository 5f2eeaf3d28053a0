"""What InvokeModel says that an answer used: each family in its body, all in the headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...types import Usage
from ..fields import count, member, parse_count, text


def count_header(headers: object, name: str) -> int | None:
    """Return the number in the header `x-amzn-bedrock-`*name*, None without a plausible one."""
    return parse_count(text(headers, f"x-amzn-bedrock-{name}"))


def usage_of(body: Mapping[str, Any], headers: object) -> Usage:
    """Return the tokens of an answer, from its body where it counts them, else from its headers."""
    counted = member(body, "usage") or {}
    input_tokens = _first(count(counted, "input_tokens"), count(body, "prompt_token_count"))
    output_tokens = _first(count(counted, "output_tokens"), count(body, "generation_token_count"))
    input_tokens = _first(input_tokens, count_header(headers, "input-token-count"))
    output_tokens = _first(output_tokens, count_header(headers, "output-token-count"))
    if input_tokens is None or output_tokens is None:
        return Usage()
    read = _first(
        count(counted, "cache_read_input_tokens"),
        count_header(headers, "cache-read-input-token-count"),
    )
    written = _first(
        count(counted, "cache_creation_input_tokens"),
        count_header(headers, "cache-write-input-token-count"),
    )
    return usage_beside_cache(input_tokens, output_tokens, read or 0, written or 0)


def usage_beside_cache(uncached: int, output_tokens: int, read: int, written: int) -> Usage:
    """Return the usage, where the input is counted beside what was *read* and *written* of a cache.

    Anthropic counts so in its bodies, and Converse for all models.
    """
    input_tokens = uncached + read + written
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
        cached_input_tokens=read,
        reported=True,
        cache_write_input_tokens=written,
    )


def _first(*counts: int | None) -> int | None:
    return next((known for known in counts if known is not None), None)
