"""What the prompts of a provider's batch may take of the day's budgets, file by file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from ..account.account import Account
from ..account.daily_budget import BudgetReservation, DailyBudget
from ..account.money_budgets import MoneyBudget, reserved_cost
from ..call.demand import max_demand
from ..effects import Effects, Overdue, run_blocking
from ..errors import LLMTimeoutError
from ..stores import utc_day
from ..types import Request
from .batch_note import BatchNote
from .pricing import DISCOUNT

#: Seconds that a budget's count may take.
_TIMEOUT = 60.0


class MaxUse(NamedTuple):
    """What one prompt can take at most: tokens, and nano-dollars of each of *budgets*."""

    tokens: int = 0
    cost: int = 0
    budgets: tuple[MoneyBudget, ...] = ()


@dataclass
class _FileReservations:
    """What the prompts of one file may take, and what is reserved of the budgets for it."""

    note: BatchNote = field(default_factory=BatchNote)
    budgets: dict[str, MoneyBudget] = field(default_factory=dict)
    reservations: list[tuple[DailyBudget, BudgetReservation]] = field(default_factory=list)


class BatchReservations:
    """Reserves the most that each file can cost, before any of them is submitted.

    What a submitted file holds stays reserved until its results are read: its note says how much.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        #: By the file's token.
        self._files: dict[str, _FileReservations] = {}

    def max_use(self, request: Request, tags: Mapping[str, str]) -> MaxUse:
        """Return the most that *request* can take of the budgets.

        Raises ConfigurationError for a model whose price is not known, under a budget in money.
        """
        account = self._account
        budgets = account.money.of(tags) if account.money is not None else []
        if account.budget is None and not budgets:
            return MaxUse()
        estimate = account.estimator.estimate(request)
        demand = max_demand(request, estimate.tokens)
        whole = estimate.tokens + int(demand["output_tokens"])
        tokens = whole if account.budget is not None else 0
        cost = math.ceil(reserved_cost(request.model, demand) * DISCOUNT) if budgets else 0
        return MaxUse(tokens, cost, tuple(budgets))

    def add(
        self, token: str, index: int, model: str, tags: Mapping[str, str], max_use: MaxUse
    ) -> None:
        """Add the prompt of that *index* to the file of that *token*."""
        file = self._files.setdefault(token, _FileReservations())
        file.note.add(index, model, tags)
        file.note.reserve(max_use.tokens, {budget.name: max_use.cost for budget in max_use.budgets})
        file.budgets.update((budget.name, budget) for budget in max_use.budgets)

    def reserve(self) -> Effects[None]:
        """Reserve for all files, or raise what the first budget that has too little left says."""
        # All on one day, though midnight may pass: the note names the day to be corrected.
        now = self._account.wall()
        for file in self._files.values():
            file.note.day = utc_day(now)
            for budget, amount in self._amounts(file):
                reservation = BudgetReservation(amount, what="the batch")
                file.reservations.append((budget, reservation))
                reserve = partial(budget.reserve, reservation, now)
                try:
                    yield from run_blocking(reserve, _TIMEOUT, "budget", blocks=budget.is_blocking)
                except Overdue:
                    raise LLMTimeoutError(
                        f"The day's budget was not counted within {_TIMEOUT:g} seconds"
                    ) from None

    def keep(self, token: str) -> BatchNote:
        """Return the note of a file that is submitted, whose reservations stay."""
        return self._files.pop(token).note

    def cancel(self) -> None:
        """Give back what is reserved for files that are not submitted; does not block."""
        files, self._files = self._files, {}
        for file in files.values():
            for budget, reservation in file.reservations:
                budget.settle(reservation, 0, self._account.wall())

    def _amounts(self, file: _FileReservations) -> Iterator[tuple[DailyBudget, int]]:
        if self._account.budget is not None:
            yield self._account.budget, file.note.tokens
        for name, budget in file.budgets.items():
            yield budget, file.note.money[name]
