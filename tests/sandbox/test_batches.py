"""Groq's batches and Bedrock's model invocation jobs, as their SDKs use them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import groq
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox import Answer, Limits, Sandbox
from sandbox.bedrock.s3 import S3
from sandbox.http_types import HttpRequest
from sandbox.offline import Moment, Progress
from tests.sandbox.bedrock_calls import SONNET, claude, turn
from tests.sandbox.groq_calls import GPT, hello

HOUR = 3_600.0


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slow(clock: Clock) -> Iterator[Sandbox]:
    """A sandbox whose batches take an hour."""
    with Sandbox(clock=clock, wall_clock=lambda: 1e9 + clock(), batch_seconds=HOUR) as running:
        yield running


def client_of(sandbox: Sandbox, key: str = "gsk_test") -> groq.Groq:
    return groq.Groq(api_key=key, base_url=sandbox.url, max_retries=0, timeout=30)


def line(identity: str, body: Any = None) -> dict[str, Any]:
    return {
        "custom_id": identity,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": hello(identity) if body is None else body,
    }


def submit(client: groq.Groq, lines: list[Any], window: str = "24h") -> Any:
    text = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines)
    file = client.files.create(file=("in.jsonl", text.encode()), purpose="batch")
    return client.batches.create(
        input_file_id=str(file.id),
        endpoint="/v1/chat/completions",
        completion_window=window,
        metadata={"job": "1"},
    )


def rows(client: groq.Groq, identity: str | None) -> list[Any]:
    assert identity is not None
    return [json.loads(row) for row in client.files.content(identity).text().splitlines()]


def test_groq_answers_a_file_in_another_order_with_errors_apart(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        bad = line("c", {**hello(), "model": "sandbox/503"})
        batch = client.batches.retrieve(submit(client, [line("a"), line("b"), bad]).id)
        assert ("completed", {"job": "1"}) == (batch.status, batch.metadata)
        answers = rows(client, batch.output_file_id)
        assert ["b", "a"] == [row["custom_id"] for row in answers]
        body = answers[0]["response"]["body"]
        assert "Sandbox: b" == body["choices"][0]["message"]["content"]
        (failed,) = rows(client, batch.error_file_id)
        assert ("c", 503) == (failed["custom_id"], failed["response"]["status_code"])
        counts = batch.request_counts
        assert counts is not None
        assert (3, 2, 1) == (counts.total, counts.completed, counts.failed)


def test_a_batch_goes_through_its_phases(slow: Sandbox, clock: Clock) -> None:
    with client_of(slow) as client:
        batch = submit(client, [line(str(number)) for number in range(10)])
        seen = []
        for _ in range(5):
            now = client.batches.retrieve(batch.id)
            assert now.request_counts is not None
            seen.append((now.status, now.request_counts.completed, now.output_file_id is None))
            clock.now += HOUR / 4
    assert [
        ("validating", 0, True),
        ("in_progress", 1, True),
        ("in_progress", 5, True),
        ("in_progress", 8, True),
        ("completed", 10, False),
    ] == seen


def test_a_cancelled_batch_keeps_what_was_answered(slow: Sandbox, clock: Clock) -> None:
    with client_of(slow) as client:
        batch = submit(client, [line(str(number)) for number in range(10)])
        clock.now += HOUR / 2
        assert "cancelling" == client.batches.cancel(batch.id).status
        ended = client.batches.retrieve(batch.id)
        assert "cancelled" == ended.status
        assert 5 == len(rows(client, ended.output_file_id))
        assert "cancelled" == client.batches.cancel(batch.id).status


def test_a_batch_that_takes_longer_than_its_window_expires(clock: Clock) -> None:
    with Sandbox(clock=clock, batch_seconds=48 * HOUR) as sandbox, client_of(sandbox) as client:
        batch = submit(client, [line(str(number)) for number in range(10)])
        clock.now += 24 * HOUR
        ended = client.batches.retrieve(batch.id)
        assert "expired" == ended.status
        assert 5 == len(rows(client, ended.output_file_id))


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["nonsense"], "invalid_json_line"),
        ([{"custom_id": "a"}], "invalid_request"),
        ([line("a"), line("a")], "duplicate_custom_id"),
        ([], "empty_file"),
    ],
)
def test_a_bad_input_file_fails_its_batch(sandbox: Sandbox, lines: list[Any], code: str) -> None:
    with client_of(sandbox) as client:
        batch = submit(client, lines)
        assert "failed" == batch.status
        assert batch.errors is not None
        assert code == (batch.errors.data or [])[0].code


def test_files_are_listed_got_and_deleted(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        file = client.files.create(file=("in.jsonl", b"{}\n"), purpose="batch")
        identity = str(file.id)
        assert (3, "in.jsonl") == (file.bytes, file.filename)
        assert [identity] == [each.id for each in client.files.list().data]
        assert identity == client.files.info(identity).id
        assert b"{}\n" == client.files.content(identity).read()
        assert client.files.delete(identity).deleted
        with pytest.raises(groq.NotFoundError):
            client.files.info(identity)


def test_files_and_batches_are_an_organisations_own() -> None:
    keys = {"one": "org_1", "two": "org_2"}
    with (
        Sandbox(keys=keys) as sandbox,
        client_of(sandbox, "one") as one,
        client_of(sandbox, "two") as two,
        client_of(sandbox, "three") as three,
    ):
        batch = submit(one, [line("a")])
        assert [batch.id] == [each.id for each in one.batches.list().data]
        assert ([], []) == (two.batches.list().data, two.files.list().data)
        with pytest.raises(groq.NotFoundError):
            two.batches.retrieve(batch.id)
        with pytest.raises(groq.NotFoundError):
            two.files.content(batch.input_file_id)
        with pytest.raises(groq.AuthenticationError):
            three.files.list()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"endpoint": "/v1/embeddings"}, 400),
        ({"completion_window": "1h"}, 400),
        ({"completion_window": "8d"}, 400),
        ({"completion_window": "soon"}, 400),
        ({"input_file_id": "file_x"}, 404),
    ],
)
def test_a_batch_that_cannot_be_is_refused(sandbox: Sandbox, changes: Any, status: int) -> None:
    with client_of(sandbox) as client:
        file = client.files.create(file=("in.jsonl", b"{}\n"), purpose="batch")
        given = {
            "input_file_id": file.id,
            "endpoint": "/v1/chat/completions",
            "completion_window": "7d",
            **changes,
        }
        with pytest.raises(groq.APIStatusError) as caught:
            client.batches.create(**given)
    assert status == caught.value.status_code


def test_what_is_no_upload_is_refused(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        for given in ({"purpose": "vision"}, {}):
            with pytest.raises(groq.BadRequestError):
                client.post("/openai/v1/files", cast_to=object, body=given)


def test_a_batch_is_held_by_no_live_limit_and_scripts_reach_it() -> None:
    with Sandbox(limits=Limits(rpm=1)) as sandbox, client_of(sandbox) as client:
        sandbox.script(Answer.says("scripted"), prompt="b")
        batch = client.batches.retrieve(submit(client, [line("a"), line("b"), line("d")]).id)
        texts = {
            row["custom_id"]: row["response"]["body"]["choices"][0]["message"]["content"]
            for row in rows(client, batch.output_file_id)
        }
    assert {"a": "Sandbox: a", "b": "scripted", "d": "Sandbox: d"} == texts


def test_a_clear_forgets_files_and_batches(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        submit(client, [line("a")])
        operations = [exchange.operation for exchange in sandbox.exchanges]
        assert ["files", "batches"] == operations
        sandbox.clear()
        assert ([], []) == (client.batches.list().data, client.files.list().data)


@pytest.fixture
def aws(sandbox: Sandbox) -> Iterator[Callable[..., Any]]:
    """Builds clients of other services of AWS's; closes them afterwards."""
    clients = []

    def make(service: str, url: str = sandbox.url) -> Any:
        client = boto3.client(
            service,  # type: ignore[call-overload]  # a name is all that boto3 itself wants
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="AKIATEST",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def start(aws: Callable[..., Any], records: list[Any], url: str | None = None, **more: Any) -> Any:
    """A job for these records; its client, its ARN, S3's client."""
    where = {} if url is None else {"url": url}
    s3, bedrock = aws("s3", **where), aws("bedrock", **where)
    data = "".join(json.dumps(record) + "\n" for record in records)
    s3.put_object(Bucket="in", Key="batch/records.jsonl", Body=data.encode())
    given = {
        "jobName": "job",
        "roleArn": "arn:aws:iam::123456789012:role/batch",
        "modelId": SONNET,
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://in/batch/records.jsonl"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://out/done/"}},
        **more,
    }
    return bedrock, bedrock.create_model_invocation_job(**given)["jobArn"], s3


def output(s3: Any) -> list[Any]:
    listed = s3.list_objects_v2(Bucket="out", Prefix="done/")["Contents"]
    (key,) = [each["Key"] for each in listed if each["Key"].endswith("records.jsonl.out")]
    data = s3.get_object(Bucket="out", Key=key)["Body"].read()
    return [json.loads(row) for row in data.splitlines()]


@pytest.mark.parametrize(
    ("kind", "record"),
    [("InvokeModel", claude()), ("Converse", {"messages": turn()})],
)
def test_a_job_writes_its_records_and_a_manifest(
    aws: Callable[..., Any], kind: str, record: Any
) -> None:
    records = [{"recordId": "r1", "modelInput": record}, {"modelInput": {"bad": 1}}]
    bedrock, arn, s3 = start(aws, records, modelInvocationType=kind)
    job = bedrock.get_model_invocation_job(jobIdentifier=arn)
    assert ("PartiallyCompleted", 2, 1, 1) == tuple(
        job[name]
        for name in ("status", "totalRecordCount", "successRecordCount", "errorRecordCount")
    )
    first, second = output(s3)
    assert "r1" == first["recordId"]
    assert "hello" in json.dumps(first["modelOutput"])
    assert 400 == second["error"]["errorCode"]
    listed = s3.list_objects_v2(Bucket="out")["Contents"]
    (manifest,) = [each["Key"] for each in listed if "manifest" in each["Key"]]
    told = json.loads(s3.get_object(Bucket="out", Key=manifest)["Body"].read())
    assert (1, 2, 4) == (
        told["successRecordCount"],
        told["inputTokenCount"],
        told["outputTokenCount"],
    )


def test_a_job_is_polled_and_stopped(aws: Callable[..., Any], slow: Sandbox, clock: Clock) -> None:
    records = [{"modelInput": claude()}] * 10
    bedrock, arn, s3 = start(aws, records, slow.url)

    def status() -> str:
        return str(bedrock.get_model_invocation_job(jobIdentifier=arn)["status"])

    assert "Validating" == status()
    clock.now += HOUR / 2
    assert "InProgress" == status()
    bedrock.stop_model_invocation_job(jobIdentifier=arn)
    assert "Stopped" == status()
    assert 5 == len(output(s3))
    (summary,) = bedrock.list_model_invocation_jobs()["invocationJobSummaries"]
    assert (arn, "Stopped") == (summary["jobArn"], summary["status"])


def test_a_job_expires_at_its_timeout(aws: Callable[..., Any], clock: Clock) -> None:
    with Sandbox(clock=clock, batch_seconds=100 * HOUR) as sandbox:
        bedrock, arn, _ = start(aws, [{"modelInput": claude()}], sandbox.url)
        clock.now += 24 * HOUR
        assert "Expired" == bedrock.get_model_invocation_job(jobIdentifier=arn)["status"]


def test_a_job_without_records_fails(aws: Callable[..., Any]) -> None:
    config = {"s3InputDataConfig": {"s3Uri": "s3://in/nowhere"}}
    bedrock, arn, _ = start(aws, [{"modelInput": {}}], inputDataConfig=config)
    job = bedrock.get_model_invocation_job(jobIdentifier=arn)
    assert ("Failed", "No object was found at s3://in/nowhere.") == (job["status"], job["message"])
    bedrock, arn, _ = start(aws, [{"input": 1}])
    assert "Failed" == bedrock.get_model_invocation_job(jobIdentifier=arn)["status"]


def test_a_job_that_is_not_there_or_not_right_is_an_error(aws: Callable[..., Any]) -> None:
    bedrock = aws("bedrock")
    with pytest.raises(ClientError) as caught:
        bedrock.get_model_invocation_job(jobIdentifier="abcdefghijkl")
    assert "ResourceNotFoundException" == caught.value.response["Error"]["Code"]
    with pytest.raises(ClientError) as caught:
        start(aws, [], timeoutDurationInHours=200)
    assert "ValidationException" == caught.value.response["Error"]["Code"]


def test_objects_are_put_got_listed_and_deleted(aws: Callable[..., Any]) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket="box")
    s3.put_object(Bucket="box", Key="a/b c", Body=b"0123456789")
    assert 10 == s3.head_object(Bucket="box", Key="a/b c")["ContentLength"]
    assert b"234" == s3.get_object(Bucket="box", Key="a/b c", Range="bytes=2-4")["Body"].read()
    assert ["a/b c"] == [each["Key"] for each in s3.list_objects_v2(Bucket="box")["Contents"]]
    s3.delete_object(Bucket="box", Key="a/b c")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket="box", Key="a/b c")
    assert "NoSuchKey" == caught.value.response["Error"]["Code"]
    with pytest.raises(ClientError):
        s3.head_object(Bucket="box", Key="a/b c")


