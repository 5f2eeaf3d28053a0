"""Bedrock's models as of October 2026 (AWS model cards and lifecycle page)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

# The form of the body that InvokeModel takes; `chat` is that of OpenAI's chat completions.
Family = Literal["claude", "llama", "mistral", "nova", "titan", "cohere", "deepseek", "chat"]
REGION_PREFIX = re.compile(r"^(?:us|us-gov|eu|jp|au|ca|apac|global)\.")
_ARN = re.compile(
    r"^arn:aws[\w-]*:bedrock:[\w-]*:\d*:(?:foundation-model|inference-profile)/(?P<id>.+)$"
)
DEFAULT_MAX_OUTPUT = 4_096  # what an unset maxTokens reserves


@dataclass(frozen=True)
class BedrockModel:
    """One model's body format, abilities and lifecycle; `profile_only` ids need a region prefix."""

    id: str
    family: Family
    max_output: int = 65_536
    context: int = 131_072
    profile_only: bool = False
    end_of_life: date | None = None
    tools: bool = True
    text_format: bool = False
    refuses_temperature: bool = False
    one_sampling_parameter: bool = False
    refuses_prefill: bool = False
    thinks: bool = False  # without being asked to


# Claude 3 Opus has no date: none was found in the sources. Llama 3 is in no list of retired models.
_CLAUDE_EOL = {
    "anthropic.claude-v2": date(2025, 7, 21),
    "anthropic.claude-v2:1": date(2025, 7, 21),
    "anthropic.claude-3-7-sonnet-20250219-v1:0": date(2026, 4, 28),
    "anthropic.claude-3-5-haiku-20241022-v1:0": date(2026, 6, 19),
    "anthropic.claude-3-sonnet-20240229-v1:0": date(2026, 7, 30),
    "anthropic.claude-3-5-sonnet-20240620-v1:0": date(2026, 7, 30),
    "anthropic.claude-3-5-sonnet-20241022-v2:0": date(2026, 7, 30),
    "anthropic.claude-3-haiku-20240307-v1:0": date(2026, 9, 10),
    "anthropic.claude-sonnet-4-20250514-v1:0": date(2026, 10, 14),
    "anthropic.claude-opus-4-1-20250805-v1:0": date(2027, 1, 8),
}
_CLAUDE_100K = ("anthropic.claude-v2", "anthropic.claude-instant-v1")
_LLAMA_EOL = {
    "meta.llama3-1-405b-instruct-v1:0": date(2026, 7, 7),
    "meta.llama3-2-1b-instruct-v1:0": date(2026, 7, 7),
    "meta.llama3-2-3b-instruct-v1:0": date(2026, 7, 7),
    "meta.llama3-2-11b-instruct-v1:0": date(2026, 7, 7),
    "meta.llama3-2-90b-instruct-v1:0": date(2026, 7, 7),
}
# By pattern rather than by list: a model that appears tomorrow answers as its family does.
# The Claude models that answer by their bare id; newer ones want an inference profile.
_ON_DEMAND_CLAUDE = re.compile(
    r"anthropic\.claude-(?:v2|instant|3-(?:sonnet|haiku|opus|5-sonnet-20240620))"
)
_CLAUDE = re.compile(
    r"anthropic\.claude-(?:[a-z]+-(?P<major>\d+)(?:-(?P<minor>\d)(?!\d))?|(?:3|v2|instant))"
)
_LLAMA = re.compile(r"meta\.llama(?P<major>\d+)(?:-(?P<minor>\d))?-")
# pattern: family, tokens of context
_OTHERS: tuple[tuple[str, Family, int], ...] = (
    (r"amazon\.nova", "nova", 300_000),
    (r"amazon\.titan-text", "titan", 8_192),
    (r"cohere\.command", "cohere", 128_000),
    (r"deepseek\.r1", "deepseek", 128_000),
    (r"(?:openai\.gpt|qwen\.|deepseek\.|ai21\.jamba|google\.gemma)", "chat", 131_072),
    (r"(?:moonshot\.|moonshotai\.|minimax\.|zai\.|nvidia\.|writer\.)", "chat", 131_072),
)


