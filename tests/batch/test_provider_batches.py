"""Providers' own batches: submitted, polled, resumed, cancelled and read, by the real SDKs."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from datetime import date
from types import MappingProxyType, SimpleNamespace
from typing import Any

import groq
import httpx
import pytest
from botocore.exceptions import ClientError
from pydantic import BaseModel

from sandbox import Answer, Sandbox
from services import llm_client
from services.llm.account.registry import new_account
from services.llm.batch import provider_batch
from services.llm.batch.bookkeeping import BatchBookkeeper
from services.llm.batch.input_files import InputFile
from services.llm.batch.reservations import BatchReservations
from services.llm.effects import Overdue, RunBlocking
from services.llm.events import Hooks
from services.llm.providers.batch_types import BatchLine, CustomId, json_line
from services.llm.providers.bedrock.batch_api import BedrockBatchApi
from services.llm.providers.groq.batch_api import GroqBatchApi
from services.llm.settings.knobs import Knobs
from services.llm.types import Request
from services.llm_client import (
    AuthenticationError,
    BatchStatus,
    ConfigurationError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ModelType,
    ProviderUnavailableError,
    Reply,
    StructuredOutputError,
    StructuredReply,
    TruncatedError,
)
from tests.wire.clock import VirtualTime
from tests.wire.faces import settings

HOUR = 3600.0
PROVIDERS = ("groq", "bedrock")
MODELS = {"groq": "openai/gpt-oss-120b", "bedrock": "us.anthropic.claude-sonnet-4-6"}
PROMPTS = [f"Say {number}." for number in range(6)]
Make = Callable[..., Any]


class Word(BaseModel):
    word: str


def knobs(url: str) -> dict[str, object]:
    return {
        "GROQ_MODEL": MODELS["groq"],
        "BEDROCK_MODEL_ID": MODELS["bedrock"],
        "AWS_ENDPOINT_URL_BEDROCK": url,
        "AWS_ENDPOINT_URL_S3": url,
        "BEDROCK_BATCH_BUCKET": "s3://box/of/ours/",
        "BEDROCK_BATCH_ROLE_ARN": "arn:aws:iam::123456789012:role/batch",
    }


@pytest.fixture
def virtual(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    clock = VirtualTime()
    clock.rule(monkeypatch)
    return clock


@pytest.fixture
def slow(virtual: VirtualTime) -> Iterator[Sandbox]:
    """A sandbox whose batches take an hour."""
    with Sandbox(clock=virtual.now, wall_clock=virtual.wall, batch_seconds=HOUR) as running:
        yield running


def client_of(url: str, provider: str, patch: pytest.MonkeyPatch, **more: object) -> Any:
    patch.setattr(llm_client, "settings", settings(url, **{**knobs(url), **more}))
    kind: Any = llm_client.GroqClient if provider == "groq" else llm_client.BedrockClient
    return kind()


@pytest.fixture(params=PROVIDERS)
def client(
    request: pytest.FixtureRequest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    with client_of(sandbox.url, request.param, monkeypatch) as made:
        yield made


def test_results_come_in_order_at_half_the_price(client: Any) -> None:
    batch = client.submit_batch(PROMPTS)
    results = list(batch.results())
    assert [f"Sandbox: {prompt}" for prompt in PROMPTS] == [each.value for each in results]
    assert PROMPTS == [each.prompt for each in results]
    live = client.respond(PROMPTS[0])
    half = results[0].reply
    assert live.cost is not None
    assert (live.cost / 2, live.usage.total_tokens) == (half.cost, half.usage.total_tokens)
    assert [half.cost] == [attempt.cost for attempt in half.attempts]


def test_the_async_counterparts_do_the_same(client: Any) -> None:
    async def prompts() -> AsyncIterator[str]:
        for prompt in PROMPTS:
            yield prompt

    async def main() -> None:
        for source in (prompts(), PROMPTS * 20):
            batch = await client.asubmit_batch(source, schema=Word)
            assert "completed" == (await batch.astatus()).state
            results = [result async for result in batch.aresults()]
            assert {Word} == {type(each.value) for each in results}
            await batch.acancel()
        await client.aclose()

    asyncio.run(main())


def test_answers_satisfy_a_schema_also_after_a_restart(client: Any) -> None:
    batch = client.submit_batch(PROMPTS[:2], schema=Word)
    resumed = client.resume_batch(batch.id, Word)
    results = list(resumed.results())
    assert [Word, Word] == [type(each.value) for each in results]
    assert all(isinstance(each.reply, StructuredReply) for each in results)
    assert [None, None] == [each.prompt for each in results]
    assert all(each.reply.cost == each.reply.attempts[0].cost for each in results)


def test_what_was_submitted_without_a_schema_is_not_read_with_one(client: Any) -> None:
    batch = client.submit_batch(PROMPTS[:1])
    (result,) = client.resume_batch(batch.id, schema=Word).results()
    assert "submitted without a schema" in str(result.error)


def test_a_prompt_that_fails_has_its_error(client: Any, sandbox: Sandbox) -> None:
    gone = {"prompt": "Say it.", "model": "sandbox/404"}
    cut = {"prompt": "Say it.", "model": "sandbox/length"}
    results = list(client.submit_batch(["Say 0.", gone, cut, "Say 3."]).results())
    kinds = [type(each.error) for each in results]
    assert [type(None), ModelNotFoundError, TruncatedError, type(None)] == kinds
    assert [1, 1, 1] == [len(each.error.attempts) for each in results[1:3]] + [
        len(results[0].reply.attempts)
    ]
    assert results[2].error.partial.attempts == results[2].error.attempts


@pytest.mark.parametrize("model", ["sandbox/html", "sandbox/malformed"])
def test_an_answer_that_is_no_json_is_the_error_of_its_prompt(client: Any, model: str) -> None:
    prompts = ["Say 0.", {"prompt": "Say it.", "model": model}]
    results = list(client.submit_batch(prompts).results())
    assert ["Sandbox: Say 0.", None] == [each.reply and each.reply.text for each in results]
    assert isinstance(results[1].error, LLMError)


def test_an_answer_against_the_schema_is_an_error_without_a_repair(
    client: Any, sandbox: Sandbox
) -> None:
    sandbox.script(Answer.says('{"word": 7}'), prompt="Say 0.", times=None)
    cut = {"prompt": "Say it.", "model": "sandbox/length"}
    gone = {"prompt": "Say it.", "model": "sandbox/404"}
    empty = {"prompt": "Say it.", "model": "sandbox/empty"}
    prompts = ["Say 0.", cut, gone, empty]
    knobs_before = client._knobs.LLM_COERCE
    client._knobs.LLM_COERCE = False
    try:
        results = list(client.submit_batch(prompts, schema=Word).results())
    finally:
        client._knobs.LLM_COERCE = knobs_before
    # What was cut off counts where it is whole all the same.
    kinds = [StructuredOutputError, type(None), ModelNotFoundError, StructuredOutputError]
    assert kinds == [type(each.error) for each in results]
    (attempt,) = results[3].error.attempts
    assert attempt.usage.reported
    assert 1 == len(results[1].reply.attempts)
    assert results[0].error.raw == '{"word": 7}'
    assert 1 == len(results[0].error.attempts)


def test_a_batch_is_split_into_files_as_large_as_may_be(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for api in (GroqBatchApi, BedrockBatchApi):
        monkeypatch.setattr(api, "max_lines", 2)
    batch = client.submit_batch([*PROMPTS, "Say it."])
    assert 4 == len(batch.batch_ids)
    assert BatchStatus("completed", 7, 7) == batch.status()
    first = batch.batch_ids[0]
    results = client.resume_batch(f"{batch.id}, {first}").results()
    assert [*PROMPTS, "Say it."] == [each.value.removeprefix("Sandbox: ") for each in results]
    for api in (GroqBatchApi, BedrockBatchApi):
        monkeypatch.setattr(api, "max_bytes", 700)
    assert 2 < len(client.submit_batch(PROMPTS).batch_ids) <= 6
    with pytest.raises(ConfigurationError, match=r"prompts\[1\]: it is longer than a file"):
        client.submit_batch(["Say it.", "long " * 200])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_is_polled_until_it_has_ended(
    provider: str, slow: Sandbox, virtual: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(slow.url, provider, monkeypatch) as client:
        batch = client.submit_batch(PROMPTS)
        assert "waiting" == batch.status().state
        seen: list[BatchStatus] = []
        results = list(batch.results(seen.append))
    assert [None] * 6 == [each.error for each in results]
    assert {"waiting", "running", "completed"} == {each.state for each in seen}
    naps = virtual.naps[:5]
    assert [2.0, 3.0, 4.5, 6.75, 10.125] == naps
    assert 60.0 == max(virtual.naps)
    assert HOUR <= sum(virtual.naps) < HOUR + 60


@pytest.mark.parametrize("schema", [None, Word])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_cancelled_keeps_what_was_answered(
    provider: str,
    schema: type[Word] | None,
    slow: Sandbox,
    virtual: VirtualTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with client_of(slow.url, provider, monkeypatch) as client:
        batch = client.submit_batch(PROMPTS, schema=schema)
        virtual.seconds += HOUR / 2
        batch.cancel()
        results = list(batch.results())
    assert [True] * 3 + [False] * 3 == [each.error is None for each in results]
    assert "the batch was cancelled before this prompt was answered" == str(results[5].error)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_expires_says_so(
    provider: str, virtual: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks: Any = {"clock": virtual.now, "wall_clock": virtual.wall}
    with (
        Sandbox(**clocks, batch_seconds=1000 * HOUR) as sandbox,
        client_of(sandbox.url, provider, monkeypatch) as client,
    ):
        batch = client.submit_batch(PROMPTS, hours=24)
        virtual.seconds += 24 * HOUR
        errors = {str(each.error) for each in batch.results()}
        assert ("expired", {"the batch expired before this prompt was answered"}) == (
            batch.status().state,
            errors,
        )


def test_a_batch_that_the_provider_refuses_says_why(
    client: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        type(client._transport.batch_api(client._knobs)), "line", lambda *_: b'{"custom_id": 1}'
    )
    batch = client.submit_batch(PROMPTS[:1])
    status = batch.status()
    assert ("failed", True) == (status.state, bool(status.message))
    with pytest.raises(LLMError, match="holds no prompt that was submitted here"):
        next(batch.results())


def test_a_failed_batchs_prompts_have_its_message(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = type(client._transport.batch_api(client._knobs))
    monkeypatch.setattr(api, "status", lambda *_: BatchStatus("failed", 1, message="no quota"))
    monkeypatch.setattr(api, "download", lambda *_: "")
    (result,) = client.submit_batch(PROMPTS[:1]).results()
    assert "the batch has failed: no quota" == str(result.error)


@pytest.mark.parametrize("kind", [None, Word])
def test_the_models_of_invoke_model_have_records_of_their_own_form(
    monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    with (
        Sandbox(today=date(2025, 1, 1)) as sandbox,
        client_of(
            sandbox.url, "bedrock", monkeypatch, BEDROCK_MODEL_ID=ModelType.CLAUDE_3_HAIKU
        ) as client,
    ):
        results = list(client.submit_batch(PROMPTS, schema=kind, system_prompt="Hm.").results())
        assert [None] * 6 == [each.error for each in results]
        records = [json.loads(row) for row in _objects(client, "records-6.jsonl")]
        assert "bedrock-2023-05-31" == records[0]["modelInput"]["anthropic_version"]
        with pytest.raises(InvalidRequestError, match=r"prompts\[0\]: trace cannot be sent"):
            client.submit_batch(PROMPTS, trace="ENABLED")
        with pytest.raises(
            InvalidRequestError, match=r"prompts\[0\]: extra_headers cannot be sent"
        ):
            client.submit_batch(PROMPTS, extra_headers={"x": "y"})


def _objects(client: Any, name: str) -> list[bytes]:
    with client._transport._lend_for_batches(client._knobs) as clients:
        listed = clients.s3.list_objects_v2(Bucket="box")["Contents"]
        (key,) = [each["Key"] for each in listed if each["Key"].endswith(name)]
        assert key.startswith("of/ours/llm-batches/")
        rows: list[bytes] = clients.s3.get_object(Bucket="box", Key=key)["Body"].read().splitlines()
        return rows


def test_an_image_goes_into_a_record_as_base64(client: Any) -> None:
    url = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
        "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    chat = [{"role": "user", "content": parts}]
    (result,) = client.submit_batch([chat], model="sandbox/ok").results()
    assert result.error is None


def test_what_cannot_be_sent_is_refused_before_anything_is_submitted(
    client: Any, sandbox: Sandbox
) -> None:
    with pytest.raises(ConfigurationError, match=r"prompts\[1\]: a prompt is of type int"):
        client.submit_batch(["Say it.", 7])
    with pytest.raises(ConfigurationError, match="prompts is empty"):
        client.submit_batch([])
    with pytest.raises(ConfigurationError, match="prompts is one str"):
        client.submit_batch("Say it.")
    for hours in (23, 169, True, "24"):
        with pytest.raises(ConfigurationError, match="hours is"):
            client.submit_batch(PROMPTS, hours=hours)
    with pytest.raises(ConfigurationError, match="did you mean temperature"):
        client.submit_batch(PROMPTS, temprature=0)
    with pytest.raises(ConfigurationError, match="progress is no argument of this call"):
        client.submit_batch(PROMPTS, progress=True)
    with pytest.raises(ConfigurationError, match="did you mean submit_batch"):
        client.generate_batch(PROMPTS, provider_batch=True)
    for identity in ("", "a,,b", "../files", "a b", "batch_\ud800", "x\r\ny", None, 5):
        with pytest.raises(ConfigurationError, match="give the id of a batch"):
            client.resume_batch(identity)
    assert [] == [each for each in sandbox.exchanges if "Create" in each.operation]


def test_the_headers_of_one_call_cannot_be_sent_in_a_batch(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        client_of(sandbox.url, "groq", monkeypatch) as client,
        pytest.raises(InvalidRequestError, match="extra_headers cannot be sent in a batch"),
    ):
        client.submit_batch(PROMPTS, extra_headers={"x": "y"})


def test_a_line_of_groqs_has_the_options_that_its_sdk_has_no_keyword_for(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"reasoning_effort": "low", "extra_body": {"service_tier": "flex"}, "top_p": 0.5}
    with client_of(sandbox.url, "groq", monkeypatch) as client:
        results = list(client.submit_batch(PROMPTS, **options).results())
        line = client._transport.batch_api(client._knobs).line(
            Request("model", (), options=options), CustomId(0)
        )
    assert [None] * 6 == [each.error for each in results]
    expected = {"reasoning_effort": "low", "service_tier": "flex", "top_p": 0.5}
    assert expected.items() <= json.loads(line)["body"].items()
    assert "extra_body" not in json.loads(line)["body"]


@pytest.mark.parametrize("knob", ["BEDROCK_BATCH_BUCKET", "BEDROCK_BATCH_ROLE_ARN"])
def test_bedrock_needs_a_bucket_and_a_role(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, knob: str
) -> None:
    with (
        client_of(sandbox.url, "bedrock", monkeypatch, **{knob: ""}) as client,
        pytest.raises(ConfigurationError, match=f"{knob} is not set"),
    ):
        client.submit_batch(PROMPTS)


def test_a_batch_that_is_not_there_is_an_error(client: Any) -> None:
    words = (
        "^(Groq|Bedrock) has no batch abcdefghijkl, or what it held is no longer there .HTTP 404.:"
        " a batch is found "
    )
    batch = client.resume_batch("abcdefghijkl")
    for ask in (batch.status, batch.cancel, lambda: list(batch.results())):
        with pytest.raises(InvalidRequestError, match=words) as raised:
            ask()
        assert 404 == raised.value.status


def test_a_refused_key_is_an_error_and_shows_no_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        Sandbox(keys={"another": "org"}) as sandbox,
        client_of(sandbox.url, "groq", monkeypatch) as client,
        pytest.raises(AuthenticationError) as raised,
    ):
        client.submit_batch(PROMPTS)
    assert client.api_key not in str(raised.value)


class Losing:
    """The SDK's client, but that the answer of `batches.create` is lost so many times."""

    def __init__(self, sdk: Any, losses: int) -> None:
        self._sdk, self.losses, self.created = sdk, losses, 0
        self.files, self.batches = sdk.files, self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sdk.batches, name)

    def create(self, **arguments: Any) -> Any:
        batch = self._sdk.batches.create(**arguments)
        self.created += 1
        if self.losses:
            self.losses -= 1
            raise groq.APIConnectionError(request=httpx.Request("POST", "http://lost"))
        return batch


