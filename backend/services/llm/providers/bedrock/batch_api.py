"""Bedrock's model invocation jobs: records in S3, answered within a day or more at half the price.

Source: AWS, "Process multiple prompts with batch inference" (2026-10). A job has one model and one
form of records: that of InvokeModel, or that of Converse.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any, BinaryIO, NamedTuple

from ...errors import ConfigurationError, InvalidRequestError, LLMError
from ...types import Output, Request, Usage
from ..batch_types import (
    BatchLine,
    BatchState,
    BatchStatus,
    CustomId,
    count_of,
    json_line,
    required_text,
    unsendable_in_batch,
)
from ..fields import member, text
from .converse import to_converse
from .converse_answer import from_converse
from .errors import error_in_ok_body
from .invoke import read_body, to_invoke
from .routes import uses_invoke

_STATES: dict[str, BatchState] = {
    "Submitted": "waiting",
    "Validating": "waiting",
    "Scheduled": "waiting",
    "InProgress": "running",
    "Stopping": "cancelling",
    "Completed": "completed",
    "PartiallyCompleted": "completed",
    "Failed": "failed",
    "Expired": "expired",
    "Stopped": "cancelled",
}
_CONVERSE = "Converse"
_FOLDER = "llm-batches"


class BatchClients(NamedTuple):
    """boto3's clients of the two services that a job needs: `bedrock` and `s3`."""

    bedrock: Any
    s3: Any