def find_model(model_id: str) -> tuple[BedrockModel, bool] | None:
    """The model of an id, profile or ARN, and whether a profile was named; None if unknown."""
    arn = _ARN.match(model_id)
    plain = arn["id"] if arn else model_id
    bare = REGION_PREFIX.sub("", plain)
    for build in (_claude, _llama, _mistral, _other):
        model = build(bare)
        if model is not None:
            return model, bare != plain
    return None


def _claude(bare: str) -> BedrockModel | None:
    match = _CLAUDE.match(bare)
    if match is None:
        return None
    version = (int(match["major"] or 3), int(match["minor"] or 0))
    return BedrockModel(
        bare,
        "claude",
        max_output=4_096 if version < (4, 0) else 64_000 if version < (4, 6) else 128_000,
        context=200_000 if bare not in _CLAUDE_100K else 100_000,
        profile_only=_ON_DEMAND_CLAUDE.match(bare) is None,
        end_of_life=_CLAUDE_EOL.get(bare),
        text_format=version >= (4, 5),
        refuses_temperature=version >= (5, 5),
        one_sampling_parameter=version >= (4, 5),
        refuses_prefill=version >= (4, 6),
        thinks=version >= (5, 5),
    )


def _llama(bare: str) -> BedrockModel | None:
    match = _LLAMA.match(bare)
    if match is None:
        return None
    version = (int(match["major"]), int(match["minor"] or 0))
    return BedrockModel(
        bare,
        "llama",
        # 2,048 is quoted in the service's own refusals; the limit of later models is assumed.
        max_output=2_048 if version < (3, 1) else 8_192,
        context=8_192 if version < (3, 1) else 128_000,
        profile_only=version >= (3, 1),
        end_of_life=_LLAMA_EOL.get(bare),
        tools=version >= (3, 1) and "-1b-" not in bare and "-3b-" not in bare,
    )


def _mistral(bare: str) -> BedrockModel | None:
    if not bare.startswith("mistral."):
        return None
    # The two that take a prompt template, and know no tools.
    instruct = "mixtral-8x7b" in bare or "mistral-7b" in bare
    return BedrockModel(
        bare,
        "mistral" if instruct or "mistral-large-2402" in bare else "chat",
        max_output=4_096 if instruct else 32_768,
        context=32_768 if instruct else 128_000,
        tools=not instruct,
    )


def _other(bare: str) -> BedrockModel | None:
    for pattern, family, context in _OTHERS:
        if re.match(pattern, bare):
            return BedrockModel(
                bare,
                family,
                max_output=10_000 if family == "nova" else 8_192 if family == "titan" else 65_536,
                context=context,
                tools=family != "titan",
                text_format="gpt-oss" in bare,
                thinks="gpt-oss" in bare or "deepseek" in bare or "thinking" in bare,
            )
    return None


# member of a body: the family that has it; the first that is there decides
_MARKS: tuple[tuple[str, Family], ...] = (
    ("anthropic_version", "claude"),
    ("max_tokens_to_sample", "claude"),
    ("max_gen_len", "llama"),
    ("inputText", "titan"),
    ("schemaVersion", "nova"),
    ("inferenceConfig", "nova"),
    ("messages", "chat"),
    ("message", "cohere"),
    ("p", "cohere"),
    ("k", "cohere"),
)


def scripted_model(name: str, body: Any) -> BedrockModel:
    """A model that can do everything, for names that misbehave; of the family of the body."""
    keys = body.keys() if isinstance(body, dict) else ()
    found = (family for mark, family in _MARKS if mark in keys)
    family: Family = next(found, "mistral")
    return BedrockModel(name, family, context=10_000_000, text_format=True)
