"""Whole answers of the providers, and the same with any JSON at any place."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

#: What has broken a reader somewhere.
NASTY: list[Any] = [
    *(10**400, -(10**400), -1, 1e300, float("nan"), float("inf"), 2**63, 0.1, True, None),
    *("", "²", "\ud83d", "\x00\x1b[31m", "try again in 167h", "<html>", "x" * 5_000),
    *([], {}, [[]], [None], {"": None}, {"error": {"message": "No."}}, "429", "stop", "length"),
]
JSON = st.recursive(
    st.sampled_from(NASTY) | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
HEADER_VALUES = st.sampled_from(
    ["", "0", "-1", "7", "1e400", "9" * 400, "nan", "²", "604800", "2m59.56s", "a b", "x" * 3_000]
) | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


def paths(thing: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value, the whole of it first."""
    yield at
    inner = enumerate(thing) if isinstance(thing, list) else None
    if isinstance(thing, dict):
        inner = iter(thing.items())  # type: ignore[assignment]  # names in place of numbers
    for name, value in inner or ():
        yield from paths(value, (*at, name))


def placed(thing: Any, at: Path, value: Any) -> Any:
    """*thing* with *value* at this place."""
    if not at:
        return value
    whole = copy.deepcopy(thing)
    inside = whole
    for step in at[:-1]:
        inside = inside[step]
    inside[at[-1]] = value
    return whole


@st.composite
def bent(draw: st.DrawFn, body: Any) -> Any:
    """*body* with other JSON at one place or two, or with a member more."""
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.sampled_from(list(paths(body))))
        if draw(st.booleans()):
            at = (*at[:-1], draw(st.text(max_size=9))) if at and isinstance(at[-1], str) else at
        body = placed(body, at, draw(JSON))
    return body


@st.composite
def sent(draw: st.DrawFn, body: Any) -> bytes:
    """The bytes of a bent body; at times cut off, or nested deep."""
    data = json.dumps(draw(bent(body))).encode()
    how = draw(st.sampled_from(["whole"] * 8 + ["cut", "deep"]))
    if how == "cut":
        return data[: draw(st.integers(0, len(data)))]
    return b"[" * 5_000 + data + b"]" * 5_000 if how == "deep" else data


USAGE = {
    "prompt_tokens": 5,
    "completion_tokens": 2,
    "total_tokens": 7,
    "total_time": 0.5,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
CALL = {"id": "c", "type": "function", "function": {"name": "pay", "arguments": "{}"}}
GROQ = {
    "id": "chatcmpl-1",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Yes.", "tool_calls": [CALL]},
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
    "x_groq": {"id": "req_1"},
}
GROQ_ERROR = {
    "error": {
        "message": "Rate limit reached for model `m` in organization `org_1` on tokens per minute"
        " (TPM): Limit 6000, Used 5715, Requested 709. Please try again in 4.24s.",
        "type": "tokens",
        "code": "rate_limit_exceeded",
        "param": "temperature",
        "failed_generation": "{",
    }
}
CONVERSE = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"text": "Yes."},
                {"toolUse": {"toolUseId": "t", "name": "pay", "input": {"a": 1}}},
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
            ],
        }
    },
    "stopReason": "end_turn",
    "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7, "cacheReadInputTokens": 1},
    "metrics": {"latencyMs": 500},
}
CLAUDE = {
    "id": "msg_1",
    "content": [
        {"type": "text", "text": "Yes."},
        {"type": "thinking", "thinking": "Hm."},
        {"type": "tool_use", "id": "t", "name": "pay", "input": {"a": 1}},
    ],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 1},
}
LLAMA = {
    "generation": "Yes.",
    "prompt_token_count": 5,
    "generation_token_count": 2,
    "stop_reason": "stop",
}
MISTRAL = {"outputs": [{"text": "Yes.", "stop_reason": "stop"}]}
BEDROCK_ERROR = {
    "message": "This model version has reached the end of its life.",
    "__type": "com.amazon.coral.service#ThrottlingException",
}