class BedrockBatchApi:
    """Jobs whose records are in a bucket, which *role_arn* lets Bedrock read and write.

    *place* is the bucket's name, also with a prefix: `bucket/prefix`.
    """

    max_lines = 50_000
    max_bytes = 200_000_000

    def __init__(
        self,
        lend: Callable[[], AbstractContextManager[BatchClients]],
        to_error: Callable[[Exception], LLMError],
        place: str,
        role_arn: str,
    ) -> None:
        self._lend = lend
        self._to_error = to_error
        bucket, _, prefix = place.strip().removeprefix("s3://").strip("/").partition("/")
        self._bucket, self._prefix = bucket, "/".join(filter(None, [prefix, _FOLDER]))
        self._role_arn = role_arn

    def check(self) -> None:
        """Raise `ConfigurationError` where jobs cannot be asked for."""
        for name, value in (
            ("BEDROCK_BATCH_BUCKET", self._bucket),
            ("BEDROCK_BATCH_ROLE_ARN", self._role_arn),
        ):
            if not value:
                raise ConfigurationError(
                    f"{name} is not set: a batch on Bedrock is read from S3 by a role of yours",
                    provider="bedrock",
                )
        with self._clients():
            pass

    def scope(self, request: Request) -> str:
        """Return the model, which a job has one of."""
        return request.model

    def line(self, request: Request, custom_id: CustomId) -> bytes:
        """Return the record that asks *request*; raises UnsendableError for what it cannot hold."""
        if request.options.get("extra_headers"):
            raise unsendable_in_batch("extra_headers", "bedrock")
        if uses_invoke(request.model):
            call = to_invoke(request)
            content = json.loads(call.pop("body"))
            further = call.keys() - {"modelId", "contentType", "accept"}
            if further:
                raise unsendable_in_batch(min(further), "bedrock")
        else:
            content = to_converse(request)
            del content["modelId"]
        return json_line({"recordId": str(custom_id), "modelInput": content})

    def submit(self, file: BinaryIO, scope: str, count: int, token: str, hours: int) -> str:
        """Begin a job of the *count* records of *file* for a model, and return its ARN.

        Submitted again with the same *token*, it is the same job.
        """
        folder = f"{self._prefix}/{token}"
        key = f"{folder}/records-{count}.jsonl"
        source, target = f"s3://{self._bucket}/{key}", f"s3://{self._bucket}/{folder}/out/"
        kind = {} if uses_invoke(scope) else {"modelInvocationType": _CONVERSE}
        with self._clients() as clients:
            _check_form(clients.bedrock, kind)
            clients.s3.put_object(Bucket=self._bucket, Key=key, Body=file)
            job = clients.bedrock.create_model_invocation_job(
                jobName=f"llm-{token}",
                clientRequestToken=token,
                roleArn=self._role_arn,
                modelId=scope,
                inputDataConfig={"s3InputDataConfig": {"s3Uri": source}},
                outputDataConfig={"s3OutputDataConfig": {"s3Uri": target}},
                timeoutDurationInHours=hours,
                **kind,
            )
            return required_text(job, "jobArn", "bedrock")

    def status(self, batch_id: str) -> BatchStatus:
        """Return how far the job of that ARN is."""
        with self._clients(batch_id) as clients:
            job = clients.bedrock.get_model_invocation_job(jobIdentifier=batch_id)
        return BatchStatus(
            _STATES.get(required_text(job, "status", "bedrock"), "running"),
            count_of(job.get("totalRecordCount")) or _count_in(_source(job)),
            count_of(job.get("successRecordCount")),
            count_of(job.get("errorRecordCount")),
            text(job, "message") or "",
        )

    def cancel(self, batch_id: str) -> None:
        """Have the job end with what is answered."""
        with self._clients(batch_id) as clients:
            clients.bedrock.stop_model_invocation_job(jobIdentifier=batch_id)

    def download(self, batch_id: str, into: BinaryIO) -> str:
        """Write the records of a job that has ended *into* a file; return its model."""
        with self._clients(batch_id) as clients:
            job = clients.bedrock.get_model_invocation_job(jobIdentifier=batch_id)
            target = _uri(job, "outputDataConfig", "s3OutputDataConfig").rstrip("/")
            name = _source(job).rpartition("/")[2]
            _copy(clients.s3, f"{target}/{batch_id.rpartition('/')[2]}/{name}.out", into)
            # AWS may name a model by its ARN, whatever the job was submitted with.
            return required_text(job, "modelId", "bedrock").rpartition(":foundation-model/")[2]

    def download_input(self, batch_id: str, into: BinaryIO) -> None:
        """Write the records that the job was asked *into* a file."""
        with self._clients(batch_id) as clients:
            job = clients.bedrock.get_model_invocation_job(jobIdentifier=batch_id)
            _copy(clients.s3, _source(job), into)

    def custom_id_of(self, row: Mapping[str, Any]) -> CustomId | None:
        """Return the id of a record of either file."""
        return CustomId.of(row.get("recordId"))

    def read(self, scope: str, row: Mapping[str, Any], custom_id: CustomId) -> BatchLine:
        """Read a record of the results of a job, whose *scope* is its model."""
        output = None if custom_id.mode is None else Output(custom_id.mode)
        request = Request(scope, (), output=output)
        failure, answer = row.get("error"), row.get("modelOutput")
        if failure is not None or not isinstance(answer, Mapping):
            message = text(failure, "errorMessage") or "the record has no answer"
            described = {"message": message, "code": member(failure, "errorCode")}
            error = error_in_ok_body(described, scope)
            assert error is not None, "it has a message"
            return BatchLine(custom_id, error)
        read = read_body if uses_invoke(scope) else from_converse
        try:
            return BatchLine(custom_id, read(answer, request))
        except LLMError as incomplete:
            return BatchLine(custom_id, incomplete)

    def billed(self, usage: Usage) -> Usage:
        """Return what is billed of *usage*, at half the price."""
        return usage

    @contextmanager
    def _clients(self, batch_id: str = "") -> Iterator[BatchClients]:
        """Lend boto3's clients for a few requests; raises LLMError for whatever they raise.

        *batch_id* is the job that they are about, where it exists already.
        """
        try:
            with self._lend() as clients:
                yield clients
        except LLMError:
            raise
        except Exception as error:
            translated = self._to_error(error)
            if batch_id and translated.status == 404:
                translated = InvalidRequestError(
                    f"Bedrock has no batch {batch_id}, or what it held is no longer there (HTTP"
                    " 404): a batch is found by the account and in the region that submitted it",
                    provider="bedrock",
                    status=404,
                    code=translated.code,
                    request_id=translated.request_id,
                )
            raise translated from error


def _check_form(bedrock: Any, kind: Mapping[str, str]) -> None:
    """Raise ConfigurationError where boto3 knows no jobs, or none of this form of records."""
    known: Any = {}
    if hasattr(bedrock, "create_model_invocation_job"):
        operation = bedrock.meta.service_model.operation_model("CreateModelInvocationJob")
        known = operation.input_shape.members
    if "jobName" not in known or not kind.keys() <= set(known):
        raise ConfigurationError(
            f"boto3 {version('boto3')} has no batches for this model: install a newer one",
            provider="bedrock",
        )


def _source(job: Mapping[str, Any]) -> str:
    return _uri(job, "inputDataConfig", "s3InputDataConfig")


def _uri(job: Mapping[str, Any], which: str, service: str) -> str:
    return required_text(member(member(job, which), service), "s3Uri", "bedrock")


def _count_in(source: str) -> int:
    """How many records a file of ours has, by its name."""
    number = source.rpartition("-")[2].partition(".")[0]
    return int(number) if number.isdecimal() else 0


def _copy(s3: Any, uri: str, into: BinaryIO) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    except import_module("botocore.exceptions").ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return  # a job that has failed before its first record writes none
    for piece in body.iter_chunks(1 << 20):
        into.write(piece)
    into.write(b"\n")
