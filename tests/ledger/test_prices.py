"""Whose price counts: the host's own, the catalogue's, a library's, or none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from services.llm import models
from services.llm.account import shared_settings
from services.llm.account.registry import money_budgets
from services.llm.models import prices
from services.llm.models.catalogue import Price
from services.llm.settings.knobs import Knobs
from services.llm.types import Usage

USAGE = Usage(1_000_000, 500_000, 1_500_000, cached_input_tokens=200_000, reported=True)
KNOWN = "openai/gpt-oss-120b"


@pytest.fixture(autouse=True)
def _no_prices_of_others(own_prices: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    prices._library.cache_clear()
    yield
    prices._library.cache_clear()


def test_a_hosts_own_price_comes_first_and_holds_for_every_tier() -> None:
    models.add_own_prices(models.parse_prices(f'{{"{KNOWN}": {{"input": 2, "output": 4.0}}}}'))
    assert 4.0 == models.cost(KNOWN, USAGE)
    assert 4.0 == models.cost(KNOWN, USAGE, "flex")


def test_the_first_price_of_a_model_stays_and_another_is_told_of_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_settings, "_known", set())
    first = '{"m": {"input": 1, "output": 2}}'
    for own in (first, first, '{"m": {"input": 3, "output": 4}, "n": {"input": 5, "output": 6}}'):
        for _ in range(2):
            money_budgets(Knobs(LLM_PRICES=own))
    assert (2.0, 8.0) == (models.cost("m", USAGE), models.cost("n", USAGE))
    kept, other = Price(input=1, output=2), Price(input=3, output=4)
    assert [
        f"LLM_PRICES gives {kept} for another client of this process, and stays so for 'm':"
        f" {other} is ignored here"
    ] == caplog.messages


def test_a_price_of_what_was_cached_is_taken() -> None:
    own = '{"m": {"input": 1, "output": 0, "cached_input": 0.1, "cache_write": 2}}'
    models.add_own_prices(models.parse_prices(own))
    assert 0.82 == models.cost("m", USAGE)


def test_a_price_of_a_bedrock_model_holds_for_its_profiles() -> None:
    models.add_own_prices({"anthropic.claude-x": Price(1.0, 1.0)})
    assert 1.5 == models.cost("eu.anthropic.claude-x", USAGE)


def test_no_price_is_made_up() -> None:
    assert models.cost("nobody/knows", USAGE) is None
    assert models.most_cost("nobody/knows", 10, 10) is None
    assert models.cost(KNOWN, Usage()) is None


@pytest.mark.parametrize(("model", "provider"), [("new/model", "groq"), ("meta.new-v9:0", "aws")])
def test_a_library_is_asked_for_what_the_catalogue_does_not_know(
    model: str, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def calc_price(usage: Any, *, model_ref: str, provider_id: str) -> Any:
        assert (model, provider) == (model_ref, provider_id)
        assert (1_000_000, 200_000) == (usage.input_tokens, usage.cache_read_tokens)
        return SimpleNamespace(total_price=Decimal("0.25"))

    library = SimpleNamespace(Usage=SimpleNamespace, calc_price=calc_price)
    monkeypatch.setitem(sys.modules, "genai_prices", library)
    assert 0.25 == models.cost(model, USAGE)


def test_a_library_that_does_not_know_either_leaves_it_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def calc_price(*_: Any, **__: Any) -> Any:
        raise LookupError("Unable to find model")

    library = SimpleNamespace(Usage=SimpleNamespace, calc_price=calc_price)
    monkeypatch.setitem(sys.modules, "genai_prices", library)
    assert models.cost("nobody/knows", USAGE) is None


def test_the_most_that_a_call_can_cost_has_its_input_written_to_a_cache() -> None:
    models.add_own_prices({"m": Price(1.0, 2.0, cache_write=1.25), "n": Price(1.0, 2.0, 0.1, 0.5)})
    assert 3.25 == models.most_cost("m", 1e6, 1e6)
    assert 3.0 == models.most_cost("n", 1e6, 1e6)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "nonsense",
        '{"m": 1}',
        '{"m": {"input": 1}}',
        '{"m": {"input": 1, "output": "2"}}',
        '{"m": {"input": 1, "output": true}}',
        '{"m": {"input": 1, "output": -1}}',
        '{"m": {"input": 1, "output": NaN}}',
        '{"m": {"input": 1, "output": 1e7}}',
        f'{{"m": {{"input": 1, "output": {10**400}}}}}',
        '{"m": {"input": 1, "output": Infinity}}',
        '{"m": {"input": 1, "output": 1, "input": 2}}',
        '{"m": {"input": 1, "output": 1}, "m": {"input": 2, "output": 2}}',
        '{"m": {"input": 1, "output": 1, "per_call": 1}}',
    ],
)
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"give|Expecting"):
        models.parse_prices(text)


def test_a_tier_of_bedrock_that_has_other_prices_is_unknown() -> None:
    assert models.cost("amazon.nova-pro-v1:0", USAGE, "priority") is None