def losing(client: Any, losses: int, patch: pytest.MonkeyPatch) -> Losing:
    with client._transport._lend_for_batches() as sdk:
        lost = Losing(sdk, losses)
    patch.setattr(client._transport, "_lend_for_batches", lambda: nullcontext(lost))
    return lost


def test_a_batch_whose_answer_was_lost_is_found_and_not_begun_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, virtual: VirtualTime
) -> None:
    with client_of(sandbox.url, "groq", monkeypatch) as client:
        lost = losing(client, 1, monkeypatch)
        batch = client.submit_batch(PROMPTS)
        assert (1, 6) == (lost.created, len(list(batch.results())))
    assert [2.0] == virtual.naps


def test_parts_that_are_submitted_are_cancelled_where_another_cannot_be(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, virtual: VirtualTime
) -> None:
    monkeypatch.setattr(GroqBatchApi, "max_lines", 3)
    cancelled: list[str] = []
    submit = GroqBatchApi.submit

    def failing(self: Any, *arguments: Any) -> str:
        if cancelled or submitted:
            raise ProviderUnavailableError("no more", retry_after=90)
        submitted.append(submit(self, *arguments))
        return submitted[0]

    submitted: list[str] = []
    monkeypatch.setattr(GroqBatchApi, "submit", failing)
    monkeypatch.setattr(GroqBatchApi, "cancel", lambda _, identity: cancelled.append(identity))
    with (
        client_of(sandbox.url, "groq", monkeypatch) as client,
        pytest.raises(ProviderUnavailableError, match="no more"),
    ):
        client.submit_batch(PROMPTS)
    assert submitted == cancelled
    assert [90.0] * 5 == virtual.naps


