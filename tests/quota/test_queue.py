"""The requests to one scope by themselves: their order, their start times, and who is passed by."""

from __future__ import annotations

import math
import sys
from concurrent.futures import Future

import pytest

from services.llm.limit_types import Priority
from services.llm.quota.charges import Charge
from services.llm.quota.fair_scheduler import FairScheduler
from services.llm.quota.queue import Reservation, ScopeQueue
from services.llm.quota.sliding_window import SlidingWindow
from services.llm.quota.token_bucket import TokenBucketLimit
from services.llm.runtime.waking import wake


def waiting(
    queue: ScopeQueue, at: float, sequence: float, priority: Priority = "interactive"
) -> Reservation:
    """One that waits in *queue*, for one request of each of its limits."""
    charges = [(limit, Charge(1.0, at, sequence)) for limit in queue.limits]
    reservation = Reservation("m", {"requests": 1.0}, at, sequence, charges, priority)
    queue.add(reservation)
    return reservation


def test_nobody_waits_in_a_new_queue() -> None:
    queue = ScopeQueue(())
    stranger = Reservation("m", {}, 1.0, 1.0, [])
    assert (False, (), -math.inf) == (queue.has_waiting, queue.waiting, queue.last_start())
    assert not queue.is_waiting(stranger)
    assert None is queue.next_waiting(0.0)
    with pytest.raises(RuntimeError, match="'m' does not wait to be started"):
        queue.check_is_waiting(stranger)


@pytest.mark.parametrize("priority", ["interactive", "batch"])
def test_one_kind_alone_is_enough_for_somebody_to_wait(priority: Priority) -> None:
    queue = ScopeQueue(())
    one = waiting(queue, 5.0, 1.0, priority)
    queue.check_is_waiting(one)
    assert (True, (one,), 5.0) == (queue.has_waiting, queue.waiting, queue.last_start())
    queue.cancel(one)
    assert (False, (), -math.inf) == (queue.has_waiting, queue.waiting, queue.last_start())


def test_both_kinds_wait_in_one_order() -> None:
    queue = ScopeQueue(())
    batch = [waiting(queue, 30.0, sequence, "batch") for sequence in (4.5, 8.5)]
    people = [waiting(queue, 10.0, sequence) for sequence in (1.0, 5.0)]
    assert (people[0], batch[0], people[1], batch[1]) == queue.waiting


@pytest.mark.parametrize(("people_at", "batch_at"), [(10.0, 30.0), (30.0, 10.0)])
def test_the_last_start_is_that_of_whoever_starts_last(people_at: float, batch_at: float) -> None:
    queue = ScopeQueue(())
    waiting(queue, people_at, 1.0)
    waiting(queue, batch_at, 4.5, "batch")
    assert 30.0 == queue.last_start()


def test_the_start_before_ones_turn_is_of_those_who_are_served_earlier_alone() -> None:
    queue = ScopeQueue(())
    for at, sequence in ((10.0, 1.0), (20.0, 2.0), (30.0, 3.0)):
        waiting(queue, at, sequence)
    waiting(queue, 25.0, 2.5, "batch")
    befores = {0.5: -math.inf, 1.0: -math.inf, 2.0: 10.0, 2.5: 20.0, 3.0: 25.0, 3.5: 30.0}
    assert befores == {sequence: queue.last_start_before(sequence) for sequence in befores}


def test_the_start_before_ones_turn_counts_one_that_was_put_off_behind_later_ones() -> None:
    queue = ScopeQueue(())
    first = waiting(queue, 10.0, 1.0)
    waiting(queue, 20.0, 2.0)
    waiting(queue, 30.0, 3.0)
    queue.reschedule(first, 40.0)
    assert (40.0, 40.0) == (queue.last_start_before(2.0), queue.last_start_before(3.5))


def test_the_next_is_the_first_in_the_order_whose_moment_is_still_to_come() -> None:
    queue = ScopeQueue(())
    due, later, last = (waiting(queue, 10.0 * each, each) for each in (1.0, 2.0, 3.0))
    now_and_next = [(9.0, due), (10.0, later), (20.0, last), (30.0, None), (31.0, None)]
    assert now_and_next == [(now, queue.next_waiting(now)) for now, _ in now_and_next]


def test_only_a_person_overtakes_and_only_a_batch() -> None:
    queue = ScopeQueue(())
    kinds: tuple[Priority, ...] = ("interactive", "batch")
    waiting(queue, 10.0, 1.0)
    assert [False, False] == [queue.is_overtaking(each) for each in kinds]
    waiting(queue, 10.0, 4.5, "batch")
    assert [True, False] == [queue.is_overtaking(each) for each in kinds]


def test_one_that_is_moved_keeps_its_place_and_moves_its_charges() -> None:
    limit = SlidingWindow(5, 60.0)
    queue = ScopeQueue((limit,))
    first, second = waiting(queue, 10.0, 1.0), waiting(queue, 20.0, 2.0)
    queue.reschedule(first, 30.0)
    assert ((first, second), 30.0, 30.0) == (queue.waiting, first.starts_at, queue.last_start())
    assert [20.0, 30.0] == limit.pending.times(0.0, 100.0)


