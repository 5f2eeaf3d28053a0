"""Prices: the host's own first, then the catalogue's, then those of `genai-prices` if installed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from typing import Any

from ..types import Usage
from .capabilities import abilities, split_profile
from .catalogue import Price

#: Bedrock's service tiers whose prices are not the list's.
_OTHERWISE_PRICED = frozenset({"priority", "flex", "reserved"})
#: The names of a price's parts, as a host gives them.
_PARTS = ("input", "output", "cached_input", "cache_write")
#: Prices have few digits: what a float says beyond these is a rounding error.
_DIGITS = 12
#: The highest price that is plausible, in US dollars for a million tokens.
_MOST = 1e6

#: The host's own prices, of all clients of the process: a model costs what it costs.
_own: dict[str, Price] = {}


def add_own_prices(prices: Mapping[str, Price]) -> dict[str, tuple[Price, Price]]:
    """Take *prices* by model before all others from now on, in the whole process.

    A price that was taken before stays. Return by model what stays and what is ignored for it.
    """
    kept = {model: _own.setdefault(model, price) for model, price in prices.items()}
    return {model: (kept[model], price) for model, price in prices.items() if kept[model] != price}


def parse_prices(text: str) -> dict[str, Price]:
    """Return the prices in a JSON object: {"model": {"input": 1.0, "output": 2.0}}.

    They are in US dollars for a million tokens; `cached_input` and `cache_write` are the input's
    price where they are not named. Raises ValueError that says what is wrong.
    """
    document = json.loads(text, object_pairs_hook=_named_once)
    if not isinstance(document, dict):
        raise ValueError('give a JSON object of models, {"model": {"input": 1.0, "output": 2.0}}')
    return {model: _price(model, parts) for model, parts in document.items()}


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in pairs:
        if name in named:
            raise ValueError(f"give {name!r} once, not twice")
        named[name] = value
    return named


def _price(model: str, parts: Any) -> Price:
    wrong = (
        f'give {{"input": 1.0, "output": 2.0}} for {model!r}, in US dollars for a million tokens'
    )
    if not isinstance(parts, dict) or not {"input", "output"} <= parts.keys() <= set(_PARTS):
        raise ValueError(f"{wrong}; cached_input and cache_write may be added")
    for part in parts.values():
        if type(part) not in (int, float) or not 0 <= part <= _MOST:
            raise ValueError(f"{wrong}, not {part!r}")
    return Price(**parts)


def cost(model: str, usage: Usage, tier: str | None = None) -> float | None:
    """US dollars that *usage* cost, or None where that is not known.

    What of the input was read from the provider's cache or written to it has its own price. Not
    included: discounts, and cache writes for an hour. Of Bedrock's service *tier*s, only the
    default's list prices are known; Groq's cost the same. A host's own price holds for every tier.
    """
    if not usage.reported:
        return None
    if _own and (own := _own.get(model) or _own.get(split_profile(model)[0])) is not None:
        return _dollars(own, usage)
    able = abilities(model)
    if able.provider == "bedrock" and tier in _OTHERWISE_PRICED:
        return None
    if able.price is None:
        return _from_library(split_profile(model)[0], able.provider, usage)
    surcharge = able.price.surcharge
    is_global = bool(surcharge) and split_profile(model)[1] == "global"
    return _dollars(able.price, usage, 0.0 if is_global else surcharge)


def most_cost(model: str, input_tokens: float, output_tokens: float) -> float | None:
    """US dollars that so many tokens cost at most, all of the input being written to a cache."""
    count, more = math.ceil(input_tokens), math.ceil(output_tokens)
    usage = Usage(input_tokens=count, output_tokens=more, reported=True)
    plain = cost(model, usage)
    dearest = cost(model, replace(usage, cache_write_input_tokens=count))
    return max((each for each in (plain, dearest) if each is not None), default=None)


def _dollars(price: Price, usage: Usage, surcharge: float = 0.0) -> float:
    read, written = usage.cached_input_tokens, usage.cache_write_input_tokens
    dollars = (
        max(0, usage.input_tokens - read - written) * price.input
        + read * (price.input if price.cached_input is None else price.cached_input)
        + written * (price.input if price.cache_write is None else price.cache_write)
        + usage.output_tokens * price.output
    ) / 1e6
    return round(dollars * (1 + surcharge), _DIGITS)


@lru_cache(maxsize=1)
def _library() -> Any:
    """The package `genai-prices`, or None where it is not installed."""
    try:
        return import_module("genai_prices")
    except ImportError:
        return None


def _from_library(model: str, provider: str, usage: Usage) -> float | None:
    library = _library()
    if library is None:
        return None
    counted = library.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_input_tokens,
    )
    provider_id = "aws" if provider == "bedrock" else "groq"
    try:
        price = library.calc_price(counted, model_ref=model, provider_id=provider_id)
    except (LookupError, ValueError):  # a model that it does not know, or counts that it refuses
        return None
    return round(float(price.total_price), _DIGITS)
