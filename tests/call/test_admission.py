"""What one attempt took is given back once, whoever gives it back first."""

from __future__ import annotations

from services.llm.account.token_estimator import Estimate
from services.llm.call.admission import Admission
from services.llm.quota import Reservation
from tests.call.calls import MODEL
from tests.call.scripted import Clock, account


def test_what_was_given_back_already_is_not_given_back_again() -> None:
    clock = Clock()
    to = account(clock)
    attempt = Admission(to, {"requests": 1, "tokens": 5}, Estimate(MODEL, (), 5))
    reservation = to.quota.reserve(MODEL, attempt.demand, clock.now)
    assert isinstance(reservation, Reservation)
    attempt.reservation, attempt.permit = reservation, to.concurrency.acquire()
    attempt.cancel()
    attempt.cancel()
    attempt.close()
