"""What else than text a model takes, and how it is told to reason; None stands for not known."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias

from .catalogue import BEDROCK, GROQ, VISION_MODELS

#: How a model is told how much to reason: by the effort's name alone, by Claude's budget of tokens
#: or its adaptive thinking, or by Nova's `reasoningConfig`.
ReasoningControl: TypeAlias = Literal["effort", "budget", "adaptive", "reasoning_config"]

_CLAUDE = r"anthropic\.claude-(?:[a-z]+-)?(\d+)(?:-(\d{1,2})(?!\d))?"
_THREE = ("low", "medium", "high")


class Features(NamedTuple):
    """Whether a model sees, reads documents and calls tools, and which efforts it knows.

    `images` is how many it takes in one request. No `efforts` at all: it does not reason.
    `prefill` is whether it goes on where an assistant's message at the end stops.
    """

    sees: bool | None = None
    images: int | None = None
    reads: bool | None = None
    calls_tools: bool | None = None
    efforts: tuple[str, ...] | None = None
    reasoning_control: ReasoningControl = "effort"
    prefill: bool = False


NOTHING_KNOWN = Features()

# console.groq.com/docs/reasoning and /docs/vision, August to October 2026. Compound and those that
# are not named: not known.
_GROQ_EFFORTS = {
    "openai/gpt-oss-120b": _THREE,
    "openai/gpt-oss-20b": _THREE,
    "openai/gpt-oss-safeguard-20b": _THREE,
    "qwen/qwen3.8-27b": ("none", "default", *_THREE),
    "qwen/qwen3-32b": ("none", "default"),
}
_GROQ_WITHOUT_REASONING = r"meta-llama/|llama-?3|gemma|mi[sx]tral|moonshotai/kimi-k2-"
_GROQ_CLASSIFIER = "meta-llama/llama-prompt-guard"
_GROQ_IMAGES = {"qwen/qwen3.8-27b": 3}

# AWS, "Supported models and model features" of Converse. A model that reads documents by way of
# Converse alone is not told apart here: what does not know them is asked.
_WITHOUT_TOOLS = r"meta\.llama3-(?:8|70)b|mistral\.mixtral|amazon\.titan"
_WITHOUT_DOCUMENTS = r"amazon\.nova-micro"
_WITHOUT_REASONING = (
    r"amazon\.nova-(?:micro|lite|pro)-v1|amazon\.titan|meta\.llama|mistral\.mi[sx]tral"
)


def on_groq(name: str) -> Features:
    """Return what is known of a model of Groq's."""
    if name not in GROQ:
        return NOTHING_KNOWN
    efforts = _GROQ_EFFORTS.get(name)
    if efforts is None and re.match(_GROQ_WITHOUT_REASONING, name):
        efforts = ()
    # console.groq.com/docs/prefilling shows it for Llama; those that reason begin anew.
    prefill = re.match(r"llama-?3", name) is not None
    calls = False if name.startswith(_GROQ_CLASSIFIER) else None
    sees = name in VISION_MODELS
    return Features(
        sees, _GROQ_IMAGES.get(name), calls_tools=calls, efforts=efforts, prefill=prefill
    )


def on_bedrock(name: str) -> Features:
    """Return what is known of a model of Bedrock's, whose *name* has no profile's prefix."""
    if version := claude_version(name):
        sees = version >= (3, 0) and "3-5-haiku" not in name
        if version < (3, 7):
            return Features(sees, reads=True, efforts=(), prefill=version >= (3, 0))
        if version < (4, 6):
            efforts: tuple[str, ...] = ("none", *_THREE)
            return Features(
                sees, reads=True, efforts=efforts, reasoning_control="budget", prefill=True
            )
        # From 4.6 on Claude refuses the beginning of an answer.
        efforts = ("none", *_THREE, "xhigh", "max")
        return Features(sees, reads=True, efforts=efforts, reasoning_control="adaptive")
    if name.startswith("amazon.nova-2"):
        return Features(None, efforts=("none", *_THREE), reasoning_control="reasoning_config")
    # A name that is in no list says nothing; a known one that is not among those that see does.
    known_to_see = True if name in VISION_MODELS else (False if name in BEDROCK else None)
    efforts_known = _THREE if "gpt-oss" in name else None
    return Features(
        known_to_see,
        reads=False if re.match(_WITHOUT_DOCUMENTS, name) else None,
        calls_tools=False if re.match(_WITHOUT_TOOLS, name) else None,
        efforts=() if re.match(_WITHOUT_REASONING, name) else efforts_known,
    )


def claude_version(name: str) -> tuple[int, int] | None:
    """Return the major and minor version of a Claude, None for another model."""
    found = re.match(_CLAUDE, name)
    return (int(found[1]), int(found[2] or 0)) if found else None
