"""What an attempt takes before it is sent, and how all of it is given back, in one place."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import ExitStack

from .account import Account
from .budget import Booking
from .demand import owed, seen_by, taken
from .errors import LLMError
from .quota import Demand, Ticket
from .types import Reply


class Admission:
    """One attempt's tokens of the day, its ticket of every limit and its place on the wire.

    Whoever makes one calls `close` in a `finally`, once: what has been taken by then is settled
    by what the attempt spent, or given back.
    """

    def __init__(self, account: Account, demand: Demand) -> None:
        self.demand = demand
        self.booking = Booking(int(demand["tokens"]))
        self.ticket: Ticket | None = None
        self.place: Future[None] | None = None
        #: Done once the day's budget says what the attempt spent; None: it does already.
        self.written: Future[None] | None = None
        self._account = account
        self._sent: float | None = None
        self._model = ""
        self._reply: Reply | None = None
        self._error: LLMError | None = None

    @property
    def lane(self) -> str:
        """The lane that carries the attempt, once it is reserved."""
        assert self.ticket is not None, "nothing is reserved yet"
        return self.ticket.lane

    def start(self) -> float:
        """Count the attempt as sent from now on, or return how many seconds to wait."""
        assert self.ticket is not None, "nothing is reserved yet"
        return self._account.quota.start(self.ticket, self._account.now())

    def send(self, model: str) -> float:
        """Note that the attempt goes out now to *model*, and return the moment."""
        self._model, self._sent = model, self._account.now()
        return self._sent

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
            self._account.gate.leave(place)

    def close(self) -> None:
        """Give back what is still held; each part whatever becomes of the others."""
        with ExitStack() as steps:
            steps.callback(self._settle_tokens)
            steps.callback(self.cancel)

    def _end_ticket(self) -> None:
        account, ticket, now = self._account, self.ticket, self._account.now()
        self.ticket = None
        if ticket is None:
            return
        if not ticket.is_started:
            account.unbook(ticket, now)
        elif self._sent is None:
            account.withdraw(ticket, now)
        elif self._reply is None and self._error is None:
            account.lose(ticket, now)
        else:
            spent = taken(self._model, self._reply, self._error)
            account.quota.settle(ticket, spent, seen_by(self._reply, self._sent, now), now)

    def _settle_tokens(self) -> None:
        if self._account.budget is None:
            return
        spent = 0
        if self._reply is not None or self._error is not None:
            spent = owed(self.booking.tokens, self._reply, self._error)
        self.written = self._account.budget.settle(self.booking, spent, self._account.wall())
