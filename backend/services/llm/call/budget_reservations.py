"""What one attempt reserves of the day's budgets: tokens, and money."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial

from ..account.account import Account
from ..account.daily_budget import BudgetReservation, DailyBudget
from ..account.money_budgets import MoneyBudget, reserved_cost, spent_cost
from ..effects import Effects, Overdue, run_blocking, sleep
from ..errors import LLMError
from ..quota import Demand
from ..types import Reply
from .call import Call
from .demand import budget_spent


class BudgetReservations:
    """Amounts that are reserved of each budget of a call, and settled together.

    *tokens* are those of the request, as estimated, and of the longest answer: a limit's *demand*
    is more, since a provider may count a few beside the text.
    """

    def __init__(self, account: Account, model: str, demand: Demand, tokens: int) -> None:
        self._account = account
        self._model = model
        self._demand = demand
        self._tokens = tokens
        self._reservations: list[tuple[DailyBudget, BudgetReservation]] = []
        #: Done once threads have settled them; none where that is done already.
        self._settled: list[Future[None]] = []

    def reserve(self, call: Call) -> Effects[None]:
        """Reserve of each budget, or raise what the first one that has too little left says."""
        for budget, amount in self._amounts(call):
            reservation = BudgetReservation(amount)
            self._reservations.append((budget, reservation))
            reserve = partial(budget.reserve, reservation, self._account.wall())
            try:
                # The budget may be shared with other processes, through a file or a server.
                yield from run_blocking(
                    reserve, call.time_left(), "budget", blocks=budget.is_blocking
                )
            except Overdue:
                raise call.deadline_error() from None

    def settle(self, reply: Reply | None, error: LLMError | None, part: Demand) -> None:
        """Correct each budget by what was spent; *part* estimates what a broken stream has."""
        for budget, reservation in self._reservations:
            if reservation.is_over:
                continue  # before an interrupt
            reserved = reservation.amount
            if isinstance(budget, MoneyBudget):
                failed = error is not None
                spent = spent_cost(reserved, self._model, reply, failed, part)
            else:
                spent = budget_spent(reserved, reply, error)
                if not (reply and reply.usage.reported):
                    spent = int(part.get("tokens", spent))
            settled = budget.settle(reservation, spent, self._account.wall())
            if settled is not None:
                self._settled.append(settled)

    def wait_until_settled(self, call: Call) -> Effects[None]:
        """Wait until what was settled is counted, in a file or on a server."""
        for settled in self._settled:
            # A thread writes it, so that it is written even if the call is cancelled here.
            yield from sleep(call.time_left(), "budget", settled)

    def _amounts(self, call: Call) -> Iterator[tuple[DailyBudget, int]]:
        """The budgets of the call, and what it may take of each at most."""
        if self._account.budget is not None:
            yield self._account.budget, self._tokens
        if self._account.money is not None:
            for budget in self._account.money.of(call.policy.tags):
                yield budget, reserved_cost(self._model, self._demand)