def test_one_that_starts_is_in_flight_with_its_charges_from_that_moment() -> None:
    limit = SlidingWindow(5, 60.0)
    queue = ScopeQueue((limit,))
    first, second = waiting(queue, 10.0, 1.0), waiting(queue, 20.0, 2.0)
    queue.start(first, 12.0)
    assert ((second,), [first]) == (queue.waiting, list(queue.in_flight))
    assert (True, 12.0, [12.0]) == (
        first.is_started,
        first.starts_at,
        [charge.at for charge in limit.pending.in_flight],
    )
    assert [20.0] == limit.pending.times(0.0, 100.0)


def test_a_limit_that_is_new_counts_for_who_waits_and_who_is_in_flight() -> None:
    queue = ScopeQueue(())
    flying = waiting(queue, 10.0, 1.0)
    queue.start(flying, 10.0)
    waiting(queue, 20.0, 2.0)
    requests, tokens = TokenBucketLimit(9, 60.0, "requests"), TokenBucketLimit(9, 60.0)
    for limit in (requests, tokens):
        queue.add_limit(limit)
    assert (requests, tokens) == queue.limits
    assert ([20.0], 1.0) == (
        requests.pending.times(0.0, 100.0),
        requests.pending.in_flight_amount,
    )
    assert (0, [(requests, 1.0)]) == (len(tokens.pending), flying.amounts)


def test_what_a_demand_does_not_name_is_not_taken() -> None:
    requests, tokens = SlidingWindow(9, 60.0), TokenBucketLimit(9, 60.0)
    queue = ScopeQueue((requests, tokens))
    assert [(requests, 1.0)] == queue.amounts({"requests": 1.0, "tokens": 0.0}, can_wait=True)
    assert [(tokens, 5.0)] == queue.amounts({"tokens": 5.0}, can_wait=False)


def test_the_first_answer_is_waited_for_from_the_first_reservation_on() -> None:
    queue = ScopeQueue(())
    deadlines = [queue.first_answer_deadline(3.0, now) for now in (100.0, 101.0, 109.0)]
    assert [100.0, 103.0, 103.0] == deadlines


@pytest.mark.parametrize("priority", ["interactive", "batch"])
def test_a_queue_that_is_empty_again_takes_no_more_room_than_a_new_one(priority: Priority) -> None:
    queue = ScopeQueue(())
    rooms = (queue._interactive, queue._batch, queue._interactive_starts, queue._batch_starts)
    for one in [waiting(queue, each, each, priority) for each in (1.0, 2.0, 3.0)]:
        assert queue.has_waiting
        queue.cancel(one)
    after = (queue._interactive, queue._batch, queue._interactive_starts, queue._batch_starts)
    assert [sys.getsizeof(each) for each in rooms] == [sys.getsizeof(each) for each in after]
    assert not any(rooms)


def test_a_wait_that_nobody_has_ended_is_not_renewed() -> None:
    reservation = Reservation("m", {}, 1.0, 1.0, [])
    pending = reservation.wake
    reservation.renew_wake()
    assert reservation.wake is pending


@pytest.mark.parametrize("is_done", [True, False])
def test_a_wait_that_has_ended_or_is_about_to_is_renewed_once(is_done: bool) -> None:
    reservation = Reservation("m", {}, 1.0, 1.0, [])
    ended = reservation.wake
    if is_done:
        ended.set_result(None)
    else:
        reservation.is_waking = True
    reservation.renew_wake()
    renewed = reservation.wake
    reservation.renew_wake()
    assert (True, False) == (reservation.wake is renewed, renewed is ended)
    assert (False, False) == (renewed.done(), reservation.is_waking)


def test_people_follow_one_another_and_a_batch_keeps_room_for_four_of_them() -> None:
    scheduler = FairScheduler()
    assert [1.0, 2.0, 3.0] == [scheduler.next_sequence("interactive") for _ in range(3)]
    assert [4.5, 8.5, 12.5] == [scheduler.next_sequence("batch") for _ in range(3)]


def test_a_turn_that_is_only_looked_at_is_not_taken() -> None:
    scheduler = FairScheduler()
    assert (1.0, 1.0) == (scheduler.peek_sequence("interactive"),) * 2
    assert 1.0 == scheduler.next_sequence("interactive")


def test_who_comes_after_one_is_served_is_placed_behind_it() -> None:
    scheduler = FairScheduler()
    for served in (8.5, 4.5):
        scheduler.serve(served)
        assert (9.0, 12.5) == (
            scheduler.peek_sequence("interactive"),
            scheduler.peek_sequence("batch"),
        )


def test_a_future_that_was_cancelled_keeps_no_other_from_being_woken() -> None:
    futures: list[Future[None]] = [Future() for _ in range(3)]
    futures[1].cancel()
    wake(futures)
    assert [True, False, True] == [each.done() and not each.cancelled() for each in futures]


def test_one_that_leaves_takes_its_start_time_along() -> None:
    queue = ScopeQueue(())
    first, second, third = (waiting(queue, 10.0 * each, each) for each in (1.0, 2.0, 3.0))
    queue.cancel(third)
    assert 20.0 == queue.last_start()
    queue.start(second, 20.0)
    assert (10.0, (first,)) == (queue.last_start(), queue.waiting)
