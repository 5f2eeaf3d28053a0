"""Groq's limits: what they count, and what they say."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox import Answer, Fault, Limits, Sandbox
from tests.sandbox.groq_calls import GPT, hello, json_schema, post


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_the_thirty_first_request_in_a_minute_is_refused_word_for_word() -> None:
    clock = Clock()
    with Sandbox(limits=Limits.free(), clock=clock) as sandbox:
        replies = [post(sandbox, hello(max_completion_tokens=20)) for _ in range(31)]
        assert [200] * 30 + [429] == [reply.status_code for reply in replies]
        assert "2" == replies[30].headers["retry-after"]
        assert {
            "error": {
                "message": f"Rate limit reached for model `{GPT}` in organization "
                "`org_00000000000000000000sandbox` service tier `on_demand` on requests per minute "
                "(RPM): Limit 30, Used 30, Requested 1. Please try again in 2s. Need more tokens? "
                "Upgrade to Dev Tier today at https://console.groq.com/settings/billing",
                "type": "requests",
                "code": "rate_limit_exceeded",
            }
        } == replies[30].json()
        clock.now += 2
        assert 200 == post(sandbox, hello(max_completion_tokens=20)).status_code


def test_headers_tell_of_requests_per_day_and_tokens_per_minute() -> None:
    with Sandbox(limits=Limits.free(), clock=Clock()) as sandbox:
        headers = post(sandbox, hello(max_completion_tokens=98)).headers
    told = {name: value for name, value in headers.items() if name.startswith("x-ratelimit")}
    assert told == {
        "x-ratelimit-limit-requests": "1000",
        "x-ratelimit-remaining-requests": "999",
        "x-ratelimit-reset-requests": "1m26.4s",
        "x-ratelimit-limit-tokens": "8000",
        # Recorded: what is only reserved for the answer is not counted here.
        "x-ratelimit-remaining-tokens": "7998",
        "x-ratelimit-reset-tokens": "15ms",
    }


def test_the_headers_are_there_where_no_limit_is_enforced() -> None:
    with Sandbox(clock=Clock()) as sandbox:
        first, second = (post(sandbox, hello()).headers for _ in range(2))
    shown = [int(headers["x-ratelimit-remaining-requests"]) for headers in (first, second)]
    assert (999_999_999, 999_999_998) == tuple(shown)


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (Fault.error(500), True),
        (Fault.tool_use_failed("x"), True),
        (Fault.context_length(), True),
        (Fault.error(400), False),
        (Fault.error(503), False),
        (Fault.invalid_key(), False),
        (Fault.decommissioned(), False),
    ],
)
def test_some_errors_tell_of_the_limits_too(fault: Fault, shown: bool) -> None:
    with Sandbox(limits=Limits.free(), clock=Clock()) as sandbox:
        sandbox.script(None, fault)
        post(sandbox, hello())
        headers = post(sandbox, hello()).headers
        assert ("999" if shown else None) == headers.get("x-ratelimit-remaining-requests")


def test_a_prompt_that_is_too_long_tells_of_the_limits_and_uses_none() -> None:
    with Sandbox(clock=Clock()) as sandbox:
        for _ in range(2):
            reply = post(sandbox, hello("x" * 4 * 131_073))
        assert (400, "1000000000") == (
            reply.status_code,
            reply.headers["x-ratelimit-remaining-requests"],
        )


def test_declared_tokens_are_reserved_and_given_back() -> None:
    with Sandbox(limits=Limits(tpm=1_000), clock=Clock()) as sandbox:
        for _ in range(3):
            assert 200 == post(sandbox, hello(max_completion_tokens=900)).status_code
        sandbox.script(Answer(text="x", output_tokens=900))
        assert 200 == post(sandbox, hello(max_completion_tokens=900)).status_code
        refused = post(sandbox, hello(max_completion_tokens=900)).json()["error"]
    used = int(re.findall(r"Used (\d+), Requested 902", refused["message"])[0])
    assert 3 * (2 + 8) + 902 == used
    assert "tokens" == refused["type"]


def test_cached_tokens_do_not_count() -> None:
    with Sandbox(limits=Limits(itpm=100), clock=Clock()) as sandbox:
        sandbox.script(*[Answer(text="x", input_tokens=90, cached_tokens=90)] * 2)
        replies = [post(sandbox, hello("a" * 360)) for _ in range(2)]
    assert [200, 200] == [reply.status_code for reply in replies]
    assert {"cached_tokens": 90} == replies[0].json()["usage"]["prompt_tokens_details"]


@pytest.mark.parametrize(
    ("limits", "status", "message"),
    [
        (
            Limits(tpm=100),
            413,
            "Request too large for .* Limit 100, Requested 202, please reduce your message size",
        ),
        (
            Limits(otpm=100),
            429,
            r"Request too large .*\(OTPM\): Limit 100, Requested 200, please reduce max_tokens",
        ),
    ],
)
def test_a_request_larger_than_a_limit_is_refused_for_good(
    limits: Limits, status: int, message: str
) -> None:
    with Sandbox(limits={GPT: limits}, clock=Clock()) as sandbox:
        reply = post(sandbox, hello(max_completion_tokens=200))
        other = post(sandbox, {**hello(), "model": "openai/gpt-oss-20b"})
    assert status == reply.status_code
    assert re.search(message, reply.json()["error"]["message"])
    assert "rate_limit_exceeded" == reply.json()["error"]["code"]
    assert "retry-after" not in reply.headers
    assert 200 == other.status_code


def test_limits_can_be_replaced_while_it_runs() -> None:
    with Sandbox(clock=Clock()) as sandbox:
        sandbox.limits = Limits(rpm=1)
        assert [200, 429] == [post(sandbox, hello()).status_code for _ in range(2)]
        sandbox.limits = Limits(rpm=2)
        assert [200, 200, 429] == [post(sandbox, hello()).status_code for _ in range(3)]
        sandbox.clear()
        assert 200 == post(sandbox, hello()).status_code
        assert Limits(rpm=2) == sandbox.limits


def test_requests_that_are_refused_use_no_quota() -> None:
    with Sandbox(limits=Limits(rpm=1), clock=Clock()) as sandbox:
        bad: list[dict[str, Any]] = [{"n": 2}, {"response_format": json_schema({"type": "nope"})}]
        assert [400, 400] == [post(sandbox, hello(**options)).status_code for options in bad]
        assert [200, 429] == [post(sandbox, hello()).status_code for _ in range(2)]


def test_errors_that_were_scripted_use_no_quota() -> None:
    with Sandbox(limits=Limits(rpm=1), clock=Clock()) as sandbox:
        sandbox.script(Fault.error(503), Fault.error(500))
        assert [503, 500, 200, 429] == [post(sandbox, hello()).status_code for _ in range(4)]
