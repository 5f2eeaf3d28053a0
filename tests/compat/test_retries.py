"""`generate_with_retry`: how often it calls, how long it waits, and when it does not insist."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any
from unittest.mock import AsyncMock, Mock, patch

import groq
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from services.llm_client import (
    AuthenticationError,
    BedrockClient,
    GroqClient,
    RateLimitError,
    RetriesExhaustedError,
)
from tests.compat.support import claude, completion, invocation, response

Client = GroqClient | BedrockClient

DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "No."}}, "InvokeModel")
THROTTLED = ClientError(
    {"Error": {"Code": "ThrottlingException", "Message": "Slow down."}}, "InvokeModel"
)


def answer_of(client: Client) -> Any:
    groq_too = isinstance(client, GroqClient)
    return completion("Hello!") if groq_too else invocation(claude("Hello!"))


def waits(sleep: Mock) -> list[float]:
    return [slept.args[0] for slept in sleep.call_args_list]


@pytest.mark.parametrize(
    ("attempts", "backoffs"),
    [(1, []), (2, [1.0]), (3, [1.0, 2.0]), (4, [1.0, 2.0, 4.0]), (5, [1.0, 2.0, 4.0, 8.0])],
)
def test_it_makes_exactly_the_attempts_it_is_told(
    client: Client, sdk_call: Mock, sleep: Mock, attempts: int, backoffs: list[float]
) -> None:
    sdk_call.side_effect = Exception("Temporary error")

    with pytest.raises(RetriesExhaustedError) as caught:
        client.generate_with_retry("x", max_retries=attempts)

    last = caught.value.__cause__
    assert str(caught.value) == f"Failed after {attempts} attempts: {last}"
    assert str(last).endswith(" API error: Temporary error")
    assert sdk_call.call_count == len(caught.value.attempts) == attempts
    assert waits(sleep) == backoffs


def test_three_failing_attempts_take_three_seconds(
    client: Client, sdk_call: Mock, sleep: Mock
) -> None:
    sdk_call.side_effect = Exception("Temporary error")
    with pytest.raises(Exception, match="Failed after 3 attempts"):
        client.generate_with_retry("x")

    assert sum(waits(sleep)) == 3.0


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_it_returns_as_soon_as_an_attempt_succeeds(
    client: Client, sdk_call: Mock, sleep: Mock, failures: int
) -> None:
    sdk_call.side_effect = [Exception("Temporary error")] * failures + [answer_of(client)]

    assert client.generate_with_retry("x", max_retries=3) == "Hello!"
    assert sdk_call.call_count == failures + 1
    assert waits(sleep) == [1.0, 2.0][:failures]


def test_a_botocore_error_is_tried_again(
    bedrock_client: BedrockClient, invoke: Mock, sleep: Mock
) -> None:
    invoke.side_effect = BotoCoreError()
    told = r"^Failed after 3 attempts: Bedrock connection error: "
    with pytest.raises(Exception, match=told):
        bedrock_client.generate_with_retry("x")

    assert invoke.call_count == 3


@pytest.mark.parametrize("raised", [groq.InternalServerError, groq.APIConnectionError])
def test_a_passing_fault_of_groq_is_tried_again(
    groq_client: GroqClient, create: Mock, sleep: Mock, raised: type[Exception]
) -> None:
    broken = response(500)
    options = {"response": broken, "body": None} if raised is groq.InternalServerError else {}
    error = raised("x", **options) if options else groq.APIConnectionError(request=broken.request)
    create.side_effect = [error, completion("Hello!")]

    assert groq_client.generate_with_retry("x") == "Hello!"
    assert waits(sleep) == [1.0]


# Bedrock's throttling names no time to come back at and passes by itself, as its 503 does.
def test_throttling_is_tried_again(
    bedrock_client: BedrockClient, invoke: Mock, sleep: Mock
) -> None:
    invoke.side_effect = [THROTTLED, invocation(claude("Hello!"))]

    assert bedrock_client.generate_with_retry("x") == "Hello!"
    assert waits(sleep) == [1.0]


@pytest.mark.parametrize(
    "words", ["Rate limit reached", "rate_limit_exceeded", "authentication failed"]
)
def test_bare_words_of_a_limit_or_a_key_end_it(
    client: Client, sdk_call: Mock, sleep: Mock, words: str
) -> None:
    sdk_call.side_effect = Exception(words)

    with pytest.raises((RateLimitError, AuthenticationError), match=words) as caught:
        client.generate_with_retry("x", max_retries=5)

    assert not isinstance(caught.value, RetriesExhaustedError)
    assert (sdk_call.call_count, waits(sleep)) == (1, [])


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        ("RateLimitError", 429, "Groq rate limit exceeded: "),
        ("AuthenticationError", 401, "Groq authentication error: "),
        ("PermissionDeniedError", 403, "Groq authentication error: "),
        ("BadRequestError", 400, "Groq API error: "),
    ],
)
def test_groqs_own_refusals_end_it(
    groq_client: GroqClient, create: Mock, sleep: Mock, kind: str, status: int, told: str
) -> None:
    create.side_effect = getattr(groq, kind)("No.", response=response(status), body=None)

    with pytest.raises(Exception, match=f"^{told}"):
        groq_client.generate_with_retry("x")
    assert (create.call_count, waits(sleep)) == (1, [])


def test_bedrocks_denial_ends_it(bedrock_client: BedrockClient, invoke: Mock, sleep: Mock) -> None:
    invoke.side_effect = DENIED

    with pytest.raises(ValueError, match=r"^Bedrock API error: No\."):
        bedrock_client.generate_with_retry("x")
    assert (invoke.call_count, waits(sleep)) == (1, [])


def test_a_full_window_ends_it(client: Client, sdk_call: Mock, sleep: Mock) -> None:
    client._max_requests_per_window = 1
    sdk_call.side_effect = Exception("Temporary error")

    with pytest.raises(Exception, match=r"^Rate limit exceeded\. Please wait"):
        client.generate_with_retry("x")
    # The second attempt needs a slot as the first did.
    assert (sdk_call.call_count, waits(sleep)) == (1, [1.0])


@pytest.mark.parametrize("attempts", [0, -1, 1.5, True, "3", None])
def test_a_number_of_attempts_that_is_none_is_named(
    client: Client, sdk_call: Mock, attempts: Any
) -> None:
    with pytest.raises(ValueError, match=r"max_retries is .*: give a whole number from 1 on"):
        client.generate_with_retry("x", max_retries=attempts)
    sdk_call.assert_not_called()


def test_the_async_counterpart_waits_the_same(client: Client, sdk_call: Mock) -> None:
    sdk_call.side_effect = Exception("Temporary error")

    with (
        patch("services.llm.call.drivers.asyncio.sleep", AsyncMock()) as sleep,
        pytest.raises(RetriesExhaustedError, match=r"^Failed after 3 attempts: "),
    ):
        asyncio.run(client.agenerate_with_retry("x", max_retries=3))

    assert sdk_call.call_count == 3
    assert [slept.args[0] for slept in sleep.call_args_list] == [1.0, 2.0]


def test_time_that_passes_between_two_looks_at_the_clock_is_no_wait_for_a_limit(
    groq_client: GroqClient, create: Mock, sleep: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, looks = time.monotonic(), itertools.count()
    monkeypatch.setattr("time.monotonic", lambda: begun + next(looks) / 1000)
    create.side_effect = [Exception("Temporary error")] * 19 + [completion("Hello!")]

    groq_client.timeout = 10_000

    assert groq_client.generate_with_retry("x", max_retries=20) == "Hello!"


@tried(deadline=None)
@given(attempts=st.integers(1, 9), failures=st.integers(0, 10))
def test_calls_and_backoffs_follow_from_the_attempts(attempts: int, failures: int) -> None:
    with patch("services.llm_client.Groq"), patch("services.llm_client.time.sleep") as sleep:
        client = GroqClient(api_key="test-key", timeout=10_000)
        create = client.client.chat.completions.create
        create.side_effect = [Exception("Temporary error")] * failures + [completion("Hello!")]
        if failures < attempts:
            assert client.generate_with_retry("x", attempts) == "Hello!"
        else:
            with pytest.raises(RetriesExhaustedError):
                client.generate_with_retry("x", attempts)

    calls = min(attempts, failures + 1)
    assert create.call_count == calls
    assert waits(sleep) == [min(60.0, 2.0**number) for number in range(calls - 1)]
