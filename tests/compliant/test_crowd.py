from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.llm.crowd import Crowd
from services.llm.quota import Bucket, Demand, Quota, SlidingWindow, Ticket

ONE: Demand = {"requests": 1.0}


def _of_one_key(rpm: int) -> tuple[Bucket, SlidingWindow]:
    return Bucket(rpm, 60.0, "requests", burst=rpm / 2), SlidingWindow(rpm, 60.0)


class World:
    """Keys in organisations whose limits are kept as Groq does, and one crowd to keep to them."""

    def __init__(self, organizations: list[int], one: int = 10, believed: int = 10) -> None:
        self.one, self.now = one, 1000.0
        self.of_key = organizations
        self.crowd = Crowd(believed, len(organizations), 60.0)
        self.quota = Quota((self.crowd,), lambda: _of_one_key(believed))
        self.levels = dict.fromkeys(organizations, 0.0)
        self.refused_at: list[float] = []
        self.named: dict[int, int] = {}
        self.turn = 0

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        for each in self.levels:
            self.levels[each] = max(0.0, self.levels[each] - seconds * self.one / 60.0)

    def send(self) -> Ticket | None:
        """Let one request go with the next key, if there is room for it."""
        for turn in range(len(self.of_key)):
            lane = (self.turn + turn) % len(self.of_key)
            ticket = self.quota.reserve(str(lane), ONE, self.now)
            if isinstance(ticket, Ticket):
                assert 0.0 == self.quota.start(ticket, self.now)
                self.turn = lane + 1
                return ticket
        return None

    def answer(self, ticket: Ticket) -> None:
        """Answer a request, or refuse it, as the organisation of its key does."""
        key = int(ticket.lane)
        organization = self.of_key[key]
        if self.levels[organization] + 1 > self.one + 1e-9:
            self.refused_at.append(self.now)
            self.named[key] = organization
            known, is_all = len(set(self.named.values())), len(self.named) == len(self.of_key)
            self.crowd.refuse(self.one, known, is_all=is_all, now=self.now)
        else:
            self.levels[organization] += 1
        self.quota.settle(ticket, {}, self.now, self.now)

    def drive(self, seconds: float, step: float = 0.5) -> int:
        """Send whatever there is room for, one by one; return how many."""
        sent, until = 0, self.now + seconds
        while self.now < until:
            while ticket := self.send():
                self.answer(ticket)
                sent += 1
            self.pass_by(step)
        return sent


def test_the_keys_of_one_organisation_are_refused_once_a_window_at_most() -> None:
    world = World([1, 1, 1])
    world.drive(600.0)
    gaps = [later - earlier for earlier, later in pairwise(world.refused_at)]
    assert 2 <= len(world.refused_at) <= 10
    assert all(gap >= 60.0 for gap in gaps)


def test_once_every_key_is_known_nothing_is_refused_any_more() -> None:
    world = World([1, 1])
    world.drive(600.0)
    learnt = len(world.refused_at)
    world.drive(600.0)
    assert 2 == len(world.named)
    assert learnt == len(world.refused_at)


def test_three_organisations_are_never_refused_and_all_used() -> None:
    world = World([1, 2, 3])
    sent = world.drive(600.0)
    assert ([], True) == (world.refused_at, sent >= 295)


def test_a_single_key_is_held_back_by_nothing_but_its_limit() -> None:
    crowd = Crowd(10, 1, 60.0)
    assert (10, 10) == (crowd.amount, crowd.burst)


def test_a_limit_that_was_overestimated_is_learnt() -> None:
    world = World([1], one=5, believed=10)
    world.drive(300.0)
    assert 1 == len(world.refused_at)


def test_a_failure_proves_no_second_organisation() -> None:
    world = World([1, 2])
    for _ in range(10):
        ticket = world.send()
        assert ticket is not None
        world.crowd.fail()
        world.quota.settle(ticket, {}, world.now, world.now)
    assert 10 == world.crowd.burst
    assert world.send() is None


def test_a_slow_answer_to_a_request_of_a_full_bucket_counts_as_tried() -> None:
    world = World([1, 2])
    flying = [ticket for _ in range(10) if (ticket := world.send())]
    world.answer(flying.pop())
    world.answer(flying.pop())
    world.pass_by(6.0)
    tried = world.send()
    assert tried is not None
    world.answer(tried)
    assert 11 == world.crowd.burst


def test_an_answer_to_what_was_sent_before_an_idle_time_counts_for_nothing() -> None:
    world = World([1, 2])
    old = world.send()
    world.pass_by(100.0)
    new = world.send()
    assert old is not None
    assert new is not None
    world.answer(new)
    world.answer(old)
    assert 10 == world.crowd.burst


@given(
    st.lists(st.integers(1, 3), min_size=2, max_size=4),
    st.lists(st.tuples(st.integers(1, 30), st.floats(0.0, 90.0)), max_size=40),
)
def test_one_by_one_a_single_organisation_is_refused_once_a_window(
    organizations: list[int], visits: list[tuple[int, float]]
) -> None:
    world = World([1] * len(organizations))
    for requests, pause in visits:
        for _ in range(requests):
            if ticket := world.send():
                world.answer(ticket)
        world.pass_by(pause)
    at = world.refused_at
    assert all(later - earlier >= 60.0 for earlier, later in pairwise(at))