class Checked:
    """An API of which nothing but this is asked."""

    def check(self) -> None:
        """All is well."""


def test_a_submission_that_is_dropped_asks_nothing_more(tmp_path: Any) -> None:
    api: Any = Checked()
    with (tmp_path / "lines").open("w+b") as file:
        account = new_account("groq", Knobs(), None)
        reservations, bookkeeper = BatchReservations(account), BatchBookkeeper(account, Hooks())
        flow = provider_batch.submit_files(api, [InputFile("", file)], 24, reservations, bookkeeper)
        assert isinstance(next(flow), RunBlocking)
        flow.close()


def test_a_request_that_hangs_ends_in_a_timeout() -> None:
    api: Any = Checked()
    flow = provider_batch.check(api)
    next(flow)
    with pytest.raises(LLMTimeoutError, match="No answer within 3600 seconds"):
        flow.throw(Overdue(True))


def _ended(flow: Any) -> tuple[str, int, int]:
    """Drive a flow of blocking functions; return its state, total and completed."""
    result: Any = None
    while True:
        try:
            result = flow.send(result).function()
        except StopIteration as done:
            return done.value.state, done.value.total, done.value.completed


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("completed", "running"), "running"),
        (("completed", "failed"), "failed"),
        (("waiting", "running"), "waiting"),
        (("completed", "completed"), "completed"),
    ],
)
def test_a_batch_is_what_one_of_its_parts_is(states: Any, expected: str) -> None:
    asked: list[str] = []

    class Parts:
        def status(self, identity: str) -> BatchStatus:
            asked.append(identity)
            return BatchStatus(states[int(identity)], 2, 1)

    api: Any = Parts()
    none: Any = None
    batch: Any = provider_batch.ProviderBatch(api, none, ["0", "1"], none, none)
    known: dict[str, BatchStatus] = {}
    for _ in range(2):
        assert (expected, 4, 2) == _ended(batch._status(known))
    unfinished = sum(state in ("waiting", "running") for state in states)
    assert 2 + unfinished == len(asked)