def test_a_large_object_goes_up_and_down_in_parts(aws: Callable[..., Any]) -> None:
    s3 = aws("s3")
    data = bytes(range(256)) * 40_000  # more than boto3 sends at once
    s3.upload_fileobj(io.BytesIO(data), "box", "large")
    received = io.BytesIO()
    s3.download_fileobj("box", "large", received)
    assert data == received.getvalue()


def test_an_upload_that_is_given_up_leaves_nothing(aws: Callable[..., Any]) -> None:
    s3 = aws("s3")
    upload = s3.create_multipart_upload(Bucket="box", Key="k")["UploadId"]
    s3.upload_part(Bucket="box", Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(Bucket="box", Key="k", UploadId=upload)
    assert "Contents" not in s3.list_objects_v2(Bucket="box")


def test_awss_own_chunks_are_put_together() -> None:
    s3 = S3()
    body = b"3;chunk-signature=x\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    headers = {"content-encoding": "aws-chunked"}
    s3.response(HttpRequest("PUT", "/box/key", headers, body), "org", Moment(0, 0))
    assert b"abcde" == s3.objects["box/key"]


def test_progress_needs_no_time_at_all() -> None:
    assert ("completed", 1.0) == (Progress(0, 0).phase, Progress(0, 0).share)
    assert ("finalizing", 1.0) == (Progress(95, 100).phase, Progress(95, 100).share)
    with pytest.raises(ValueError, match="batch_seconds=-1"):
        Sandbox(batch_seconds=-1)


def test_a_batchs_model_is_of_its_line(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        other = {**hello(), "model": "openai/gpt-oss-20b"}
        batch = client.batches.retrieve(submit(client, [line("a"), line("b", other)]).id)
        models = {r["response"]["body"]["model"] for r in rows(client, batch.output_file_id)}
    assert {GPT, "openai/gpt-oss-20b"} == models
