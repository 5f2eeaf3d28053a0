"""Several keys: whose turn it is, what each may send, and when one is taken out."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.account.learned import Learned
from services.llm.account.multi_key import MultiKeyAccount
from services.llm.errors import (
    AuthenticationError,
    InvalidRequestError,
    LLMError,
    ModelNotFoundError,
    ProviderUnavailableError,
    Retry,
    TruncatedError,
)
from services.llm.limit_types import LimitReport
from services.llm.quota import NoCapacity, Reservation
from services.llm.types import Reply, Request
from tests.compliant.multi_key import FIRST, ONE, SECOND, THIRD, answered, make, refusal, send
from tests.compliant.support import KEYS, MODEL, Clock


def refused_key(status: int = 401, code: str | None = None) -> AuthenticationError:
    return AuthenticationError("Groq authentication error: no", status=status, code=code)


def test_keys_are_taken_in_turn(many_keys: MultiKeyAccount, clock: Clock) -> None:
    turns = []
    for _ in range(6):
        turns.append(many_keys.scopes(MODEL)[0])
        answered(many_keys, turns[-1], clock.now)
    assert [FIRST, SECOND, THIRD] * 2 == turns


def test_a_scope_is_no_key_and_leads_to_one(many_keys: MultiKeyAccount) -> None:
    assert KEYS == [many_keys.api_key_of(scope) for scope in many_keys.scopes(MODEL)]
    assert not any(key in repr(many_keys) for key in KEYS)


def test_what_was_reserved_and_not_sent_is_no_turn(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    reservation = many_keys.reserve(FIRST, ONE, clock.now)
    assert isinstance(reservation, Reservation)
    assert SECOND == many_keys.scopes(MODEL)[0]
    many_keys.cancel(reservation, clock.now)
    assert FIRST == many_keys.scopes(MODEL)[0]


def test_a_paused_key_does_not_save_up_turns(many_keys: MultiKeyAccount, clock: Clock) -> None:
    many_keys.learn_about_scope(refusal("org_b"), SECOND, MODEL, 60.0)
    many_keys.learn_about_scope(refusal("org_c"), THIRD, MODEL, 60.0)
    clock.now += 10.0
    many_keys.learn_about_scope(refusal("org_a"), FIRST, MODEL, 60.0)
    for _ in range(10):
        answered(
            many_keys, next(scope for scope in many_keys.scopes(MODEL) if scope != FIRST), clock.now
        )
    clock.now += 10.0
    turns = []
    for _ in range(6):
        turns.append(many_keys.scopes(MODEL)[0])
        answered(many_keys, turns[-1], clock.now)
    assert Counter(turns)[FIRST] in (2, 3)


@given(st.lists(st.floats(0.0, 20.0), max_size=120), st.integers(1, 12))
def test_no_minute_holds_more_than_a_key_may_send(pauses: list[float], rpm: int) -> None:
    clock = Clock()
    many_keys, sent = make(clock, KEYS[:1], rpm_per_key=rpm), list[float]()
    (scope,) = many_keys.scopes(MODEL)
    for pause in pauses:
        clock.now += pause
        while isinstance(result := many_keys.reserve(scope, ONE, clock.now), NoCapacity):
            clock.now += result.wait
        many_keys.quota.try_start(result, clock.now)
        many_keys.quota.settle(result, {}, clock.now, clock.now)
        sent.append(clock.now)
    assert all(sent[n + rpm] - sent[n] > 60.0 - 1e-6 for n in range(len(sent) - rpm))


def test_half_a_minutes_requests_may_go_at_once_and_then_one_by_one(clock: Clock) -> None:
    many_keys = make(clock, KEYS[:1])
    (scope,) = many_keys.scopes(MODEL)
    for _ in range(15):
        answered(many_keys, scope, clock.now)
    late = many_keys.reserve(scope, ONE, clock.now)
    assert isinstance(late, NoCapacity)
    assert pytest.approx(2.0) == late.wait


def test_an_organisations_limit_binds_over_all_keys(clock: Clock) -> None:
    many_keys = make(clock, organization_rpm=4)
    for _ in range(4):
        answered(many_keys, many_keys.scopes(MODEL)[0], clock.now)
    waits = [many_keys.reserve(scope, ONE, clock.now) for scope in many_keys.scopes(MODEL)]
    assert [60.0] * 3 == [wait.wait for wait in waits if isinstance(wait, NoCapacity)]


def test_any_5xx_may_pass(many_keys: MultiKeyAccount) -> None:
    error = ProviderUnavailableError("520", status=520, retry=Retry.IF_REQUESTED)
    many_keys.learn_about_scope(error, FIRST, MODEL, 60.0)
    assert Retry.AFTER_BACKOFF is error.retry


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_taken_out_with_one_warning(
    many_keys: MultiKeyAccount, status: int, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    errors = [refused_key(status), refused_key(status)]
    with caplog.at_level(logging.WARNING):
        for error in errors:
            many_keys.learn_about_scope(error, SECOND, MODEL, 60.0)
    assert [f"{SECOND} is not accepted: Groq authentication error: no"] == caplog.messages
    assert [FIRST, THIRD] == list(many_keys.scopes(MODEL))
    assert not many_keys.is_usable(SECOND, clock.now)
    assert [Retry.AT_ONCE] * 2 == [error.retry for error in errors]
    assert 1 == many_keys.refusals


def test_when_no_key_is_left_the_error_says_so(many_keys: MultiKeyAccount) -> None:
    for scope in (FIRST, SECOND, THIRD):
        error = refused_key()
        many_keys.learn_about_scope(error, scope, MODEL, 60.0)
    assert Retry.NEVER is error.retry
    assert "none of the 3 keys is accepted" in str(error)
    with pytest.raises(AuthenticationError, match="none of the 3 keys is accepted"):
        many_keys.scopes(MODEL)


def test_the_only_key_is_named_as_such(clock: Clock) -> None:
    many_keys, error = make(clock, KEYS[:1]), refused_key()
    many_keys.learn_about_scope(error, "key 1 of 1", MODEL, 60.0)
    assert "the key is not accepted" in str(error)


def test_a_key_that_may_not_use_one_model_may_use_others(
    many_keys: MultiKeyAccount, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    with caplog.at_level(logging.WARNING):
        many_keys.learn_about_scope(refused_key(403, "model_terms_required"), FIRST, MODEL, 60.0)
    assert [SECOND, THIRD] == list(many_keys.scopes(MODEL))
    assert [FIRST, SECOND, THIRD] == list(many_keys.scopes("another"))
    assert many_keys.is_usable(FIRST, clock.now)
    assert [f"{FIRST} is not accepted for {MODEL}: Groq authentication error: no"] == (
        caplog.messages
    )


def test_an_error_that_is_not_of_the_key_takes_none_out(many_keys: MultiKeyAccount) -> None:
    from_proxy = refused_key(403)
    from_proxy.from_proxy = True
    for error in (
        InvalidRequestError("400", status=400),
        AuthenticationError("of words alone"),
        LLMError("unknown"),
        from_proxy,
    ):
        many_keys.learn_about_scope(error, FIRST, MODEL, 60.0)
    assert 3 == len(many_keys.scopes(MODEL))


def test_an_answer_that_is_not_whole_shows_room_as_any_answer_does(clock: Clock) -> None:
    many_keys, cut = make(clock, rpm_per_key=2), TruncatedError("length")
    cut.partial = Reply("half", MODEL, "groq")
    for _ in range(2):
        reservation = send(many_keys, many_keys.scopes(MODEL)[0], clock.now)
        many_keys.learn_about_scope(cut, reservation.scope, MODEL, 60.0)
        many_keys.quota.settle(reservation, {}, clock.now, clock.now)
    assert isinstance(many_keys.reserve(many_keys.scopes(MODEL)[0], ONE, clock.now), Reservation)


def test_a_retired_model_is_learnt_as_by_any_client(many_keys: MultiKeyAccount) -> None:
    error = ModelNotFoundError("gone", status=404)
    error.end_of_life = True
    asked = Request("mixtral-8x7b-32768", ())
    many_keys.learn_about_model(error, asked, asked)
    assert Retry.AT_ONCE is error.retry
    assert "openai/gpt-oss-120b" == many_keys.resolve_model(asked)


def test_a_refused_key_is_tried_again_after_an_hour(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    many_keys.learn_about_scope(AuthenticationError("No.", status=401), FIRST, MODEL, 60.0)
    assert (1, {FIRST: "No."}) == (many_keys.refusals, dict(many_keys.learned().refused_keys))
    assert FIRST not in many_keys.scopes(MODEL)
    clock.now += 3_600.0
    assert FIRST in many_keys.scopes(MODEL)
    many_keys.learn_about_scope(AuthenticationError("No.", status=401), FIRST, MODEL, 60.0)
    assert (2, False) == (many_keys.refusals, FIRST in many_keys.scopes(MODEL))


def test_what_was_learnt_can_be_looked_at_and_dropped(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    blocked = AuthenticationError("No.", status=403, code="model_permission_blocked_org")
    many_keys.learn_about_scope(blocked, FIRST, MODEL, 60.0)
    many_keys.learn_about_scope(
        refusal("org_a", limit="requests per minute (RPM): Limit 5"), SECOND, MODEL, 60.0
    )
    known = many_keys.learned()
    assert {f"{FIRST} for {MODEL}": "No."} == dict(known.refused_keys)
    assert {FIRST: 5.0, SECOND: 5.0, THIRD: 5.0} == dict(known.pauses)
    many_keys.forget()
    assert Learned() == many_keys.learned()
    assert [FIRST, SECOND, THIRD] == sorted(many_keys.scopes(MODEL))
    assert all(
        isinstance(many_keys.reserve(scope, ONE, clock.now), Reservation)
        for scope in many_keys.scopes(MODEL)
    )


def test_a_stated_organisation_is_not_forgotten(clock: Clock) -> None:
    many_keys = make(clock, organization_rpm=30)
    many_keys.forget()
    many_keys.learn_about_scope(refusal("org_a"), FIRST, MODEL, 60.0)
    assert [FIRST, SECOND, THIRD] == sorted(many_keys.learned().pauses)


def test_a_stated_limit_above_the_believed_one_changes_nothing(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    more = "requests per minute (RPM): Limit 1000, Used 1000, Requested 1"
    many_keys.learn_about_scope(refusal("org_a", limit=more, retry_after=None), FIRST, MODEL, 60.0)
    assert 30 == many_keys._unknown.amount
    less = "requests per minute (RPM): Limit 7, Used 7, Requested 1"
    many_keys.learn_about_scope(refusal("org_a", limit=less, retry_after=None), FIRST, MODEL, 60.0)
    assert 7 == many_keys._unknown.amount
    many_keys.forget()
    assert 30 == many_keys._unknown.amount


def test_organisations_share_the_turns_where_keys_are_known_to_belong_together(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    for scope, organization in ((FIRST, "org_a"), (SECOND, "org_a"), (THIRD, "org_b")):
        many_keys.learn_about_scope(refusal(organization), scope, MODEL, 60.0)
    clock.now += 10.0
    turns: Counter[str] = Counter()
    for _ in range(8):
        scope = many_keys.scopes(MODEL)[0]
        answered(many_keys, scope, clock.now)
        turns[scope] += 1
    assert {FIRST: 2, SECOND: 2, THIRD: 4} == turns


def test_what_was_answered_is_settled_once(many_keys: MultiKeyAccount, clock: Clock) -> None:
    reservation = send(many_keys, FIRST, clock.now)
    many_keys.settle(reservation, {}, clock.now, clock.now)
    with pytest.raises(RuntimeError, match="is not in flight"):
        many_keys.settle(reservation, {}, clock.now, clock.now)


@pytest.mark.parametrize(
    "error",
    [
        LLMError("no", status=418, retry=Retry.IF_REQUESTED),
        ProviderUnavailableError("no", status=501, retry=Retry.NEVER),
    ],
)
def test_what_is_no_passing_fault_of_the_providers_is_left_as_it_is(
    many_keys: MultiKeyAccount, error: LLMError
) -> None:
    retry = error.retry
    many_keys.learn_about_scope(error, FIRST, MODEL, 0.0)
    assert retry is error.retry


def test_of_what_an_answer_says_only_requests_a_minute_are_found_out_in_another_way(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    reservation = many_keys.reserve(FIRST, ONE, clock.now, model=MODEL)
    assert isinstance(reservation, Reservation)
    many_keys.quota.try_start(reservation, clock.now)
    reports = [
        LimitReport("requests", 60.0, 5.0, 1.0),
        LimitReport("requests", 86_400.0, 100.0, 1.0),
        LimitReport("tokens", 60.0, 1_000.0, 1.0),
    ]
    many_keys.settle(reservation, {}, clock.now, clock.now, reports)
    limits = {(each.name, each.amount) for each in many_keys.headroom_of(FIRST, MODEL)}
    assert {("RPD", 100.0), ("TPM", 1_000.0)} <= limits
    assert ("RPM", 5.0) not in limits
