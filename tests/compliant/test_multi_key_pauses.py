"""What a refusal of one key holds back: every key that may be of the organisation it names."""

from __future__ import annotations

import logging

import pytest

from services.llm.account.multi_key import MultiKeyAccount
from services.llm.errors import ProviderUnavailableError, RateLimitError, Retry
from services.llm.quota import Reservation
from tests.compliant.multi_key import FIRST, ONE, SECOND, THIRD, make, refusal, send
from tests.compliant.support import MODEL, Clock


def pausing(many_keys: MultiKeyAccount, now: float) -> list[str]:
    return [scope for scope in (FIRST, SECOND, THIRD) if many_keys.quota.paused_for(scope, now)]


def test_a_refusal_pauses_every_key_that_may_be_of_its_organisation(
    many_keys: MultiKeyAccount, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        many_keys.learn_about_scope(refusal("org_a"), FIRST, MODEL, 60.0)
    assert [FIRST, SECOND, THIRD] == pausing(many_keys, clock.now + 4.9)
    assert [] == pausing(many_keys, clock.now + 5.0)
    assert [f"Groq asks for a pause of 5.0 s: {FIRST}, {SECOND}, {THIRD}"] == caplog.messages


def test_keys_known_to_be_of_other_organisations_go_on(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    for scope, organization in ((FIRST, "org_a"), (SECOND, "org_b"), (THIRD, "org_a")):
        many_keys.learn_about_scope(refusal(organization), scope, MODEL, 60.0)
    clock.now += 10.0
    many_keys.learn_about_scope(refusal("org_a"), FIRST, MODEL, 60.0)
    assert [FIRST, THIRD] == pausing(many_keys, clock.now)
    assert (False, True) == (
        many_keys.is_usable(FIRST, clock.now),
        many_keys.is_usable(SECOND, clock.now),
    )


def test_a_refusal_without_a_name_is_of_the_organisation_that_is_known(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    many_keys.learn_about_scope(refusal("org_a"), FIRST, MODEL, 60.0)
    many_keys.learn_about_scope(refusal("org_b"), SECOND, MODEL, 60.0)
    clock.now += 10.0
    many_keys.learn_about_scope(refusal(), FIRST, MODEL, 60.0)
    assert [FIRST, THIRD] == pausing(many_keys, clock.now)


def test_one_stated_organisation_pauses_together_whatever_a_refusal_says(clock: Clock) -> None:
    many_keys = make(clock, organization_rpm=30)
    many_keys.learn_about_scope(refusal("org_a"), FIRST, MODEL, 60.0)
    clock.now += 10.0
    many_keys.learn_about_scope(refusal("org_b"), SECOND, MODEL, 60.0)
    assert [FIRST, SECOND, THIRD] == pausing(many_keys, clock.now)


def test_while_all_pause_each_keeps_what_is_reserved_on_it(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    many_keys.learn_about_scope(refusal("org_a"), FIRST, MODEL, 60.0)
    assert [True] * 3 == [many_keys.is_usable(scope, clock.now) for scope in (FIRST, SECOND, THIRD)]


@pytest.mark.parametrize(("quota_wait_left", "retry"), [(60.0, Retry.AT_ONCE), (4.0, Retry.NEVER)])
def test_a_pause_is_waited_out_as_far_as_patience_goes(
    many_keys: MultiKeyAccount, quota_wait_left: float, retry: Retry
) -> None:
    error = refusal("org_a")
    many_keys.learn_about_scope(error, FIRST, MODEL, quota_wait_left)
    assert retry is error.retry


def test_a_refusal_without_a_time_pauses_until_one_request_is_refilled(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    error = refusal(retry_after=None)
    many_keys.learn_about_scope(error, FIRST, MODEL, 60.0)
    assert Retry.AFTER_BACKOFF is error.retry
    assert pytest.approx(2.0) == many_keys.quota.paused_for(FIRST, clock.now)


def test_a_limit_of_our_own_teaches_nothing(many_keys: MultiKeyAccount, clock: Clock) -> None:
    error = RateLimitError("Rate limit exceeded. Please wait 2.0 seconds")
    many_keys.learn_about_scope(error, FIRST, MODEL, 60.0)
    assert ([], Retry.NEVER) == (pausing(many_keys, clock.now), error.retry)


def test_a_busy_provider_is_left_alone_with_every_key(many_keys: MultiKeyAccount) -> None:
    error = ProviderUnavailableError("503", status=503, retry_after=7.0)
    many_keys.learn_about_scope(error, SECOND, MODEL, 60.0)
    scopes = [many_keys.outage_key(scope) for scope in (FIRST, SECOND, THIRD)]
    assert [7.0] * 3 == [many_keys.outages.wait(scope, many_keys.now()) for scope in scopes]
    assert Retry.AFTER_BACKOFF is error.retry


def test_a_refusal_that_is_no_sdk_error_names_nobody(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    error = refusal()
    error.__cause__ = None
    many_keys.learn_about_scope(error, FIRST, MODEL, 60.0)
    assert [FIRST, SECOND, THIRD] == pausing(many_keys, clock.now)


def test_a_refusal_of_requests_per_minute_teaches_what_the_limit_is(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    error = refusal("org_a", limit="requests per minute (RPM): Limit 10, Used 10, Requested 1")
    reservation = send(many_keys, FIRST, clock.now)
    many_keys.learn_about_scope(error, FIRST, MODEL, 60.0)
    many_keys.quota.settle(reservation, {}, clock.now, clock.now)
    clock.now += 5.0
    sent = 0
    while isinstance(
        next_ := many_keys.reserve(many_keys.scopes(MODEL)[0], ONE, clock.now), Reservation
    ):
        many_keys.quota.try_start(next_, clock.now)
        many_keys.quota.settle(next_, {}, clock.now, clock.now)
        sent += 1
    assert 9 == sent


def test_an_organisation_that_was_forgotten_may_be_that_of_any_key(
    many_keys: MultiKeyAccount, clock: Clock
) -> None:
    for scope, organization in ((FIRST, "org_a"), (SECOND, "org_b")):
        many_keys.learn_about_scope(refusal(organization), scope, MODEL, 60.0)
    many_keys.forget()
    assert [] == pausing(many_keys, clock.now)
    many_keys.learn_about_scope(refusal(), FIRST, MODEL, 60.0)
    assert [FIRST, SECOND, THIRD] == pausing(many_keys, clock.now)
