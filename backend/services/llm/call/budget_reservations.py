"""What one attempt reserves of the day's budgets: tokens, and money."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial

from ..account.account import Account
from ..account.budget_queue import new_turn
from ..account.daily_budget import BudgetReservation, DailyBudget
from ..account.money_budgets import MoneyBudget, reserved_cost, spent_cost
from ..effects import Effects, Overdue, run_blocking, sleep
from ..errors import LLMError, RateLimitError
from ..quota import Demand
from ..types import Reply, Request
from .call import Call
from .demand import budget_spent

#: Seconds after which a call that waits for a budget tries again though no call of this process has
#: ended: calls of other processes may have.
_RETRY_AFTER = 5.0
#: The same where no call of this process is in flight, which could wake it.
_RETRY_ALONE_AFTER = 1.0


class BudgetReservations:
    """Amounts that are reserved of each budget of a call, and settled together.

    *tokens* are those of the *request*, as estimated, and of the longest answer: a limit's *demand*
    is more, since a provider may count a few beside the text.
    """

    def __init__(self, account: Account, request: Request, demand: Demand, tokens: int) -> None:
        self._account = account
        self._model = request.model
        self._turn = new_turn(is_batch=request.priority == "batch")
        self._demand = demand
        self._tokens = tokens
        self._reservations: list[tuple[DailyBudget, BudgetReservation]] = []
        #: Done once threads have settled them; none where that is done already.
        self._settled: list[Future[None]] = []

    def reserve(self, call: Call) -> Effects[None]:
        """Reserve of each budget or of none, waiting while other calls in flight hold too much.

        Raises what the first budget says that has too little left, where the call may not wait, or
        where neither another call of this process is in flight nor other processes give back any.
        """
        waited_for = self._overtaken(call)
        if waited_for is not None:
            yield from self._wait(waited_for, call)
        while True:
            try:
                yield from self._reserve_each(call)
            except RateLimitError as error:
                budget, refused = self._reservations[-1]
                if not refused.may_fit_later or call.quota_wait_left() <= 0:
                    raise
                # Who waits holds nothing, so that no two calls wait for each other.
                self.settle(None, error, {})
                self._reservations.clear()
            else:
                if waited_for is not None:
                    waited_for.queue.wake_next()  # what is left may do for that too
                return
            if refused.held_beside:
                waited_for = budget
                yield from self._wait(budget, call)
            else:
                seconds = min(_RETRY_ALONE_AFTER, call.quota_wait_left())
                yield from call.wait(seconds, "budget")

    def _overtaken(self, call: Call) -> DailyBudget | None:
        """Return a budget for which calls wait that this one is not to overtake, if any."""
        for budget, _ in self._amounts(call):
            if budget.queue.has_before(self._turn):
                return budget
        return None

    def _wait(self, budget: DailyBudget, call: Call) -> Effects[None]:
        waiting = budget.queue.wait(self._turn)
        try:
            yield from call.wait(min(_RETRY_AFTER, call.quota_wait_left()), "budget", waiting)
        except BaseException:
            if waiting.done():
                budget.queue.wake_next()  # in place of this call, which has ended
            raise
        finally:
            budget.queue.leave(waiting)

    def _reserve_each(self, call: Call) -> Effects[None]:
        for budget, amount in self._amounts(call):
            reservation = BudgetReservation(amount)
            self._reservations.append((budget, reservation))
            budget.queue.add(reservation, amount)
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
                _leave(budget, reservation)  # it was settled before an interrupt
                continue
            reserved = reservation.amount
            if isinstance(budget, MoneyBudget):
                failed = error is not None
                spent = spent_cost(reserved, self._model, reply, failed, part)
            else:
                spent = budget_spent(reserved, reply, error)
                if not (reply and reply.usage.reported):
                    spent = int(part.get("tokens", spent))
            settled = budget.settle(reservation, spent, self._account.wall())
            if settled is None:
                _leave(budget, reservation)
            else:
                self._settled.append(settled)
                settled.add_done_callback(partial(_leave, budget, reservation))

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


def _leave(budget: DailyBudget, reservation: BudgetReservation, _: object = None) -> None:
    budget.queue.remove(reservation, gives_back=reservation.held_beside is None)
