"""What a provider says of its limits is believed: less at once, more with care, for a time."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.limit_types import LimitReport, Unit
from services.llm.quota import (
    NEVER,
    Demand,
    LearnedLimit,
    NoCapacity,
    Quota,
    Reservation,
    SlidingWindow,
)
from services.llm.quota.answer_log import AnswerLog, answered, least_limit, with_answer
from services.llm.quota.charges import Charge
from services.llm.quota.guessed_limit import (
    FIRST_GROWTH,
    FIRST_PATIENCE,
    GUESSED_FOR,
    LEAST_CUT,
    LEAST_GUESS,
    MANY,
    MOST_CUT,
    MOST_PATIENCE,
    SHORT_PATIENCE,
    GuessedLimit,
)
from services.llm.quota.learned_limit import CONFIRMATIONS, MOST_LEARNED, STATED_FOR, limit_of
from services.llm.quota.learning import ScopeLearning
from tests.conftest import FEWER
from tests.quota.support import ONE, reserved, sent, tokens

MINUTE, DAY = 60.0, 86_400.0


def limited(amount: float | None, *, is_ceiling: bool = False) -> Quota:
    """A quota of tokens a minute for each scope, and no other limit."""

    def limits(_: str) -> list[LearnedLimit]:
        if amount is None:
            return []
        return [LearnedLimit(amount, MINUTE, "tokens", configured=amount, is_ceiling=is_ceiling)]

    return Quota(make_limits_for=limits)


def answer(
    quota: Quota,
    now: float,
    demand: Demand,
    spent: Demand | None = None,
    *,
    amount: float,
    used: float,
) -> None:
    """Send a request alone and have it answered with a report on tokens a minute."""
    said = [LimitReport("tokens", MINUTE, amount, used)]
    quota.settle(sent(quota, now, demand), spent or {}, now, now, said)


def refuse(quota: Quota, now: float, demand: Demand, report: LimitReport) -> None:
    quota.settle(sent(quota, now, demand), dict.fromkeys(demand, 0.0), now, now, [report])


def learned(quota: Quota) -> LearnedLimit:
    """The only limit of the scope."""
    (limit,) = quota._state.queue_for("m").limits
    assert isinstance(limit, LearnedLimit)
    return limit


def left(quota: Quota, now: float) -> dict[str, float]:
    return {one.name: one.left for one in quota.headroom("m", now)}


def amounts(quota: Quota, now: float) -> dict[str, tuple[float, bool]]:
    return {one.name: (one.amount, one.is_learned) for one in quota.headroom("m", now)}


def test_a_limit_that_nobody_knew_is_learnt_from_the_first_answer() -> None:
    quota = limited(None)
    answer(quota, 100.0, tokens(500), amount=8_000, used=500)
    assert {"TPM": 7_500.0} == left(quota, 100.0)
    full = quota.reserve("m", tokens(7_501), 100.0)
    assert isinstance(full, NoCapacity)
    assert MINUTE / 8_000 == pytest.approx(full.wait)


def test_a_lower_limit_is_believed_at_once_and_a_higher_one_when_it_is_confirmed() -> None:
    quota = limited(8_000)
    answer(quota, 100.0, tokens(1), amount=6_000, used=1)
    assert {"TPM": (6_000, True)} == amounts(quota, 100.0)
    for number in range(CONFIRMATIONS):
        assert {"TPM": (6_000, True)} == amounts(quota, 100.0 + number)
        answer(quota, 101.0 + number, tokens(1), amount=250_000, used=1)
    assert {"TPM": (250_000, True)} == amounts(quota, 110.0)


def test_a_host_has_the_last_word_on_how_much_is_used_at_most() -> None:
    quota = limited(4_000, is_ceiling=True)
    for number in range(CONFIRMATIONS + 1):
        answer(quota, 100.0 + number, tokens(1), amount=8_000, used=1)
    assert {"TPM": (4_000, False)} == amounts(quota, 105.0)
    answer(quota, 106.0, tokens(1), amount=3_000, used=1)
    assert {"TPM": (3_000, True)} == amounts(quota, 106.0)


def test_what_is_used_of_a_larger_limit_says_nothing_of_a_hosts_share_of_it() -> None:
    quota = limited(4_000, is_ceiling=True)
    answer(quota, 100.0, tokens(500), amount=8_000, used=7_000)
    assert {"TPM": 3_500.0} == left(quota, 100.0)
    answer(quota, 100.0, tokens(500), {"tokens": 500.0}, amount=8_000, used=0)
    assert {"TPM": 3_000.0} == left(quota, 100.0)


def test_what_was_learnt_expires() -> None:
    quota = limited(8_000)
    answer(quota, 100.0, tokens(1), amount=6_000, used=1)
    reserved(quota, 99.0 + STATED_FOR)
    assert {"TPM": (6_000, True)} == amounts(quota, 99.0 + STATED_FOR)
    assert {"TPM": (8_000, False)} == amounts(quota, 101.0 + STATED_FOR)
    unknown = limited(None)
    answer(unknown, 100.0, tokens(1), amount=6_000, used=1)
    assert {} == left(unknown, 101.0 + STATED_FOR)


def test_what_was_learnt_can_be_forgotten() -> None:
    quota = limited(8_000)
    answer(quota, 100.0, tokens(1), amount=6_000, used=1)
    quota.settle(sent(quota, 100.0), {}, 100.0, 100.0, [LimitReport("requests", DAY, 1_000, 1)])
    quota.pause("other", 200.0)
    quota.forget(0.0)
    assert {"TPM": (8_000, False)} == amounts(quota, 100.0)


def test_the_number_of_learnt_limits_is_bounded() -> None:
    quota = limited(None)
    for window in range(1, 3 * MOST_LEARNED):
        report = LimitReport("requests", 2.0**window, 1_000, 1)
        quota.settle(sent(quota, 100.0), {}, 100.0, 100.0, [report])
    assert MOST_LEARNED == len(left(quota, 100.0))


def test_use_by_others_counts_as_soon_as_it_is_seen() -> None:
    quota = limited(8_000)
    answer(quota, 100.0, tokens(500), amount=8_000, used=7_000)
    assert {"TPM": 1_000.0} == left(quota, 100.0)


def test_less_use_is_believed_but_not_of_what_was_settled_since() -> None:
    quota = limited(8_000)
    first = sent(quota, 100.0, tokens(3_000))
    second = sent(quota, 100.0, tokens(3_000))
    said = [LimitReport("tokens", MINUTE, 8_000, 100)]
    quota.settle(second, {}, 100.0, 100.0, said)
    quota.settle(first, {}, 100.0, 100.0, said)
    # Either answer may have been on its way before the other request was counted.
    assert {"TPM": 2_000.0} == left(quota, 100.0)
    answer(quota, 100.0, tokens(1), amount=8_000, used=100)
    assert {"TPM": 8_000 - 100 - 1} == left(quota, 100.0)


def test_what_is_in_flight_for_long_counts_though_the_provider_does_not_show_it() -> None:
    quota = limited(8_000)
    quota.assume_received_after, quota.max_transit = 5.0, 0.0
    long = sent(quota, 100.0, tokens(3_000))
    answer(quota, 106.0, tokens(1), amount=8_000, used=1)
    assert 8_000 - 3_000 + 6 * 8_000 / MINUTE - 1 == pytest.approx(left(quota, 106.0)["TPM"])
    quota.settle(long, {"tokens": 3_000}, 106.0, 106.0)
    answer(quota, 106.0, tokens(1), amount=8_000, used=1)
    assert 8_000 - 2 == left(quota, 106.0)["TPM"]


@pytest.mark.parametrize(
    ("used", "keeps"), [(1_000.0, True), (100.0, False), (120.0, False), (5_000.0, None)]
)
def test_what_a_provider_counts_is_learnt_from_an_answer_alone(
    used: float, keeps: bool | None
) -> None:
    quota = limited(8_000)
    spent: Demand = {"tokens": 100.0}
    answer(quota, 100.0, tokens(1_000), spent, amount=8_000, used=used)
    base = left(quota, 100.0)["TPM"]
    two = [sent(quota, 100.0, tokens(1_000)) for _ in range(2)]
    for one in two:
        quota.settle(one, spent, 100.0, 100.0)
    # Where it is not known, all that was declared counts until the provider's figures show it.
    assert base - 2 * (100.0 if keeps is False else 1_000.0) == left(quota, 100.0)["TPM"]


def test_a_request_of_a_limit_that_was_not_known_tells_what_is_counted_too() -> None:
    quota = limited(None)
    answer(quota, 100.0, tokens(1_000), {"tokens": 100.0}, amount=8_000, used=1_000)
    quota.settle(sent(quota, 100.0, tokens(1_000)), {"tokens": 100.0}, 100.0, 100.0)
    assert {"TPM": 6_000.0} == left(quota, 100.0)


def test_who_waits_or_is_in_flight_counts_for_a_limit_that_is_learnt_later() -> None:
    quota = limited(None)
    first, in_flight = sent(quota, 100.0, tokens(3_000)), sent(quota, 100.0, tokens(3_000))
    sent(quota, 100.0, {"requests": 1})
    quota.pause("m", 101.0)
    waiting = [reserved(quota, 100.0, tokens(3_000)) for _ in range(2)]
    quota.settle(first, {}, 100.0, 100.0, [LimitReport("tokens", MINUTE, 10_000, 6_000)])
    assert quota.try_start(waiting[0], 101.0) == 0.0
    wait = quota.try_start(waiting[1], 101.0)
    assert 2_000 * MINUTE / 10_000 - 1.0 == pytest.approx(wait)
    quota.settle(in_flight, {}, 101.0, 101.0)


def test_after_a_refusal_one_goes_and_then_as_many_as_are_refilled() -> None:
    quota = limited(6_000)
    report = LimitReport("tokens", MINUTE, 6_000, 5_500, 1_000, True, 5.0)
    refuse(quota, 100.0, tokens(1_000), report)
    waiting = [reserved(quota, 100.0, tokens(1_000)) for _ in range(4)]
    assert waiting[0].starts_at <= 105.0
    gaps = [later.starts_at - one.starts_at for one, later in pairwise(waiting)]
    assert [pytest.approx(10.0)] * 3 == gaps


def test_a_refused_limit_of_requests_lets_one_through_after_the_wait_and_then_its_rate() -> None:
    limit = LearnedLimit(30, MINUTE, "requests", configured=30)
    quota = Quota(make_limits_for=lambda _: [limit])
    refuse(quota, 100.0, ONE, LimitReport("requests", MINUTE, is_refusal=True, wait=3.0))
    waiting = [reserved(quota, 100.0) for _ in range(3)]
    assert [pytest.approx(at) for at in (103.0, 105.0, 107.0)] == [one.starts_at for one in waiting]


def test_a_limit_that_is_full_without_a_wait_or_figures_is_full() -> None:
    quota = limited(6_000)
    refuse(quota, 100.0, tokens(1_000), LimitReport("tokens", MINUTE, is_refusal=True))
    assert {"TPM": 0.0} == left(quota, 100.0)


def test_a_refusal_of_no_known_limit_lets_one_through_and_then_what_was_answered_before() -> None:
    quota = Quota((SlidingWindow(1_000, MINUTE),))
    for _ in range(30):
        quota.settle(sent(quota, 100.0), {}, 100.0, 100.0)
    report = LimitReport("requests", MINUTE, is_refusal=True, wait=2.0)
    refuse(quota, 101.0, ONE, report)
    waiting = [reserved(quota, 101.0) for _ in range(3)]
    # A bucket that has answered 30 in a second is one of 30 less what a second refills.
    each = 2.0 * (1 + 1 / MINUTE)
    assert [pytest.approx(101.0 + n * each) for n in (1, 2, 3)] == [
        one.starts_at for one in waiting
    ]
    # Who cannot wait is not refused because of a guess.
    assert isinstance(quota.reserve("other", ONE, 101.0), Reservation)


def test_refusals_of_what_was_sent_before_the_first_of_them_are_one() -> None:
    quota = Quota((SlidingWindow(1_000, MINUTE),))
    for _ in range(30):
        quota.settle(sent(quota, 100.0), {}, 100.0, 100.0)
    several = [sent(quota, 100.0) for _ in range(9)]
    report = LimitReport("requests", MINUTE, is_refusal=True)
    for number, one in enumerate(several):
        quota.settle(one, {"requests": 0.0}, 100.0, 101.0 + number / 10, [report])
    (guess,) = [one for one in quota.headroom("m", 102.0) if one.amount < 1_000]
    assert 30.0 == pytest.approx(guess.amount, abs=1.0)


def test_a_guess_grows_as_long_as_it_is_used_and_is_dropped_in_the_end() -> None:
    quota = Quota((SlidingWindow(1_000, MINUTE),))
    report = LimitReport("requests", MINUTE, is_refusal=True)
    refuse(quota, 100.0, ONE, report)

    def guessed(now: float) -> list[float]:
        return [one.amount for one in quota.headroom("m", now) if one.amount < 1_000]

    def ask_until(now: float, end: float, each: float) -> None:
        while now < end:
            quota.settle(booked_and_sent(quota, now), {}, now, now)
            now += each

    assert [LEAST_GUESS] == guessed(100.0)
    ask_until(100.0 + 10.0, 100.0 + 2 * SHORT_PATIENCE + 1, 10.0)
    assert [LEAST_GUESS + 1 + 2] == guessed(141.0)
    # That so little of it was answered shows nothing of more.
    ask_until(160.0, 300.0, 20.0)
    assert [LEAST_GUESS + 1 + 2] == guessed(300.0)
    assert [] == guessed(100.0 + GUESSED_FOR)


def booked_and_sent(quota: Quota, now: float) -> Reservation:
    reservation = quota.reserve("m", ONE, now)
    assert isinstance(reservation, Reservation)
    assert quota.try_start(reservation, now) == 0.0
    return reservation


def test_the_first_request_is_sent_alone_until_it_is_answered() -> None:
    limit = LearnedLimit(100, MINUTE, "requests", configured=100)
    quota = Quota(make_limits_for=lambda _: [limit])
    quota.max_first_answer_wait = 1.0
    first = reserved(quota, 100.0)
    assert isinstance(quota.reserve("m", ONE, 100.0), Reservation)  # who cannot wait
    others = [reserved(quota, 100.0) for _ in range(3)]
    assert [100.0, 101.0, 101.0, 101.0] == [one.starts_at for one in (first, *others)]
    assert quota.try_start(first, 100.0) == 0.0
    quota.settle(first, {}, 100.1, 100.1)
    for one in others:
        assert one.wake.done()
        assert quota.try_start(one, 100.1) == 0.0
    assert 100.2 == reserved(quota, 100.2).starts_at


def test_the_first_answer_is_not_waited_for_any_longer_than_that() -> None:
    limit = LearnedLimit(100, MINUTE, "requests", configured=100)
    quota = Quota(make_limits_for=lambda _: [limit])
    quota.max_first_answer_wait = 1.0
    sent(quota, 100.0)
    late = reserved(quota, 100.0)
    assert quota.try_start(late, 101.0) == 0.0
    short = quota.reserve("m", ONE, 101.0, 0.25)
    assert isinstance(short, Reservation)
    assert 101.0 == short.starts_at


@settings(max_examples=30 // FEWER)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["requests", "tokens", "input_tokens"]),
            st.sampled_from([1.0, 59.0, 60.0, DAY]),
            st.none() | st.integers(1, 10**12),
            st.none() | st.integers(0, 10**12),
            st.none() | st.integers(0, 10**9),
            st.booleans(),
            st.none() | st.floats(0, DAY),
        ),
        max_size=30,
    )
)
def test_whatever_is_said_the_state_stays_finite_and_bounded_and_forgets(
    reports: list[tuple[object, ...]],
) -> None:
    quota, now = limited(8_000), 100.0
    for said in reports:
        now += 1.0
        got = quota.reserve("m", tokens(10), now, NEVER)
        if isinstance(got, NoCapacity):
            continue  # a limit below the demand
        now = max(now, got.starts_at)
        while wait := quota.try_start(got, now):
            now += wait
            if wait == NEVER:
                return
        quota.settle(got, {"tokens": 5.0}, now, now, [LimitReport(*said)])  # type: ignore[arg-type]  # of the right types
        for one in quota.headroom("m", now):
            assert 0 <= one.left <= one.amount < math.inf
            assert 0 <= one.full_in < math.inf
        assert len(quota.headroom("m", now)) <= MOST_LEARNED + 2
    now += 10 * DAY
    assert {"TPM": 8_000.0} == left(quota, now)


def test_an_answer_beside_others_teaches_nothing_of_what_is_counted() -> None:
    quota = limited(8_000)
    first, second = (sent(quota, 100.0, tokens(1_000)) for _ in range(2))
    said = [LimitReport("tokens", MINUTE, 8_000, 2_000)]
    quota.settle(first, {"tokens": 100.0}, 100.0, 100.0, said)
    quota.settle(second, {"tokens": 100.0}, 100.0, 100.0)
    # As the provider tells of its use, all that was declared counts until that is known.
    assert {"TPM": 6_000.0} == left(quota, 100.0)


def test_a_guess_stays_where_another_limit_expires() -> None:
    quota = limited(None)
    answer(quota, 100.0, tokens(1), amount=6_000, used=1)
    late = 100.0 + STATED_FOR - 100.0
    refuse(quota, late, ONE, LimitReport("requests", MINUTE, is_refusal=True))
    assert {"TPM", "RPM"} == set(left(quota, late))
    assert {"RPM"} == set(left(quota, 101.0 + STATED_FOR))


def test_who_could_not_wait_is_put_off_by_no_guess_later_either() -> None:
    quota = Quota((SlidingWindow(1_000, MINUTE),))
    refuse(quota, 100.0, ONE, LimitReport("requests", MINUTE, is_refusal=True))
    for _ in range(20):
        got = quota.reserve("m", ONE, 100.0)
        assert isinstance(got, Reservation)
        assert quota.try_start(got, 100.0) == 0.0


def test_forgetting_before_anything_was_learnt_changes_nothing() -> None:
    known = LearnedLimit(8_000, MINUTE, "tokens", configured=8_000)
    quota = Quota((SlidingWindow(9, MINUTE), known))
    sent(quota, 100.0, tokens(1_000))
    quota.forget(0.0)
    assert {"RPM": 8.0, "TPM": 7_000.0} == left(quota, 100.0)


@pytest.mark.parametrize(
    ("unit", "window", "expected"),
    [
        ("tokens", 10.0, True),
        ("tokens", 12.0, True),
        ("tokens", 8.0, True),
        ("tokens", 12.5, False),
        ("tokens", 7.5, False),
        ("requests", 10.0, False),
    ],
)
def test_a_report_is_about_a_limit_whose_window_is_the_same_but_for_rounding(
    unit: Unit, window: float, expected: bool
) -> None:
    limit = LearnedLimit(100, 10.0, "tokens")
    assert expected is limit.is_of(unit, window)
    assert expected is (limit_of(LimitReport(unit, window), [limit]) is limit)


def test_a_limit_is_no_ceiling_unless_a_host_has_set_it() -> None:
    limit = LearnedLimit(100, MINUTE, "tokens", configured=100)
    for _ in range(CONFIRMATIONS - 1):
        limit.learn(200, 0.0)
    assert (100, math.inf) == (limit.amount, limit.until)
    limit.learn(200, 0.0)
    assert (200, STATED_FOR) == (limit.amount, limit.until)


@pytest.mark.parametrize(
    ("stated", "expected"), [(400.0, False), (0.0, False), (800.0, True), (2_000.0, None)]
)
def test_whether_the_rest_of_what_was_declared_is_charged_is_what_is_stated_after_it(
    stated: float, expected: bool | None
) -> None:
    limit = LearnedLimit(10_000, 1e9, "tokens", configured=10_000)
    limit.is_reported = True
    charge = Charge(800.0, 0.0)
    limit.pending.reserve(charge)
    limit.pending.start(charge, 0.0)
    limit.settle(charge, limit.counted(spent=400.0, declared=800.0), 0.0, 0.0)
    limit.learn_what_counts(stated=stated, spent=400.0, declared=800.0, now=0.0, settled_before=0.0)
    assert expected is limit.counts_declared


@pytest.mark.parametrize(("stated", "expected"), [(861.0, False), (860.0, None)])
def test_a_figure_from_before_the_answer_shows_that_only_what_is_spent_is_charged(
    stated: float, expected: bool | None
) -> None:
    limit = LearnedLimit(10_000, 1e9, "tokens", configured=10_000)
    limit.settled_when_stated_alone = 1_000.0
    for spent, declared in ((1_000.0, 1_000.0), (400.0, 800.0)):
        charge = Charge(declared, 0.0)
        limit.pending.reserve(charge)
        limit.pending.start(charge, 0.0)
        limit.settle(charge, spent, 0.0, 0.0)
    limit.learn_what_counts(
        stated=stated, spent=400.0, declared=800.0, now=0.0, settled_before=1_000.0
    )
    assert expected is limit.counts_declared


@pytest.mark.parametrize(
    ("declared", "spent", "expected"),
    [(100.0, 85.0, None), (100.0, 84.0, False), (1_000.0, 951.0, None), (1_000.0, 950.0, False)],
)
def test_a_request_that_spent_nearly_what_it_declared_tells_nothing(
    declared: float, spent: float, expected: bool | None
) -> None:
    limit = LearnedLimit(10_000, 1e9, "tokens", configured=10_000)
    charge = Charge(declared, 0.0)
    limit.pending.reserve(charge)
    limit.pending.start(charge, 0.0)
    limit.settle(charge, spent, 0.0, 0.0)
    limit.learn_what_counts(
        stated=spent, spent=spent, declared=declared, now=0.0, settled_before=0.0
    )
    assert expected is limit.counts_declared


@pytest.mark.parametrize("counts_declared", [True, False])
def test_estimates_that_are_too_high_do_not_add_up_to_a_wrong_idea_of_what_counts(
    *, counts_declared: bool
) -> None:
    quota, used, found = limited(None), 0.0, []
    for _ in range(20):
        used += 290.0 if counts_declared else 73.0
        answer(quota, 0.0, tokens(334), {"tokens": 73.0}, amount=40_000, used=used)
        found.append(learned(quota).counts_declared)
    assert [counts_declared] * 20 == found
    assert 40_000 - used == pytest.approx(left(quota, 0.0)["TPM"], abs=73.0)


def test_requests_beside_others_do_not_make_a_later_one_show_that_less_counts() -> None:
    quota = limited(40_000)
    together = [sent(quota, 0.0, tokens(1_000)) for _ in range(12)]
    for number, each in enumerate(together, 1):
        said = [LimitReport("tokens", MINUTE, 40_000, 880.0 * number)]
        quota.settle(each, {"tokens": 100.0}, 0.0, 0.0, said)
    limit = learned(quota)
    for number, expected in ((13, None), (14, True)):
        answer(quota, 0.0, tokens(1_000), {"tokens": 100.0}, amount=40_000, used=880.0 * number)
        assert expected is limit.counts_declared


def test_a_refusal_lowers_a_guess_to_what_was_answered_since_the_last_one_within_bounds() -> None:
    for number, amount in (
        (1, 100 * (1 - MOST_CUT)),
        (60, 100 * (1 - MOST_CUT)),
        (90, 90),
        (99, 100 * (1 - LEAST_CUT)),
    ):
        learning = ScopeLearning()
        guess = learning.guess = GuessedLimit(100, 5.0, 0.0)
        learning.count_answer(-1.0, 5.0)  # sent before the refusal
        for each in range(number):
            learning.count_answer(0.0, 5.0 + each / 2)
        # The wait that the provider has asked for is none of the minute.
        assert learning.note_refusal(0.0, 65.0) is None
        assert pytest.approx(amount) == guess.amount
    guess.refuse(0.0, 9.0, 65.0)
    guess.refuse(0.0, 1.0, 65.0)
    assert pytest.approx(100 * (1 - LEAST_CUT) * (1 - MOST_CUT) ** 2) == guess.amount
    for _ in range(20):
        guess.refuse(0.0, 1.0, 66.0)
    assert LEAST_GUESS == guess.amount


def test_what_was_answered_before_a_refusal_counts_for_no_later_one() -> None:
    learning = ScopeLearning()
    for _ in range(60):
        learning.count_answer(0.0, 0.0)
    guess = learning.note_refusal(0.0, 0.0)
    assert guess is not None
    assert 60.0 == guess.amount
    learning.note_refusal(5.0, 1.0)
    assert pytest.approx(60 * (1 - MOST_CUT)) == guess.amount


def test_a_limit_that_is_still_full_is_tried_again_after_longer_and_longer_waits() -> None:
    guess, now, waits = GuessedLimit(60, 0.0, 0.0), 0.0, []
    for _ in range(7):
        at = guess.earliest(1.0, now, now)
        guess.refuse(0.0, 0.0, at)
        waits.append(guess.earliest(1.0, at, at) - at)
        now = at
    assert [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0] == pytest.approx(waits)
    assert 60.0 == guess.amount
    guess.count_answer(now, now)
    guess.refuse(0.0, 0.0, now + 60.0)
    assert pytest.approx(60 * (1 - MOST_CUT)) == guess.amount
    guess.refuse(0.0, 0.0, now + 60.0)
    # At 42 a minute one request is refilled in that time, which is longer than a second.
    at = now + 60.0
    assert pytest.approx(60 / 42) == guess.earliest(1.0, at, at) - at


@pytest.mark.parametrize(("wait", "amount"), [(1.0, 120 / 1.5), (20.0, 120.0)])
def test_a_guess_that_has_grown_far_too_high_falls_at_once_to_what_was_answered(
    wait: float, amount: float
) -> None:
    learning = ScopeLearning()
    guess, now = learning.note_refusal(0.0, 0.0), 0.0
    assert guess is not None
    while guess.amount < 500:
        now += 9.0
        for _ in range(50):
            guess.count_answer(now, now)
    guess._answered = 0
    for second in (0.0, 10.0, 20.0, 30.0):
        for _ in range(30):
            learning.count_answer(now, now + second)
    learning.note_refusal(wait, now + 30.0)
    assert pytest.approx(amount) == guess.amount


def test_a_guess_grows_later_after_each_refusal_until_it_has_grown_much() -> None:
    def growths(guess: GuessedLimit, refused_at: float, number: int) -> list[tuple[float, float]]:
        """Return when it grew, in seconds since the refusal, and by how much."""
        found: list[tuple[float, float]] = []
        now = refused_at
        while len(found) < number:
            before, now = guess.amount, now + 1.0
            for _ in range(9):
                guess.count_answer(now, now)
            if guess.amount != before:
                found.append((now - refused_at, guess.amount - before))
        return found

    few, many = (GuessedLimit(amount, 0.0, 0.0) for amount in (MANY - 1, MANY))
    short = SHORT_PATIENCE
    assert [(short, 1.0), (2 * short, 2.0), (3 * short, 4.0)] == growths(few, 0.0, 3)
    assert [(FIRST_PATIENCE, 1.0), (FIRST_PATIENCE + MINUTE, 2.0)] == growths(many, 0.0, 2)
    guess = GuessedLimit(100, 0.0, 0.0)
    for at, patience in ((1e3, 2 * FIRST_PATIENCE), (2e3, MOST_PATIENCE), (3e3, MOST_PATIENCE)):
        guess.refuse(100.0, 5.0, at)
        step = FIRST_GROWTH * guess.amount
        assert pytest.approx((5.0 + patience, step)) == growths(guess, at, 1)[0]
    for n, found in enumerate(growths(guess, 3e3 + 5.0 + MOST_PATIENCE, 5), 1):
        assert pytest.approx((n * MINUTE, step * 2**n)) == found
    guess.refuse(100.0, 0.0, 4_000.0)
    assert FIRST_PATIENCE == growths(guess, 4_000.0, 1)[0][0]


def test_more_is_not_allowed_at_once_where_a_guess_grows_but_refilled_from_then_on() -> None:
    guess, now = GuessedLimit(MANY, 0.0, 0.0), 2 * FIRST_PATIENCE
    for _ in range(int(MANY)):
        guess.count_answer(1.0, 1.0)
    assert 0.0 == guess.used(now)
    guess.count_answer(now, now)
    assert MANY + 1 == guess.amount
    assert 1.0 == guess.used(now)
    assert pytest.approx(now + MINUTE / (MANY + 1)) == guess.full_at(now)


@pytest.mark.parametrize(
    ("wait", "amount"),
    [
        (0.0, 30 / 1.5),
        (1.0, 30 / 1.5),
        (3.0, 30 / 1.5),
        # So long nobody waits for one request of a bucket: it is a window that is to pass.
        (3.1, 30.0),
    ],
)
def test_the_first_guess_is_what_a_bucket_or_a_window_has_answered(
    wait: float, amount: float
) -> None:
    learning = ScopeLearning()
    for at in (0.0, 10.0, 30.0):
        for _ in range(10):
            learning.count_answer(at, at)
    guess = learning.note_refusal(wait, 30.0)
    # Of the 30 in 30 s, 20 in 20 s and 10 at once, the first show the largest bucket.
    assert guess is not None
    assert pytest.approx(amount) == guess.amount
    assert guess is learning.guess
    guesses = [ScopeLearning().note_refusal(wait, 0.0, at_least) for at_least in (0.0, 9.0)]
    assert [LEAST_GUESS, 9.0] == [each.amount for each in guesses if each is not None]


def test_a_pause_that_others_were_told_of_postpones_a_guess_too() -> None:
    quota = Quota((SlidingWindow(1_000, MINUTE),))
    quota.pause("m", 101.0)
    for _ in range(30):
        quota.settle(sent(quota, 101.0), {}, 101.0, 101.0)
    refuse(quota, 101.0, ONE, LimitReport("requests", MINUTE, is_refusal=True))
    quota.pause("m", 100.0)  # it is over
    assert pytest.approx(103.0) == booked_and_cancelled(quota, 101.0)
    quota.settle(sent(quota, 130.0), {}, 130.0, 130.0)
    for until, at in ((131.0, 132.0), (150.0, 150.0)):
        quota.pause("m", until)
        assert pytest.approx(at) == booked_and_cancelled(quota, 130.0)


def test_where_few_were_answered_the_first_goes_after_the_wait_alone() -> None:
    quota = Quota((SlidingWindow(1_000, MINUTE),))
    for number, wait, at in ((0, 0.25, 100.25), (11, 2.0, 202.0), (12, 2.0, 305.0)):
        now = math.floor(at / 100) * 100.0
        for _ in range(number):
            quota.settle(sent(quota, now), {}, now, now)
        report = LimitReport("requests", MINUTE, is_refusal=True, wait=wait)
        refuse(quota, now, ONE, report)
        assert pytest.approx(at) == booked_and_cancelled(quota, now)
        quota.forget(0.0)


def booked_and_cancelled(quota: Quota, now: float) -> float:
    """Return when a request that is asked for now could start."""
    reservation = reserved(quota, now)
    quota.cancel(reservation, now)
    return reservation.starts_at


@pytest.mark.parametrize(
    ("unit", "window", "used", "expected"),
    [
        ("requests", MINUTE, 10.0, True),
        ("requests", MINUTE, 2.5, False),
        ("requests", DAY, 10.0, False),
        ("tokens", MINUTE, 10.0, False),
    ],
)
def test_a_rate_is_shared_once_the_provider_counts_what_others_use(
    unit: Unit, window: float, used: float, expected: bool
) -> None:
    limit = LearnedLimit(100, window, unit)
    charge = Charge(1.0, 0.0)
    limit.pending.reserve(charge)
    limit.pending.start(charge, 0.0)
    learning, guess = ScopeLearning(), GuessedLimit(10, 0.0, 0.0)
    learning.note_others(limit, used, 0.0)
    times = (GUESSED_FOR - 1, GUESSED_FOR)
    assert [expected, False] == [learning.is_shared(limit, at) for at in times]
    # What is not of requests a minute is not shared in this sense, and a guess is our own.
    learning.note_others(LearnedLimit(100, MINUTE, "requests"), 10.0, 0.0)
    is_rate = (unit, window) == ("requests", MINUTE)
    assert [is_rate, False] == [learning.is_shared(each, 1.0) for each in (limit, guess)]


def test_what_is_stated_once_more_begins_anew_after_less_was_stated() -> None:
    limit = LearnedLimit(100, MINUTE, "tokens", configured=100)
    for amount in (*[200] * (CONFIRMATIONS - 1), 100, *[200] * (CONFIRMATIONS - 1)):
        limit.learn(amount, 0.0)
    assert 100 == limit.amount
    limit.learn(200, 0.0)
    assert 200 == limit.amount


def test_the_answers_of_the_last_minute_are_counted_second_by_second() -> None:
    log: AnswerLog = ()
    assert [0, 0.0] == [each(log, 0.0) for each in (answered, least_limit)]
    for at in (0.0, 0.9, 1.0, 30.0, 59.0):
        log = with_answer(log, at)
    assert [5, 3, 1, 0] == [answered(log, at) for at in (59.9, 60.0, 118.9, 119.0)]
    log = with_answer(log, 60.5)
    assert [1.0, 1, 30.0, 1, 59.0, 1, 60.5, 1] == list(log)
    assert pytest.approx(4 / (1 + 59.5 / MINUTE)) == least_limit(log, 60.5)
    assert [200.0, 1] == list(with_answer(log, 200.0))


def test_no_report_is_about_a_guess_and_it_ends_in_its_time() -> None:
    learning, other = ScopeLearning(), LearnedLimit(10, MINUTE, "tokens", configured=20)
    guess = learning.guess = GuessedLimit(10, 1.0, 0.0)
    assert limit_of(LimitReport("requests", MINUTE), [guess]) is None
    other.learn(5, 100.0)
    learning.note_expiry([guess, other])
    assert GUESSED_FOR == learning.until
    assert (guess, other) == learning.expire([guess, other], GUESSED_FOR - 1)
    assert guess is learning.guess
    assert (other,) == learning.expire([guess, other], GUESSED_FOR)
    assert 100.0 + STATED_FOR == learning.until
    assert (other,) == learning.expire([other], learning.until)
    assert (20, math.inf) == (other.amount, learning.until)
    ended: GuessedLimit | None = learning.guess
    assert ended is None


def test_a_refusal_beside_much_use_does_not_make_believe_that_little_is_used() -> None:
    """What it says is used counts, though the next estimate of the same request may be larger."""
    quota = limited(35.0)
    report = LimitReport("tokens", MINUTE, 35.0, 34.5, 1.0, is_refusal=True, wait=0.5 * MINUTE / 35)
    refuse(quota, 10.0, tokens(1), report)
    after = quota.reserve("m", tokens(1), 10.0)
    assert isinstance(after, NoCapacity)
    assert after.wait == pytest.approx(0.5 * MINUTE / 35)
