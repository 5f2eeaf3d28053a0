"""Budgets in US dollars a UTC day: one for all calls, and one for each value of a tag."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from .. import models
from ..errors import ConfigurationError, InvalidRequestError
from ..frozen import dataclass
from ..ledger.usage import NANO, in_dollars
from ..quota import Demand
from ..runtime.fork import ForkLock
from ..types import Reply
from .daily_budget import BudgetReservation, DailyBudget, DayCounter

#: Budgets that `*` has made and that are kept in memory; a count on disk or in Redis stays.
_MOST_BUDGETS = 10_000
#: The largest budget, in US dollars: what a counter can hold.
_MOST_DOLLARS = 900_000.0


class MoneyBudget(DailyBudget):
    """At most so many nano-dollars a UTC day, for all calls or for those of one tag's value."""

    def __init__(self, amount: int, counter: DayCounter, of: str = "") -> None:
        super().__init__(amount, counter)
        #: "" for that of all calls, else the tag's name and value.
        self.name = of
        self._of = f" of {of}" if of else ""
        self._label = f"daily budget in US dollars{self._of}"
        self._concerns_all_calls = not of

    def reserve(self, reservation: BudgetReservation, now: float) -> None:
        """Reserve as `DailyBudget` does; InvalidRequestError for more than the whole budget."""
        if reservation.amount > self.amount:
            raise self._too_much(reservation)
        super().reserve(reservation, now)

    def _too_much(self, reservation: BudgetReservation) -> InvalidRequestError:
        if self.amount:
            whole = f"the whole daily budget of US${in_dollars(self.amount, 0)}{self._of}"
            return InvalidRequestError(
                f"{reservation.what} may cost US${in_dollars(reservation.amount)}, more than"
                f" {whole}: lower max_tokens, ask for less, or raise the budget"
            )
        error = InvalidRequestError(
            f"the {self._label} is 0: no call that costs anything is sent, on any day"
        )
        error.concerns_all_calls = self._concerns_all_calls
        return error

    def _exceeded(self, reservation: BudgetReservation, left: int) -> str:
        return (
            f"Daily budget of US${in_dollars(self.amount, 0)}{self._of} exceeded:"
            f" {reservation.what} may cost US${in_dollars(reservation.amount)},"
            f" US${in_dollars(left)} are left"
        )

    def _shown(self, amount: int) -> str:
        return f"US${in_dollars(amount)}"


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
        counter_of: Callable[[str], DayCounter],
    ) -> None:
        named = {} if amount is None else {"": amount}
        named |= {f"{each.name}={each.value}": each.amount for each in by_tag if each.value != "*"}
        self._counter_of = counter_of
        self._named = {name: self._make(name, each) for name, each in named.items()}
        self._tags = {each.name for each in by_tag}
        #: By tag, what each value may spend that has no budget of its own: that of `*`.
        self._default_amounts = {each.name: each.amount for each in by_tag if each.value == "*"}
        self._lock = ForkLock(leaf=True)  # guards the one below
        #: The budgets of those values, in the order in which they were last used.
        self._others: dict[str, MoneyBudget] = {}

    def of(self, tags: Mapping[str, str]) -> list[MoneyBudget]:
        """Return the budgets of a call with *tags*: of a tag, the one that names its value."""
        found = [self._named[""]] if "" in self._named else []
        for tag, value in tags.items():
            name = f"{tag}={value}"
            # "a=b=c" names the tag "a" of "b=c", and not "a=b" of "c".
            if tag in self._tags and name in self._named:
                found.append(self._named[name])
            elif tag in self._default_amounts:
                found.append(self._other(name, self._default_amounts[tag]))
        return found

    def correct(self, name: str, more: int, day: str, now: float) -> None:
        """Add *more* nano-dollars to what *day* has spent of the budget of that name."""
        with self._lock:
            budget = self._named.get(name) or self._others.get(name)
        budget = budget or self._make(name, 0)
        budget.correct(more, day, now)

    def _other(self, name: str, amount: int) -> MoneyBudget:
        with self._lock:
            budget = self._others.pop(name, None) or self._make(name, amount)
            self._others[name] = budget
            if len(self._others) > _MOST_BUDGETS:
                del self._others[next(iter(self._others))]
            return budget

    def _make(self, name: str, amount: int) -> MoneyBudget:
        return MoneyBudget(amount, self._counter_of(name), name)


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
    if math.isfinite(dollars) and 0 <= dollars <= _MOST_DOLLARS:
        nano = round(dollars * NANO)
        if nano or not dollars:
            return nano
    raise ConfigurationError(
        f"{knob} is {dollars!r}: give US dollars from 0 to {_MOST_DOLLARS:,.0f}, of at most nine"
        " digits after the point"
    )


def parse_tag_budgets(text: str) -> tuple[TagBudget, ...]:
    """Return the budgets in `tenant=acme:5, tenant=*:0.5`; ConfigurationError for other texts."""
    budgets: dict[tuple[str, str], TagBudget] = {}
    for part in filter(str.strip, text.split(",")):
        budget = _tag_budget(part.strip())
        if budgets.setdefault((budget.name, budget.value), budget) is not budget:
            raise ConfigurationError(
                f"LLM_TAG_BUDGETS_USD names {budget.name}={budget.value} twice: give it one budget"
            )
    if text.strip() and not budgets:
        raise _no_tag_budget(text)
    return tuple(budgets.values())


def _tag_budget(part: str) -> TagBudget:
    tag, _, dollars = part.rpartition(":")
    name, _, value = (each.strip() for each in tag.partition("="))
    try:
        number = float(dollars)
    except ValueError:
        number = math.nan
    # "a=b:5;c=d:1" would be one budget of a value that no call has.
    if not (name and value) or math.isnan(number) or "=" in value.partition(";")[2]:
        raise _no_tag_budget(part)
    return TagBudget(name, value, nano_dollars("LLM_TAG_BUDGETS_USD", number))


def _no_tag_budget(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"LLM_TAG_BUDGETS_USD has {text!r}: give name=value:dollars, separated by commas, such as"
        " tenant=acme:5, tenant=*:0.5"
    )
