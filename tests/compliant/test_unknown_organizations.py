from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.llm.account.unknown_organizations import UnknownOrganizations, _Answered
from services.llm.quota import Demand, Quota, Reservation, SlidingWindow, TokenBucketLimit

ONE: Demand = {"requests": 1.0}


def _of_one_key(rpm: int) -> tuple[TokenBucketLimit, SlidingWindow]:
    return TokenBucketLimit(rpm, 60.0, "requests", burst=rpm / 2), SlidingWindow(rpm, 60.0)


class World:
    """Keys in organisations whose limits are kept as Groq does, and one crowd to keep to them."""

    def __init__(self, organizations: list[int], one: int = 10, believed: int = 10) -> None:
        self.one, self.now = one, 1000.0
        self.of_key = organizations
        self.crowd = UnknownOrganizations(believed, len(organizations), 60.0)
        self.quota = Quota((self.crowd,), lambda: _of_one_key(believed))
        self.levels = dict.fromkeys(organizations, 0.0)
        self.refused_at: list[float] = []
        self.named: dict[int, int] = {}
        self.turn = 0

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        for each in self.levels:
            self.levels[each] = max(0.0, self.levels[each] - seconds * self.one / 60.0)

    def send(self) -> Reservation | None:
        """Let one request go with the next key, if there is room for it."""
        for turn in range(len(self.of_key)):
            scope = (self.turn + turn) % len(self.of_key)
            reservation = self.quota.reserve(str(scope), ONE, self.now)
            if isinstance(reservation, Reservation):
                assert 0.0 == self.quota.try_start(reservation, self.now)
                self.turn = scope + 1
                return reservation
        return None

    def answer(self, reservation: Reservation) -> None:
        """Answer a request, or refuse it, as the organisation of its key does."""
        key = int(reservation.scope)
        organization = self.of_key[key]
        if self.levels[organization] + 1 > self.one + 1e-9:
            self.refused_at.append(self.now)
            self.named[key] = organization
            known, is_all = len(set(self.named.values())), len(self.named) == len(self.of_key)
            self.crowd.refuse(self.one, known, is_all=is_all, now=self.now)
        else:
            self.levels[organization] += 1
        self.quota.settle(reservation, {}, self.now, self.now)

    def drive(self, seconds: float, step: float = 0.5) -> int:
        """Send whatever there is room for, one by one; return how many."""
        sent, until = 0, self.now + seconds
        while self.now < until:
            while reservation := self.send():
                self.answer(reservation)
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
    crowd = UnknownOrganizations(10, 1, 60.0)
    assert (10, 10) == (crowd.amount, crowd.burst)


def test_a_limit_that_was_overestimated_is_learnt() -> None:
    world = World([1], one=5, believed=10)
    world.drive(300.0)
    assert 1 == len(world.refused_at)


def test_what_was_learnt_can_be_forgotten() -> None:
    def room(world: World) -> int:
        return sum(1 for _ in iter(world.send, None))

    world = World([0, 1], one=5)
    world.drive(120)
    world.pass_by(600)
    world.crowd.forget()
    assert room(World([0, 1])) == room(world)


def test_a_failure_proves_no_second_organisation() -> None:
    world = World([1, 2])
    for _ in range(10):
        reservation = world.send()
        assert reservation is not None
        world.crowd.fail()
        world.quota.settle(reservation, {}, world.now, world.now)
    assert 10 == world.crowd.burst
    assert world.send() is None


def test_a_slow_answer_to_a_request_of_a_full_bucket_counts_as_tried() -> None:
    world = World([1, 2])
    in_flight = [reservation for _ in range(10) if (reservation := world.send())]
    world.answer(in_flight.pop())
    world.answer(in_flight.pop())
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


def answered(world: World, count: int) -> None:
    """Send and answer as many requests, one by one."""
    for _ in range(count):
        reservation = world.send()
        assert reservation is not None
        world.answer(reservation)


def refused(world: World, limit: float | None, organizations: int, *, is_all: bool) -> None:
    """Send one request that is refused."""
    reservation = world.send()
    assert reservation is not None
    world.crowd.refuse(limit, organizations, is_all=is_all, now=world.now)
    world.quota.settle(reservation, {}, world.now, world.now)


def held(world: World) -> tuple[float, float | None]:
    """The requests that refill in a window, and those that go at once."""
    return world.crowd.amount, world.crowd.burst


def test_one_request_more_is_tried_once_all_that_there_was_room_for_was_answered() -> None:
    world = World([1, 2])
    answered(world, 9)
    assert (10, 10) == held(world)
    answered(world, 1)
    assert (10, 11) == held(world)


def test_more_answers_than_one_organisation_is_allowed_prove_another() -> None:
    world = World([1, 2, 2, 2])
    answered(world, 10)
    world.pass_by(3.0)
    answered(world, 1)
    assert (20, 20) == held(world)


def test_there_is_never_room_for_more_than_every_key_may_send() -> None:
    world = World([1, 2, 3])
    world.drive(600.0)
    assert (30, 30) == held(world)


def test_a_refusal_leaves_what_the_named_organisations_may_send_with_some_slack() -> None:
    world = World([1, 2, 3])
    refused(world, None, 2, is_all=False)
    assert (20, 18) == held(world)
    world = World([1, 2, 3])
    refused(world, 1, 0, is_all=False)
    assert (1, 1) == held(world)


def test_where_every_key_is_known_the_slack_stays() -> None:
    world = World([1, 1])
    refused(world, None, 1, is_all=True)
    world.pass_by(120.0)
    answered(world, 5)
    assert (10, 9) == held(world)


def test_else_it_goes_after_a_window_and_what_was_refused_proves_nothing() -> None:
    world = World([1] * 4)
    refused(world, None, 1, is_all=False)
    world.pass_by(59.9)
    answered(world, 1)
    assert (10, 9) == held(world)
    world.pass_by(0.2)
    answered(world, 1)
    assert (10, 10) == held(world)
    answered(world, 8)
    assert (10, 11) == held(world)


def test_what_was_learnt_is_forgotten_at_once_and_can_be_found_out_anew() -> None:
    world = World([1, 2, 2, 2])
    refused(world, 5, 1, is_all=True)
    world.crowd.forget()
    assert (10, 10) == held(world)
    answered(world, 10)
    assert (10, 11) == held(world)
    answered(world, 1)
    assert (20, 20) == held(world)


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
            if reservation := world.send():
                world.answer(reservation)
        world.pass_by(pause)
    at = world.refused_at
    assert all(later - earlier >= 60.0 for earlier, later in pairwise(at))


def test_what_was_answered_drains_and_counts_no_more_where_it_was_sent_before_that() -> None:
    seen = _Answered()
    assert 0.0 == seen.level(100.0, 1.0)
    for _ in range(3):
        seen.add(100.0, 1.0)
    assert [3.0, 2.0, 0.0, 0.0] == [seen.level(now, 1.0) for now in (100.0, 101.0, 103.0, 200.0)]
    seen.add(200.0, 1.0)
    seen.add(150.0, 1.0)
    assert 1.0 == seen.level(200.0, 1.0)
    seen.add(200.0, 1.0)
    assert 2.0 == seen.level(200.0, 1.0)


def test_what_was_sent_as_the_bucket_became_full_has_tried_nothing() -> None:
    world = World([1, 2])
    in_flight = [reservation for _ in range(10) if (reservation := world.send())]
    for _ in range(3):
        world.answer(in_flight.pop())
        assert (10, 10) == held(world)