def test_files_that_are_downloaded_are_dropped_where_another_cannot_be(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = client.submit_batch(PROMPTS)
    api = type(batch._api)

    def failing(*_: Any) -> str:
        raise InvalidRequestError("no such file")

    monkeypatch.setattr(api, "download", failing)
    with pytest.raises(InvalidRequestError, match="no such file"):
        list(batch.results())


def test_lines_that_are_not_ours_are_left_out(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = client.submit_batch(PROMPTS[:1])
    api = type(batch._api)
    download = api.download

    def littered(self: Any, identity: str, into: Any) -> str:
        into.write(b"no JSON\n7\n{}\n" + b'{"custom_id": "x", "recordId": "z0000000001"}\n')
        scope: str = download(self, identity, into)
        return scope

    monkeypatch.setattr(api, "download", littered)
    (result,) = batch.results()
    assert result.error is None
    assert batch.id in repr(batch)


def test_a_tests_stand_in_for_the_sdk_is_called_as_it_is(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(sandbox.url, "groq", monkeypatch) as client:

        class Old:
            """A release without batches."""

        client.client = Old()
        with pytest.raises(ConfigurationError, match="has no batches: install a newer one"):
            client.submit_batch(PROMPTS)


def test_an_old_boto3_has_no_batches_and_says_so(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(sandbox.url, "bedrock", monkeypatch) as client:
        with client._transport._lend_for_batches(client._knobs) as clients:
            shape = clients.bedrock.meta.service_model.operation_model(
                "CreateModelInvocationJob"
            ).input_shape
        del shape.members["modelInvocationType"]
        with pytest.raises(ConfigurationError, match="has no batches for this model"):
            client.submit_batch(PROMPTS)
        none = SimpleNamespace(lend=lambda: nullcontext(SimpleNamespace()))
        client._transport._batch_lenders = (none, none)
        with pytest.raises(ConfigurationError, match="has no batches for this model"):
            client.submit_batch(PROMPTS)
        client._transport._batch_lenders = ()


@pytest.mark.parametrize(
    ("code", "expected"),
    [("NoSuchKey", "has answered 1 prompt(s), and no answer"), ("AccessDenied", "Access Denied")],
)
def test_results_that_s3_does_not_have_or_refuses_are_an_error_and_can_be_read_later(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, code: str, expected: str
) -> None:
    with client_of(sandbox.url, "bedrock", monkeypatch) as client:
        batch = client.submit_batch(PROMPTS[:1])

        def failing(**_: Any) -> Any:
            described: Any = {"Error": {"Code": code, "Message": "Access Denied"}}
            raise ClientError(described, "GetObject")

        with (
            monkeypatch.context() as patch,
            client._transport._lend_for_batches(client._knobs) as clients,
        ):
            patch.setattr(clients.s3, "get_object", failing)
            with pytest.raises(LLMError, match=re.escape(expected)):
                next(batch.results())
        assert [None] == [each.error for each in batch.results()]


def test_a_line_of_groqs_may_have_an_error_of_its_own(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(sandbox.url, "groq", monkeypatch) as client:
        api = client._transport.batch_api(client._knobs)
    row = {"error": {"message": "it broke"}, "response": None}
    assert "it broke" in str(api.read("", row, CustomId(0)).outcome)
    assert "no chat completion" in str(api.read("", {"error": None}, CustomId(0)).outcome)


def test_what_a_refusal_of_the_form_quotes_is_read_as_an_answer(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = InvalidRequestError("no JSON", provider="groq", status=400)
    refused.failed_generation = '{"word": "chair"}'
    with client_of(sandbox.url, "groq", monkeypatch) as client:
        read_line = client.resume_batch("any", Word)._read_line
        assert Word(word="chair") == read_line(BatchLine(CustomId(0, "object"), refused)).value


def test_the_id_of_a_line_is_read_as_it_is_written() -> None:
    for known in (CustomId(0), CustomId(12, "strict"), CustomId(9_999_999_999, "prompt")):
        assert (known, 11) == (CustomId.of(str(known)), len(str(known)))
    for text in (None, "x0000000001", "n1", "n00000000x1"):
        assert CustomId.of(text) is None


def test_a_line_is_json_or_an_error() -> None:
    assert b'{"a": {"b": 1}}' == json_line(MappingProxyType({"a": MappingProxyType({"b": 1})}))
    with pytest.raises(TypeError, match="set is not JSON"):
        json_line({"a": {1}})


def test_the_reply_of_a_line_is_a_whole_one(client: Any) -> None:
    (result,) = client.submit_batch(["Say it."]).results()
    assert isinstance(result.reply, Reply)
    assert (client._account.provider, 200) == (
        result.reply.provider,
        result.reply.attempts[0].status,
    )
