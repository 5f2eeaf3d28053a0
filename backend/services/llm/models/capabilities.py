"""What each model can do, is limited to and costs, and what replaced it; see `AS_OF`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from ..types import Mode, Provider, Request, Usage
from .catalogue import (
    AS_OF,
    BEDROCK,
    DISCONTINUED,
    GROQ,
    REPLACEMENTS,
    VISION_MODELS,
    VISION_REPLACEMENTS,
    FreePlan,
    Price,
)

_PROFILE = r"(us-gov|us|eu|apac|jp|au|ca|global)\.(?=[a-z0-9-]+\.)"

#: A Bedrock id begins with its vendor's name and a dot; Groq's hold a slash or neither.
_BEDROCK = (
    r"(?:anthropic|meta|mistral|amazon|openai|cohere|ai21|deepseek|qwen|moonshot|moonshotai|zai"
    r"|minimax|writer|google|nvidia|stability)\."
)

# The six that hosts ask through `invoke_model` and mock: they keep to the plain prompt.
_PROMPT_MODELS = r"anthropic\.claude-(?:3-(?:sonnet|haiku|opus)|v2|instant)|mistral\.mixtral"
_CLAUDE = r"anthropic\.claude-(?:[a-z]+-)?(\d+)(?:-(\d{1,2})(?!\d))?"

# Bedrock's forms; those of the Groq models that are known stand in their rows.
_PROMPT_ONLY: tuple[Mode, ...] = ("prompt",)
_TOOL: tuple[Mode, ...] = ("tool", "prompt")
_STRICT: tuple[Mode, ...] = ("strict", "tool", "prompt")
#: Of a Groq model nothing is known: what almost every one there takes.
_GROQ_MODES: tuple[Mode, ...] = ("tool", "object", "prompt")

#: The context of Groq's classifiers, in tokens.
_CLASSIFIER_CONTEXT = 512
#: How many models are named where one is to be chosen.
_MAX_SUGGESTIONS = 3


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
    return sized._replace(thinks="gpt-oss" in name or "qwq" in name or "deepseek-r1" in name)


def _on_bedrock(name: str) -> Abilities:
    context, output, price, burndown = BEDROCK.get(name, (None, None, None, 1))
    sized = Abilities(
        *(name, "bedrock", name in BEDROCK, context, output),
        price=price,
        burndown=burndown,
    )
    if re.match(_PROMPT_MODELS, name):
        return sized
    if version := _claude_version(name):
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


def _claude_version(name: str) -> tuple[int, int] | None:
    found = re.match(_CLAUDE, name)
    return (int(found[1]), int(found[2] or 0)) if found else None


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


def successor(model: str, region: str | None = None) -> str | None:
    """Return the model that replaced *model* and is in service, or None."""
    return next(successors(Request(model, ()), provider_of(model), region), None)


def successors(request: Request, provider: Provider, region: str | None = None) -> Iterator[str]:
    """Yield the models of *provider* that can replace the request's, the nearest first.

    Each can do what the request needs. On Bedrock it is named as it is called from *region*:
    through the geography's profile where the model needs one; the caller's own profile is kept.
    """
    model = request.model
    if provider_of(model) != provider:
        return
    name, profile = split_profile(model)
    for candidate in _replacements(name, sees=_has_images(request)):
        if is_alive(candidate) and _is_suitable(candidate, request):
            called = _callable_id(candidate, profile, region or _region(model))
            if called is not None:
                yield called


def advice(request: Request, provider: Provider, region: str | None = None) -> str:
    """Return a hint at models to choose for an error about a missing model, or "".

    An empty text if only this id is unknown: the caller knows best which model was meant.
    """
    prefix, _, rest = request.model.partition("/")
    if prefix == provider and (rest in GROQ or split_profile(rest)[0] in BEDROCK):
        return f" (here its id is {rest}, without {prefix}/)"  # LiteLLM has it before each id
    name, _ = split_profile(request.model)
    foreign = provider_of(request.model) != provider and (name in GROQ or name in BEDROCK)
    if not foreign and is_alive(request.model):
        return ""
    known = (each for each in (GROQ if provider == "groq" else BEDROCK) if is_alive(each))
    fit = [_callable_id(each, None, region) for each in known if _is_suitable(each, request)]
    such = ", ".join([each for each in fit if each][:_MAX_SUGGESTIONS])
    needs = " that sees images" if _has_images(request) else ""
    whose = f"it is a model of {provider_of(request.model).capitalize()}'s; " if foreign else ""
    return f" ({whose}choose a model{needs}, such as {such})"


def provider_of(model: str) -> Provider:
    """Return the provider that has ids such as *model*."""
    return (
        "bedrock"
        if model.startswith("arn:") or re.match(_BEDROCK, split_profile(model)[0])
        else "groq"
    )


def _replacements(name: str, *, sees: bool) -> Iterator[str]:
    while name in REPLACEMENTS:
        name = (sees and VISION_REPLACEMENTS.get(name)) or REPLACEMENTS[name][1]
        yield name


def _is_suitable(name: str, request: Request) -> bool:
    """Whether the model can do what *request* needs, as far as the caller has set it."""
    able = abilities(name)
    if _has_images(request) and not _accepts_images(name):
        return False
    requested = {"temperature", "max_tokens"} - request.defaulted
    if "temperature" in requested and request.temperature is not None and not able.temperature:
        return False
    length = request.max_tokens or 0 if "max_tokens" in requested else 1
    # A classifier writes only a label, and answers no prompt.
    return (able.max_output or length) >= length and able.context != _CLASSIFIER_CONTEXT


def _accepts_images(name: str) -> bool:
    version = _claude_version(name)
    return name in VISION_MODELS or (
        version is not None and version >= (3, 0) and "3-5-haiku" not in name
    )


def _has_images(request: Request) -> bool:
    contents = [message.get("content") for message in request.messages]
    parts = [part for content in contents if isinstance(content, (list, tuple)) for part in content]
    return any(isinstance(part, Mapping) and _is_image(part) for part in parts)


def _is_image(part: Mapping[str, Any]) -> bool:
    return "image" in part or part.get("type") in ("image_url", "image", "input_image")


def is_alive(model: str) -> bool:
    """Whether *model* had not been shut down by `AS_OF`."""
    name, _ = split_profile(model)
    shutdown = REPLACEMENTS[name][0] if name in REPLACEMENTS else None
    return name not in DISCONTINUED and (shutdown is None or shutdown > AS_OF)


def _region(model: str) -> str | None:
    return (model.split(":")[3] or None) if model.startswith("arn:") else None


def _callable_id(name: str, profile: str | None, region: str | None) -> str | None:
    region = region or "us-east-1"
    if name.startswith("anthropic."):
        # `apac` ends with Claude 4; later profiles there are Japan's, Australia's or the world's.
        kept = profile if profile not in (None, "apac") else _geography(region)
        return f"{kept}.{name}"
    if name.startswith("meta."):
        # Llama's profiles span the United States alone.
        return f"us.{name}" if _geography(region) == "us" else None
    return name


def _geography(region: str) -> str:
    if region.startswith("us-gov-"):
        return "us-gov"
    if region.startswith(("us-", "eu-")):
        return region[:2]
    countries = {"ap-northeast-1": "jp", "ap-northeast-3": "jp"}
    countries |= {"ap-southeast-2": "au", "ap-southeast-4": "au"}
    return countries.get(region, "global")


def cost(model: str, usage: Usage) -> float | None:
    """US dollars that *usage* cost at the list price, or None where that is not known.

    What of the input was read from the provider's cache or written to it has its own price. Not
    included: tiers (priority, flex, batch), discounts, and cache writes for an hour.
    """
    able = abilities(model)
    price = able.price
    if price is None or not usage.reported:
        return None
    read, written = usage.cached_input_tokens, usage.cache_write_input_tokens
    dollars = (
        max(0, usage.input_tokens - read - written) * price.input
        + read * (price.input if price.cached_input is None else price.cached_input)
        + written * (price.input if price.cache_write is None else price.cache_write)
        + usage.output_tokens * price.output
    ) / 1e6
    total = dollars if split_profile(model)[1] == "global" else dollars * (1 + price.surcharge)
    # Prices have few digits: anything below 1e-12 is a rounding error.
    return round(total, 12)
