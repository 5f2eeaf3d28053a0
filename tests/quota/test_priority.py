"""A person overtakes a batch, which moves on all the same."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.llm.limit_types import Priority
from services.llm.quota import NEVER, Quota, Reservation, TokenBucketLimit
from services.llm.quota.fair_scheduler import FairScheduler

#: One request a second, of which none is saved up.
PACE = 1.0


def paced() -> Quota:
    return Quota((TokenBucketLimit(60, 60.0, "requests", burst=1),))


def reserved(quota: Quota, now: float, priority: Priority) -> Reservation:
    got = quota.reserve("m", {"requests": 1}, now, NEVER, priority)
    assert isinstance(got, Reservation)
    return got


def served(quota: Quota, waiting: list[Reservation], now: float) -> list[Reservation]:
    """The order in which all come through, if each comes when it is told to."""
    order = []
    when = {one: one.starts_at for one in waiting}
    while when:
        one = min(when, key=lambda each: (when[each], each.sequence))
        now = max(now, when[one])
        if wait := quota.try_start(one, now):
            when[one] = now + wait
        else:
            del when[one]
            quota.settle(one, {}, now, now)
            order.append(one)
    return order


def test_a_person_goes_before_the_batch_that_waits() -> None:
    quota = paced()
    batch = [reserved(quota, 0.0, "batch") for _ in range(20)]
    person = reserved(quota, 0.0, "interactive")
    assert person.starts_at <= PACE
    assert person in served(quota, [*batch, person], 0.0)[:2]


def test_a_batch_gets_its_share_though_people_keep_coming() -> None:
    quota = paced()
    batch = [reserved(quota, 0.0, "batch") for _ in range(4)]
    people = [reserved(quota, 0.0, "interactive") for _ in range(40)]
    order = served(quota, [*batch, *people], 0.0)
    places = [order.index(one) for one in batch]
    assert places == sorted(places)
    gaps = [later - one for one, later in pairwise(places[1:])]
    assert [FairScheduler.INTERACTIVE_PER_BATCH + 1] * 2 == gaps
    assert people == [one for one in order if one.priority == "interactive"]


def test_alone_a_batch_waits_for_nobody() -> None:
    quota = paced()
    batch = [reserved(quota, 0.0, "batch") for _ in range(5)]
    assert [0.0, 1.0, 2.0, 3.0, 4.0] == [one.starts_at for one in batch]
    assert batch == served(quota, batch, 0.0)
    assert reserved(quota, 10.0, "interactive").starts_at == 10.0


def test_a_wait_is_cancelled_at_any_place() -> None:
    quota = paced()
    batch = [reserved(quota, 0.0, "batch") for _ in range(6)]
    people = [reserved(quota, 0.0, "interactive") for _ in range(3)]
    for one in (batch[0], batch[3], people[1]):
        quota.cancel(one, 0.0)
    kept = [one for one in (*batch, *people) if one not in (batch[0], batch[3], people[1])]
    assert set(kept) == set(served(quota, kept, 0.0))


@given(st.lists(st.sampled_from(["interactive", "batch", "serve"]), max_size=60))
def test_no_two_have_the_same_turn_and_each_kind_keeps_its_order(steps: list[str]) -> None:
    turns, waiting, all_of = FairScheduler(), [], []
    last: dict[str, float] = {}
    for step in steps:
        if step != "serve":
            priority: Priority = "batch" if step == "batch" else "interactive"
            sequence = turns.next_sequence(priority)
            assert sequence > last.get(step, -1.0)
            last[step] = sequence
            waiting.append(sequence)
            all_of.append(sequence)
        elif waiting:
            waiting.remove(first := min(waiting))
            turns.serve(first)
    assert len(set(all_of)) == len(all_of)


def test_a_batch_that_comes_late_saves_up_no_turns() -> None:
    quota = paced()
    for second in range(20):
        served(quota, [reserved(quota, float(second), "interactive")], float(second))
    people = [reserved(quota, 20.0, "interactive") for _ in range(4)]
    batch = reserved(quota, 20.0, "batch")
    assert all(person.sequence < batch.sequence for person in people)
