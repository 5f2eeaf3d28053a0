"""What one attempt took is given back once, whoever gives it back first."""

from __future__ import annotations

from services.llm.admission import Admission
from services.llm.quota import Ticket
from tests.engine.calls import MODEL
from tests.engine.scripted import Clock, account


def test_what_was_given_back_already_is_not_given_back_again() -> None:
    clock = Clock()
    to = account(clock)
    attempt = Admission(to, {"requests": 1, "tokens": 5})
    ticket = to.quota.reserve(MODEL, attempt.demand, clock.now)
    assert isinstance(ticket, Ticket)
    attempt.ticket, attempt.place = ticket, to.gate.enter()
    attempt.cancel()
    attempt.cancel()
    attempt.close()
