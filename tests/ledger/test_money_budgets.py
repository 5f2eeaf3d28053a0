"""Budgets in US dollars: who is held to which, what a call takes of it, and where it is counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from services.llm import models
from services.llm.account import money_budgets as module
from services.llm.account.daily_budget import BudgetReservation, MemoryDayCounter
from services.llm.account.money_budgets import (
    MoneyBudget,
    MoneyBudgets,
    TagBudget,
    nano_dollars,
    parse_tag_budgets,
    reserved_cost,
    spent_cost,
)
from services.llm.account.money_counters import counters_at
from services.llm.account.registry import money_budgets
from services.llm.errors import ConfigurationError, InvalidRequestError, LLMError, RateLimitError
from services.llm.ledger.usage import NANO
from services.llm.models import prices
from services.llm.models.catalogue import Price
from services.llm.settings.knobs import Knobs
from services.llm.stores import RedisBudget, StoreError
from services.llm.types import Reply, Usage

NOON = 1_795_348_800.0  # 2026-11-22 12:00:00 UTC
DAY = 86_400.0
RULES = parse_tag_budgets("tenant=acme:5, tenant=*:0.5, user=*:1")


@pytest.fixture(autouse=True)
def _one_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "_own", {"m": Price(1.0, 2.0)})


def names(tags: dict[str, str], amount: int | None = None) -> list[str]:
    budgets = MoneyBudgets(amount, RULES, lambda name: MemoryDayCounter())
    return [f"{budget._of}:{budget.amount / NANO:g}" for budget in budgets.of(tags)]


def test_a_call_is_held_to_the_budgets_of_its_tags() -> None:
    assert [] == names({})
    assert [":2"] == names({"team": "x"}, 2 * NANO)
    assert [":2", " of tenant=acme:5"] == names({"tenant": "acme"}, 2 * NANO)
    assert [" of tenant=other:0.5", " of user=ann:1"] == names({"tenant": "other", "user": "ann"})


def test_a_tag_whose_name_holds_an_equals_sign_is_held_to_no_other_tags_budget() -> None:
    budgets = MoneyBudgets(None, parse_tag_budgets("a=b=c:5"), lambda name: MemoryDayCounter())
    assert [["a=b=c"], []] == [
        [each.name for each in budgets.of(tags)] for tags in ({"a": "b=c"}, {"a=b": "c"})
    ]


class Full:
    """A counter whose disk is full."""

    is_blocking = False

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        raise StoreError("the disk is full")


def test_a_budget_that_cannot_be_kept_is_named() -> None:
    budgets = MoneyBudgets(NANO, RULES, lambda name: Full())
    for budget, name in zip(budgets.of({"tenant": "acme"}), ("", " of tenant=acme"), strict=True):
        with pytest.raises(LLMError, match=f"The daily budget in US dollars{name} cannot be kept"):
            budget.reserve(BudgetReservation(1), NOON)


def test_what_is_corrected_is_the_budget_of_that_name_whether_or_not_it_was_asked_for() -> None:
    counters: dict[str, MemoryDayCounter] = {}

    def counter_of(name: str) -> MemoryDayCounter:
        return counters.setdefault(name, MemoryDayCounter())

    budgets = MoneyBudgets(None, RULES, counter_of)
    budgets.of({"tenant": "acme"})
    budgets.correct("tenant=acme", 5, "2026-11-22", NOON)
    budgets.correct("user=ann", 7, "2026-11-22", NOON)
    assert {"tenant=acme": 5, "user=ann": 7} == {
        name: counter.add(0, NOON) for name, counter in counters.items()
    }


def test_budgets_in_memory_are_bounded_but_for_those_that_have_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST_BUDGETS", 3)
    budgets = MoneyBudgets(NANO, RULES, lambda name: MemoryDayCounter())
    for budget in budgets.of({"tenant": "acme", "user": "kept"}):
        budget.reserve(BudgetReservation(7), NOON)
    for n in range(10):
        budgets.of({"user": str(n)})
        budgets.of({"user": "kept"})
    assert ["9", "kept"] == [name.partition("=")[2] for name in budgets._others][-2:]
    assert 3 == len(budgets._others)
    of_all = budgets.of({"tenant": "acme", "user": "kept"})
    assert [7, 7, 7] == [each._counter.add(0, NOON) for each in of_all]


@pytest.mark.parametrize(
    "text",
    [
        *("tenant", "tenant=acme", "tenant:5", "=a:5", "tenant=:5", "a=b:c", "a=b:nan", "a=b:"),
        *(",", " , ,", " =a:5", "a= :5", ":5", "=", "a=b:5;c=d:1", "a=b:5; a=*:1"),
    ],
)
def test_what_is_no_budget_by_tag_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="LLM_TAG_BUDGETS_USD has "):
        parse_tag_budgets(text)


def test_budgets_by_tag_are_read() -> None:
    assert (
        TagBudget("t", "a:b", 5 * NANO),
        TagBudget("t", "a;b", NANO),
        TagBudget("t", "*", 0),
    ) == parse_tag_budgets(" t=a:b:5 , t=a;b:1, t = *:0,,")


@pytest.mark.parametrize("text", ["t=a:5,t=a:1", "t=*:5, t = * : 5", "t=a:1,t=b:2,t=a:1"])
def test_a_budget_that_is_named_twice_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"LLM_TAG_BUDGETS_USD names t=[a*] twice"):
        parse_tag_budgets(text)


@pytest.mark.parametrize("text", ["", "  "])
def test_no_text_is_no_budget_by_tag(text: str) -> None:
    assert () == parse_tag_budgets(text)


@pytest.mark.parametrize("dollars", [-1.0, float("inf"), float("nan"), 1e9, 1e-12, 5e-324])
def test_dollars_out_of_bounds_are_refused(dollars: float) -> None:
    with pytest.raises(ConfigurationError, match=r"KNOB is .*: give US dollars from 0 to 900,000"):
        nano_dollars("KNOB", dollars)


def test_dollars_are_whole_nano_dollars() -> None:
    assert [0, 1, 900_000 * NANO] == [nano_dollars("KNOB", each) for each in (0.0, 1e-9, 9e5)]


def test_a_budget_that_is_used_up_says_what_is_left_until_when() -> None:
    budget = MoneyBudget(NANO, MemoryDayCounter(), "tenant=acme")
    first = BudgetReservation(900_000_000)
    budget.reserve(first, NOON)
    words = (
        "Daily budget of US$1 of tenant=acme exceeded: the call may cost US$0.200000, US$0.100000"
        " are left until 00:00 UTC. Please wait 43200 seconds"
    )
    with pytest.raises(RateLimitError, match=f"^{re.escape(words)}$") as caught:
        budget.reserve(BudgetReservation(200_000_000), NOON)
    assert not caught.value.concerns_all_calls
    assert 43_200 == caught.value.retry_after
    budget.settle(first, 300_000_000, NOON)
    assert MoneyBudget(0, MemoryDayCounter())._concerns_all_calls


def test_an_amount_that_is_not_zero_is_never_shown_as_zero() -> None:
    budget = MoneyBudget(2, MemoryDayCounter())
    budget.reserve(BudgetReservation(1), NOON)
    words = (
        "Daily budget of US$0.000000002 exceeded: the call may cost US$0.000000002, US$0.000000001"
        " are left"
    )
    with pytest.raises(RateLimitError, match=f"^{re.escape(words)}"):
        budget.reserve(BudgetReservation(2), NOON)


def test_a_call_that_no_day_has_room_for_is_refused_for_good() -> None:
    budget = MoneyBudget(NANO, MemoryDayCounter())
    words = "the call may cost US$2.000000, more than the whole daily budget of US$1: lower"
    with pytest.raises(InvalidRequestError, match=re.escape(words)) as caught:
        budget.reserve(BudgetReservation(2 * NANO), NOON)
    assert not caught.value.concerns_all_calls


@pytest.mark.parametrize("of", ["", "tenant=acme"])
def test_a_budget_of_0_says_so_and_asks_nobody_to_wait(of: str) -> None:
    budget = MoneyBudget(0, MemoryDayCounter(), of)
    budget.reserve(BudgetReservation(0), NOON)
    words = "^the daily budget in US dollars( of tenant=acme)? is 0: no call that costs anything"
    with pytest.raises(InvalidRequestError, match=words) as caught:
        budget.reserve(BudgetReservation(1), NOON)
    assert (not of, None) == (caught.value.concerns_all_calls, caught.value.retry_after)


def test_a_call_reserves_the_most_that_it_can_cost() -> None:
    demand = {"input_tokens": 10.0, "output_tokens": 100.0}
    assert 210_000 == reserved_cost("m", demand)  # type: ignore[arg-type]  # of a demand, two units
    with pytest.raises(ConfigurationError, match="the price of 'nobody/knows' is not known: give"):
        reserved_cost("nobody/knows", demand)  # type: ignore[arg-type]  # as above


def test_a_model_that_is_gone_is_reserved_at_its_successors_price() -> None:
    demand, gone = {"input_tokens": 10.0, "output_tokens": 100.0}, "mixtral-8x7b-32768"
    living = models.successor(gone)
    assert living is not None
    expected = reserved_cost(living, demand)  # type: ignore[arg-type]  # of a demand, two units
    assert expected == reserved_cost(gone, demand)  # type: ignore[arg-type]  # as above


def test_an_attempt_is_settled_by_what_is_known() -> None:
    counted = Reply("", "m", "groq", usage=Usage(10, 5, 15, reported=True))
    silent, tiered = Reply("", "m", "groq"), Reply("", "nobody/knows", "groq", usage=counted.usage)
    part = {"input_tokens": 1.0, "output_tokens": 1.0, "tokens": 2.0}
    assert 20_000 == spent_cost(500, "m", counted, True, {})
    assert 500 == spent_cost(500, "m", tiered, False, {})
    assert 500 == spent_cost(500, "m", silent, False, {})
    assert 0 == spent_cost(500, "m", silent, True, {})
    assert 0 == spent_cost(500, "m", None, True, {})
    assert 3_000 == spent_cost(500_000, "m", None, True, part)  # type: ignore[arg-type]  # of a demand, three units
    assert 500 == spent_cost(500, "nobody/knows", None, True, part)  # type: ignore[arg-type]  # of a demand, three units


@pytest.mark.parametrize("kind", ["", "memory", "json", "sqlite", "redis"])
def test_each_budget_is_counted_by_itself_wherever_the_ledger_is(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    urls = {"": "", "memory": "memory:", "redis": ""}
    url = urls.get(kind, f"{kind}:{tmp_path}/usage")
    if kind == "redis":
        url = request.getfixturevalue("redis_url")
        with redis.Redis.from_url(url) as client:
            for name in client.scan_iter("llm-usd:*"):
                client.delete(name)
    make = counters_at(url)
    acme, other = make("tenant=acme"), make("tenant=ü")
    assert [5, 7, 0, 3] == [
        acme.add(5, NOON),
        acme.add(2, NOON),
        other.add(-1, NOON),
        other.add(3, NOON),
    ]
    assert 4 == acme.add(-3, NOON, day="2026-11-22")
    assert [1, 1] == [acme.add(1, NOON + DAY), acme.add(-3, NOON + DAY, day="2026-11-22")]
    is_shared = kind in ("json", "sqlite", "redis")
    assert is_shared == (counters_at(url)("tenant=acme").add(0, NOON + DAY) == 1)
    assert is_shared == acme.is_blocking


def test_an_unknown_ledger_has_no_counters() -> None:
    for url, words in (
        ("ftp://x", "give sqlite"),
        ("redis://h:0", "redis://h:0 is not a Redis"),
        ("sqlite:/", "'/' is a folder"),
    ):
        with pytest.raises(ConfigurationError, match=f"LLM_LEDGER_URL: {words}"):
            counters_at(url)


def test_all_budgets_on_redis_share_their_connections(redis_url: str) -> None:
    make = counters_at(redis_url)
    one, other = make("user=ann"), make("user=bob")
    assert isinstance(one, RedisBudget)
    assert isinstance(other, RedisBudget)
    assert one._server is other._server


@pytest.mark.usefixtures("own_prices")
def test_the_knobs_make_the_budgets() -> None:
    assert money_budgets(Knobs()) is None
    with pytest.raises(ConfigurationError, match="LLM_PRICES: "):
        money_budgets(Knobs(LLM_PRICES="[]"))
    own = '{"p": {"input": 1, "output": 1}}'
    made = money_budgets(Knobs(LLM_DAILY_BUDGET_USD=2, LLM_PRICES=own))
    assert made is not None
    assert [2 * NANO] == [budget.amount for budget in made.of({})]
    assert Price(1, 1) == prices._own["p"]
    tagged = money_budgets(Knobs(LLM_TAG_BUDGETS_USD="t=*:1"))
    assert tagged is not None
    assert [] == tagged.of({})


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), max_size=20))
def test_no_more_is_let_through_than_the_budget_and_nothing_is_lost(
    calls: list[tuple[int, int]],
) -> None:
    counter, spent = MemoryDayCounter(), 0
    budget = MoneyBudget(100, counter)
    for most, used in calls:
        reservation, cost = BudgetReservation(most), min(used, most)
        try:
            budget.reserve(reservation, NOON)
        except (RateLimitError, InvalidRequestError):
            cost = 0
            assert spent + most > 100
        budget.settle(reservation, cost, NOON)
        spent += cost
        assert spent == counter.add(0, NOON) <= 100
