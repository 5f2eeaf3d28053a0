"""What an attempt takes before it is sent, and how all of it is given back, in one place."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import ExitStack

from ..account.account import Account
from ..account.daily_budget import BudgetReservation
from ..errors import LLMError
from ..quota import Demand, Reservation
from ..types import Reply
from .demand import owed, received_by, taken


class Admission:
    """One attempt's tokens of the day, its ticket of every limit and its place on the wire.

    Whoever makes one calls `close` in a `finally`, once: what has been taken by then is settled
    by what the attempt spent, or given back.
    """

    def __init__(self, account: Account, demand: Demand) -> None:
        self.demand = demand
        self.booking = BudgetReservation(int(demand["tokens"]))
        self.reservation: Reservation | None = None
        self.place: Future[None] | None = None
        #: Done once the day's budget says what the attempt spent; None: it does already.
        self.written: Future[None] | None = None
        self._account = account
        self._send: float | None = None
        self._model = ""
        self._reply: Reply | None = None
        self._error: LLMError | None = None

    @property
    def scope(self) -> str:
        """The lane that carries the attempt, once it is reserved."""
        assert self.reservation is not None, "nothing is reserved yet"
        return self.reservation.scope

    def start(self) -> float:
        """Count the attempt as sent from now on, or return how many seconds to wait."""
        assert self.reservation is not None, "nothing is reserved yet"
        return self._account.quota.start(self.reservation, self._account.now())

    def send(self, model: str) -> float:
        """Note that the attempt goes out now to *model*, and return the moment."""
        self._model, self._send = model, self._account.now()
        return self._send

    def end(self, reply: Reply | None, error: LLMError | None = None) -> None:
        """Note what came of the attempt, by which it is settled."""
        self._reply, self._error = reply, error

    def cancel(self) -> None:
        """Give back the ticket and the place, but not the tokens of the day."""
        with ExitStack() as steps:
            steps.callback(self._end_ticket)
            steps.callback(self.leave)

    def leave(self) -> None:
        """Give back the place on the wire, or the wait for it."""
        place, self.place = self.place, None
        if place is not None:
            self._account.concurrency.leave(place)

    def close(self) -> None:
        """Give back what is still held; each part whatever becomes of the others."""
        with ExitStack() as steps:
            steps.callback(self._settle_tokens)
            steps.callback(self.cancel)

    def _end_ticket(self) -> None:
        account, reservation, now = self._account, self.reservation, self._account.now()
        self.reservation = None
        if reservation is None:
            return
        if not reservation.is_started:
            account.cancel(reservation, now)
        elif self._send is None:
            account.withdraw(reservation, now)
        elif self._reply is None and self._error is None:
            account.settle_unknown(reservation, now)
        else:
            spent = taken(self._model, self._reply, self._error)
            account.quota.settle(reservation, spent, received_by(self._reply, self._send, now), now)

    def _settle_tokens(self) -> None:
        if self._account.budget is None:
            return
        spent = 0
        if self._reply is not None or self._error is not None:
            spent = owed(self.booking.tokens, self._reply, self._error)
        self.written = self._account.budget.settle(self.booking, spent, self._account.wall())
