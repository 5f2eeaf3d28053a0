"""Which model replaces one that was shut down, and is able to do what a request needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..types import Provider, Request
from .capabilities import abilities, lacking, provider_of, split_profile
from .catalogue import AS_OF, BEDROCK, DISCONTINUED, GROQ, REPLACEMENTS, VISION_REPLACEMENTS
from .needs import Needs

#: The context of Groq's classifiers, in tokens.
_CLASSIFIER_CONTEXT = 512
#: How many models are named where one is to be chosen.
_MAX_SUGGESTIONS = 3


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
    for candidate in _replacements(name, sees=Needs.of(request).images > 0):
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
    needs = " that sees images" if Needs.of(request).images > 0 else ""
    whose = f"it is a model of {provider_of(request.model).capitalize()}'s; " if foreign else ""
    return f" ({whose}choose a model{needs}, such as {such})"


def _replacements(name: str, *, sees: bool) -> Iterator[str]:
    while name in REPLACEMENTS:
        name = (sees and VISION_REPLACEMENTS.get(name)) or REPLACEMENTS[name][1]
        yield name


def _is_suitable(name: str, request: Request) -> bool:
    """Whether the model can do what *request* needs, as far as the caller has set it."""
    able = abilities(name)
    if lacking(replace(request, model=name)):
        return False
    requested = {"temperature", "max_tokens"} - request.defaulted
    if "temperature" in requested and request.temperature is not None and not able.temperature:
        return False
    length = request.max_tokens if "max_tokens" in requested else None
    if length is not None and able.max_output is not None and length > able.max_output:
        return False
    # A classifier writes only a label, and answers no prompt.
    return able.context != _CLASSIFIER_CONTEXT


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
