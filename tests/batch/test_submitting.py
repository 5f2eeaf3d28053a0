"""The submission of a provider's batch: interrupted at any moment, or answered by anything."""

from __future__ import annotations

import io
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from services.llm.account.registry import new_account
from services.llm.batch.bookkeeping import BatchBookkeeper
from services.llm.batch.input_files import InputFile
from services.llm.batch.provider_batch import submit_files
from services.llm.batch.reservations import BatchReservations
from services.llm.events import Hooks
from services.llm.providers.bedrock.batch_api import BatchClients, BedrockBatchApi
from services.llm.providers.groq.batch_api import GroqBatchApi
from services.llm.settings.knobs import Knobs
from services.llm_client import InvalidRequestError, LLMError


class Recorded:
    """An API that notes what is submitted and cancelled; it may refuse to cancel."""

    def __init__(self, refusal: LLMError | None = None) -> None:
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.refusal = refusal

    def submit(self, *_: object) -> str:
        self.submitted.append(f"batch_{len(self.submitted)}")
        return self.submitted[-1]

    def cancel(self, identity: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.cancelled.append(identity)


def submitting(api: Any) -> Any:
    account = new_account("groq", Knobs(), None)
    reservations, bookkeeper = BatchReservations(account), BatchBookkeeper(account, Hooks())
    return submit_files(api, [InputFile("", io.BytesIO())], 24, reservations, bookkeeper)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, GeneratorExit])
def test_a_batch_that_begins_when_nobody_waits_for_it_any_more_is_cancelled(
    interruption: type[BaseException],
) -> None:
    api = Recorded()
    flow = submitting(api)
    submit = next(flow).function
    with pytest.raises(interruption):
        flow.throw(interruption)
    submit()  # its thread goes on
    assert ["batch_0"] == api.submitted == api.cancelled


def test_a_batch_that_has_begun_as_its_submission_is_interrupted_is_cancelled() -> None:
    api = Recorded()
    flow = submitting(api)
    next(flow).function()
    flow.throw(KeyboardInterrupt).function()
    with pytest.raises(KeyboardInterrupt):
        next(flow)
    assert ["batch_0"] == api.submitted == api.cancelled


REFUSAL = InvalidRequestError("no such batch")
GOES_ON = "the batch batch_0 could not be cancelled, and goes on: no such batch"


def test_a_batch_that_cannot_be_cancelled_is_a_warning_and_the_interrupt_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flow = submitting(Recorded(REFUSAL))
    next(flow).function()
    cancel = flow.throw(KeyboardInterrupt)
    with pytest.raises(InvalidRequestError) as refused:
        cancel.function()
    with pytest.raises(KeyboardInterrupt):
        flow.throw(refused.value)
    assert [GOES_ON] == caplog.messages


def test_the_thread_that_cannot_cancel_its_batch_says_so(caplog: pytest.LogCaptureFixture) -> None:
    flow = submitting(Recorded(REFUSAL))
    submit = next(flow).function
    flow.close()
    submit()
    assert [GOES_ON] == caplog.messages


def other_error(error: Exception) -> LLMError:
    raise AssertionError("the answer is read by us") from error


ANSWERS: list[Any] = [[], {}, {"id": 5, "status": 5}, "<html>", None]


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_of_groq_that_is_no_batch_is_an_error_that_says_so(answer: Any) -> None:
    lists = SimpleNamespace(
        list=lambda **_: answer, create=lambda **_: answer, retrieve=lambda *_, **__: answer
    )
    sdk = SimpleNamespace(batches=lists, files=lists)
    api = GroqBatchApi(lambda: nullcontext(sdk), other_error)
    with pytest.raises(LLMError, match=r"answer about a batch is .* without id"):
        api.submit(io.BytesIO(), "", 1, "word", 24)
    with pytest.raises(LLMError, match=r"answer about a batch is .* without status"):
        api.status("batch_0")
    with pytest.raises(LLMError, match=r"answer about a batch is .* without input_file_id"):
        api.download_input("batch_0", io.BytesIO())


@pytest.mark.parametrize(
    ("status", "expected"), [("validating", "batch_1"), ("cancelled", "batch_2")]
)
def test_a_batch_is_begun_again_where_the_one_of_its_token_was_cancelled(
    status: str, expected: str
) -> None:
    known = {"id": "batch_1", "status": status, "metadata": {"token": "word"}}
    made = {"id": "batch_2"}
    batches = SimpleNamespace(list=lambda **_: {"data": [known]}, create=lambda **_: made)
    sdk = SimpleNamespace(batches=batches, files=SimpleNamespace(create=lambda **_: {"id": "f"}))
    api = GroqBatchApi(lambda: nullcontext(sdk), other_error)
    assert expected == api.submit(io.BytesIO(), "", 1, "word", 24)


@pytest.mark.parametrize("answer", [{}, {"status": 5, "outputDataConfig": "s3://box"}])
def test_an_answer_of_bedrock_that_is_no_job_is_an_error_that_says_so(answer: Any) -> None:
    bedrock = SimpleNamespace(get_model_invocation_job=lambda **_: answer)
    clients = BatchClients(bedrock, None)
    api = BedrockBatchApi(lambda: nullcontext(clients), other_error, "box", "arn")
    with pytest.raises(LLMError, match="answer about a batch is a dict without status"):
        api.status("job")
    with pytest.raises(LLMError, match=r"answer about a batch is .* without s3Uri"):
        api.download("job", io.BytesIO())
