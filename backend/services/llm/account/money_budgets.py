"""Budgets in US dollars a UTC day: one for all calls, and one for each value of a tag."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from .. import models
from ..errors import ConfigurationError, InvalidRequestError
from ..frozen import dataclass
from ..ledger.usage import NANO
from ..quota import Demand
from ..runtime.fork import ForkLock
from ..types import Reply
from .daily_budget import BudgetReservation, DailyBudget, TokenCounter

#: Budgets by name that are kept in memory; their counts are kept by their counters.
_MOST_BUDGETS = 10_000
#: The largest budget, in US dollars: what a counter can hold.
_MOST_DOLLARS = 900_000.0


class MoneyBudget(DailyBudget):
    """At most so many nano-dollars a UTC day, for all calls or for those of one tag's value."""

    def __init__(self, amount: int, counter: TokenCounter, of: str = "") -> None:
        super().__init__(amount, counter)
        #: "" for that of all calls, else the tag's name and value.
        self.name = of
        self._of = f" of {of}" if of else ""
        self._name = f"daily budget in US dollars{self._of}"
        self._concerns_all_calls = not of

    def reserve(self, reservation: BudgetReservation, now: float) -> None:
        """Reserve as `DailyBudget` does; InvalidRequestError for more than the whole budget."""
        if reservation.amount > self.amount > 0:
            raise InvalidRequestError(
                f"the call may cost US${reservation.amount / NANO:.6f}, more than the whole daily"
                f" budget of US${self.amount / NANO:g}{self._of}: lower max_tokens, shorten the"
                " prompt, or raise the budget"
            )
        super().reserve(reservation, now)

    def _exceeded(self, needed: int, left: int) -> str:
        return (
            f"Daily budget of US${self.amount / NANO:g}{self._of} exceeded: the call may cost"
            f" US${needed / NANO:.6f}, US${left / NANO:.6f} are left"
        )


@dataclass(frozen=True)
class TagBudget:
    """At most *amount* nano-dollars a day for calls whose tag *name* is *value*, "*" for any."""

    name: str
    value: str
    amount: int


class MoneyBudgets:
    """The budgets that a call is held to, by its tags; *counter_of* makes a budget's counter."""

    def __init__(
        self,
        amount: int | None,
        by_tag: tuple[TagBudget, ...],
        counter_of: Callable[[str], TokenCounter],
    ) -> None:
        self._amount = amount
        self._by_tag = by_tag
        self._counter_of = counter_of
        self._lock = ForkLock(leaf=True)  # guards the one below
        self._budgets: dict[str, MoneyBudget] = {}

    def of(self, tags: Mapping[str, str]) -> list[MoneyBudget]:
        """Return the budgets of a call with *tags*: of a tag, the one that names its value."""
        found = [] if self._amount is None else [self._named("", self._amount)]
        for name, value in tags.items():
            rules = [each for each in self._by_tag if each.name == name]
            exact = [each for each in rules if each.value == value]
            for rule in (exact or [each for each in rules if each.value == "*"])[:1]:
                found.append(self._named(f"{name}={value}", rule.amount))
        return found

    def correct(self, name: str, more: int, day: str, now: float) -> None:
        """Add *more* nano-dollars to what *day* has spent of the budget of that name."""
        with self._lock:
            budget = self._budgets.get(name)
        budget = budget or MoneyBudget(0, self._counter_of(name), name)
        budget.correct(more, day, now)

    def _named(self, name: str, amount: int) -> MoneyBudget:
        with self._lock:
            if name not in self._budgets:
                while len(self._budgets) >= _MOST_BUDGETS:
                    del self._budgets[next(iter(self._budgets))]
                self._budgets[name] = MoneyBudget(amount, self._counter_of(name), name)
            return self._budgets[name]


def reserved_cost(model: str, demand: Demand) -> int:
    """Return the most that a request can cost, in nano-dollars.

    Raises ConfigurationError where the price is not known: what cannot be counted is not spent.
    """
    dollars = models.most_cost(model, demand["input_tokens"], demand["output_tokens"])
    if dollars is None and (successor := _successor(model)) is not None:
        dollars = models.most_cost(successor, demand["input_tokens"], demand["output_tokens"])
    if dollars is None:
        raise ConfigurationError(
            f"a budget in US dollars is set, and the price of {model!r} is not known: give it in"
            ' LLM_PRICES, {"model": {"input": 1.0, "output": 2.0}} for a million tokens'
        )
    return math.ceil(dollars * NANO)


def _successor(model: str) -> str | None:
    """The model that answers in place of one that is gone, which has no price any more."""
    return None if models.is_alive(model) else models.successor(model)


def spent_cost(reserved: int, model: str, reply: Reply | None, failed: bool, part: Demand) -> int:
    """Return what an attempt has cost, in nano-dollars, that had *reserved* so much.

    What the provider counted; *part*, an estimate, for a stream that ended early; else nothing for
    a failure, and all that was reserved for an answer.
    """
    if reply is not None and reply.usage.reported:
        dollars = models.cost(reply.model, reply.usage, reply.service_tier)
        return reserved if dollars is None else round(dollars * NANO)
    if "input_tokens" in part and "output_tokens" in part:
        estimate = models.most_cost(model, part["input_tokens"], part["output_tokens"])
        return reserved if estimate is None else min(reserved, round(estimate * NANO))
    return reserved if reply is not None and not failed else 0


def nano_dollars(knob: str, dollars: float) -> int:
    """Return *dollars* in nano-dollars; ConfigurationError names *knob*."""
    if not (math.isfinite(dollars) and 0 <= dollars <= _MOST_DOLLARS):
        raise ConfigurationError(
            f"{knob} is {dollars!r}: give US dollars from 0 to {_MOST_DOLLARS:,.0f}"
        )
    return round(dollars * NANO)


def parse_tag_budgets(text: str) -> tuple[TagBudget, ...]:
    """Return the budgets in `tenant=acme:5, tenant=*:0.5`; ConfigurationError for other texts."""
    budgets = []
    for part in filter(str.strip, text.split(",")):
        tag, colon, dollars = part.strip().rpartition(":")
        name, equals, value = tag.partition("=")
        try:
            number = float(dollars)
        except ValueError:
            number = math.nan
        if not (colon and equals and name and value) or math.isnan(number):
            raise ConfigurationError(
                f"LLM_TAG_BUDGETS_USD has {part.strip()!r}: give name=value:dollars, separated by"
                " commas, such as tenant=acme:5, tenant=*:0.5"
            )
        amount = nano_dollars("LLM_TAG_BUDGETS_USD", number)
        budgets.append(TagBudget(name.strip(), value.strip(), amount))
    return tuple(budgets)
