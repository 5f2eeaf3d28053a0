"""What each model can do, is limited to and costs, and what replaced it; see `AS_OF`."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from ..types import Mode, Provider, Request
from .catalogue import BEDROCK, GROQ, FreePlan, Price
from .features import NOTHING_KNOWN, Features, claude_version, on_bedrock, on_groq
from .needs import Needs

_PROFILE = r"(us-gov|us|eu|apac|jp|au|ca|global)\.(?=[a-z0-9-]+\.)"

#: A Bedrock id begins with its vendor's name and a dot; Groq's hold a slash or neither.
_BEDROCK = (
    r"(?:anthropic|meta|mistral|amazon|openai|cohere|ai21|deepseek|qwen|moonshot|moonshotai|zai"
    r"|minimax|writer|google|nvidia|stability)\."
)

# The six that hosts ask through `invoke_model` and mock: they keep to the plain prompt.
_PROMPT_MODELS = r"anthropic\.claude-(?:3-(?:sonnet|haiku|opus)|v2|instant)|mistral\.mixtral"

# Bedrock's forms; those of the Groq models that are known stand in their rows.
_PROMPT_ONLY: tuple[Mode, ...] = ("prompt",)
_TOOL: tuple[Mode, ...] = ("tool", "prompt")
_STRICT: tuple[Mode, ...] = ("strict", "tool", "prompt")
#: Of a Groq model nothing is known: what almost every one there takes.
_GROQ_MODES: tuple[Mode, ...] = ("tool", "object", "prompt")


class Abilities(NamedTuple):
    """What *model*, without its profile's prefix, can do; None stands for what is not known.

    `context` and `max_output` are in tokens. `modes` are the forms of output that it takes,
    strongest first. `temperature` is whether it takes one, `only_one_sampling` whether
    temperature excludes top_p. `thinks` is whether it reasons unless told not to. `burndown` is
    how many tokens of the account's quota one token of output takes.
    """

    model: str
    provider: Provider
    known: bool = False
    context: int | None = None
    max_output: int | None = None
    modes: tuple[Mode, ...] = _PROMPT_ONLY
    temperature: bool = True
    only_one_sampling: bool = False
    thinks: bool = False
    price: Price | None = None
    burndown: int = 1
    free: FreePlan | None = None
    features: Features = NOTHING_KNOWN


@lru_cache(maxsize=1024)
def split_profile(model: str) -> tuple[str, str | None]:
    """Return a model's own id and its profile's prefix (`us`, `eu`, `global`...), ARNs opened.

    An application profile's ARN hides its model: what remains is the profile's id.
    """
    name = model.rpartition("/")[2] if model.startswith("arn:") else model
    profile = re.match(_PROFILE, name)
    return (name[profile.end() :], profile[1]) if profile else (name, None)


@lru_cache(maxsize=1024)
def abilities(model: str) -> Abilities:
    """Return what is known of *model* (id, profile or ARN), or else of its family."""
    name, _ = split_profile(model)
    if re.match(_BEDROCK, name) or model.startswith("arn:"):
        return _on_bedrock(name)
    if name in GROQ:
        context, output, modes, price, free = GROQ[name]
        sized = Abilities(name, "groq", True, context, output, modes, price=price, free=free)
    else:
        sized = Abilities(name, "groq", modes=_GROQ_MODES)
    thinks = "gpt-oss" in name or "qwq" in name or "deepseek-r1" in name
    return sized._replace(thinks=thinks, features=on_groq(name))


def _on_bedrock(name: str) -> Abilities:
    context, output, price, burndown = BEDROCK.get(name, (None, None, None, 1))
    sized = Abilities(
        *(name, "bedrock", name in BEDROCK, context, output),
        price=price,
        burndown=burndown,
        features=on_bedrock(name),
    )
    if re.match(_PROMPT_MODELS, name):
        return sized
    if version := claude_version(name):
        # From Opus 4.7 on Claude takes no sampling parameters ("deprecated for this model"). It
        # refuses a forced tool while it thinks, which 5.5 does unless told otherwise.
        thinks = version >= (5, 5) or "fable" in name
        strict: tuple[Mode, ...] = ("strict", "prompt") if thinks else _STRICT
        return sized._replace(
            modes=strict if version >= (4, 5) else _TOOL,
            temperature=version < (4, 7),
            only_one_sampling=version >= (4, 5),
            thinks=thinks,
        )
    # Converse forces a tool for Claude and Nova alone (API reference, ToolChoice).
    thinks = "gpt-oss" in name or "deepseek.r1" in name or "thinking" in name
    return sized._replace(
        modes=_TOOL if name.startswith("amazon.nova") else _PROMPT_ONLY, thinks=thinks
    )


def fit_to_model(request: Request) -> Request:
    """Return *request* without the defaults that its model refuses.

    A temperature that is a default is dropped where the model takes none, or takes none beside
    top_p; a length that is a default is lowered to the longest that the model can write.
    """
    able = abilities(request.model)
    other = able.only_one_sampling and not {"top_p", "topP"}.isdisjoint(request.options)
    if "temperature" in request.defaulted and (other or not able.temperature):
        request = replace(request, temperature=None)
    limit, length = able.max_output, request.max_tokens
    if "max_tokens" in request.defaulted and limit is not None and (length or 0) > limit:
        request = replace(request, max_tokens=limit)
    return request


def modes_for(request: Request) -> tuple[Mode, ...]:
    """Return the output modes that the request's model takes, strongest first.

    Claude refuses a forced tool while it thinks.
    """
    able = abilities(request.model)
    effort = request.options.get("reasoning_effort", "none")
    if effort == "none" or able.features.reasoning_control not in ("budget", "adaptive"):
        return able.modes
    return tuple(mode for mode in able.modes if mode != "tool")


def most_image_tokens(model: str) -> int | None:
    """Return the most tokens that one image takes of a Claude; None for another model.

    From 4.7 on it sees more closely (Anthropic, "Vision").
    """
    version = claude_version(abilities(model).model)
    if version is None:
        return None
    return 1_600 if version < (4, 7) else 4_800


def lacking(request: Request) -> str:
    """Return what the request's model is known not to do of what it needs, or ""."""
    return Needs.of(request).lacking(abilities(request.model).features)


def provider_of(model: str) -> Provider:
    """Return the provider that has ids such as *model*."""
    return (
        "bedrock"
        if model.startswith("arn:") or re.match(_BEDROCK, split_profile(model)[0])
        else "groq"
    )
