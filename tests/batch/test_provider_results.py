"""The results of a provider's batch: whose lines they are, and reads that are interrupted."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest

from services.llm.batch.provider_batch import ProviderBatch
from services.llm.batch.provider_results import AsyncProviderResults, ProviderResults
from services.llm.batch.result_files import ResultFile, ResultFiles
from services.llm.batch.results import BatchResult
from services.llm.providers.batch_types import BatchLine, BatchStatus, CustomId
from services.llm.providers.bedrock.batch_api import BatchClients, BedrockBatchApi
from services.llm.providers.groq.batch_api import GroqBatchApi
from services.llm.types import Reply
from services.llm_client import AuthenticationError, LLMError

PATIENCE = 10.0


def answer(index: int, text: str = "Yes.") -> bytes:
    choice = {"finish_reason": "stop", "message": {"content": text}}
    body = {"model": "a model", "choices": [choice]}
    line = {"custom_id": str(CustomId(index)), "response": {"status_code": 200, "body": body}}
    return json.dumps(line).encode() + b"\n"


def failure(index: int) -> bytes:
    line = {"custom_id": str(CustomId(index)), "error": {"message": "it broke"}}
    return json.dumps(line).encode() + b"\n"


def as_error(error: Exception) -> LLMError:
    raise error


class Api(GroqBatchApi):
    """A batch of Groq's with these lines, of which so many prompts were asked."""

    def __init__(self, *lines: bytes, asked: int | LLMError = 3) -> None:
        super().__init__(nullcontext, as_error)
        self.lines, self.asked = b"".join(lines), asked
        self.inputs_read = 0

    def download(self, identity: str, into: BinaryIO) -> str:
        into.write(self.lines)
        return ""

    def download_input(self, identity: str, into: BinaryIO) -> None:
        self.inputs_read += 1
        if isinstance(self.asked, LLMError):
            raise self.asked
        into.writelines(answer(index) for index in range(self.asked))


def downloaded(api: Api, total: int = 3, state: Any = "completed") -> ResultFile:
    file = ResultFile(api, "batch_1", BatchStatus(state, total))
    try:
        file.download()
    except LLMError:
        file.close()
        raise
    return file


def outcomes(file: ResultFile) -> dict[int, str]:
    """The text of each prompt's answer, or the words of its error."""
    files, found = ResultFiles([file]), {}
    while (line := files.take(lambda line: line)) is not None:
        said = line.outcome
        found[line.id.index] = said.text if isinstance(said, Reply) else str(said)
    files.close()
    return found


ALL = {0: "Yes.", 1: "Yes.", 2: "Yes."}
TWO = {0: "Yes.", 1: "Yes.", 2: "the batch holds no answer to this prompt"}
DEEP = b'{"custom_id": "n0000000002", "response": ' + b"[" * 100_000 + b"\n"


@pytest.mark.parametrize(
    ("lines", "total", "expected", "inputs_read"),
    [
        ([answer(2), answer(0), answer(1)], 3, ALL, 0),
        # Nobody said how many prompts there are.
        ([answer(0), answer(1)], 0, TWO, 1),
        ([answer(0), answer(1), answer(2), answer(77)], 3, ALL, 1),
        ([answer(0), answer(1), answer(77)], 3, TWO, 1),
        ([answer(0), answer(1), answer(2)[:-9]], 3, TWO, 1),
        ([answer(0), b"<html>\n", b"\xff\xfe\n", b"7\n", answer(1), DEEP], 3, TWO, 1),
        # Of several lines, the first that is an answer.
        ([answer(0), answer(1), failure(2), answer(2), failure(2)], 3, ALL, 0),
        ([answer(0), answer(1), answer(2), answer(2, "No."), failure(2)], 3, ALL, 0),
    ],
)
def test_each_prompt_has_its_line_or_an_error_and_nothing_else_has(
    lines: list[bytes], total: int, expected: dict[int, str], inputs_read: int
) -> None:
    api = Api(*lines)
    assert (expected, inputs_read) == (outcomes(downloaded(api, total)), api.inputs_read)


def test_results_are_given_where_the_prompts_are_no_longer_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = LLMError("no such file", status=404)
    with caplog.at_level(logging.WARNING):
        assert {0: "Yes."} == outcomes(downloaded(Api(answer(0), asked=gone)))
    assert "the prompts of the batch batch_1 are no longer there" in caplog.text
    with pytest.raises(AuthenticationError):
        downloaded(Api(answer(0), asked=AuthenticationError("no", status=401)))


@pytest.mark.parametrize("asked", [0, LLMError("no such file", status=404)])
def test_a_batch_of_other_code_is_an_error_and_not_an_empty_one(asked: Any) -> None:
    with pytest.raises(LLMError, match="batch_1 holds no prompt that was submitted here"):
        downloaded(Api(b'{"custom_id": "request-1"}\n', asked=asked))


def test_a_model_that_bedrock_names_by_its_arn_is_read_in_its_own_form() -> None:
    name = "anthropic.claude-3-haiku-20240307-v1:0"

    def job(**_: str) -> dict[str, Any]:
        return {
            "modelId": f"arn:aws:bedrock:us-east-1::foundation-model/{name}",
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://box/out/"}},
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://box/records-1.jsonl"}},
        }

    body = SimpleNamespace(iter_chunks=lambda _: [b""])
    clients = BatchClients(
        SimpleNamespace(get_model_invocation_job=job),
        SimpleNamespace(get_object=lambda **_: {"Body": body}),
    )
    api = BedrockBatchApi(lambda: nullcontext(clients), as_error, "box", "role")
    into: Any = SimpleNamespace(write=lambda _: None)
    assert name == api.download("arn:job/1", into)


def file_of(*lines: bytes) -> ResultFiles:
    return ResultFiles([downloaded(Api(*lines, asked=len(lines)), len(lines))])


def result_of(line: BatchLine) -> BatchResult[str]:
    assert isinstance(line.outcome, Reply)
    return BatchResult(line.id.index, None, line.outcome)


def indexes(results: Any) -> list[int]:
    return [each.index for each in results]


class Failing:
    """Does what *function* does, but raises *error* the first time."""

    def __init__(self, function: Callable[..., Any], error: BaseException) -> None:
        self.function = function
        self.error: BaseException | None = error

    def __call__(self, *arguments: Any) -> Any:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return self.function(*arguments)

    async def later(self) -> Any:
        await asyncio.sleep(0)
        return self()


def download() -> ResultFiles:
    return file_of(answer(0), answer(1))


def test_a_read_that_is_interrupted_loses_nothing() -> None:
    waiting = Failing(download, KeyboardInterrupt())
    results = ProviderResults(waiting, Failing(result_of, KeyboardInterrupt()))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            next(results)
    assert ([0, 1], []) == (indexes(results), indexes(results))


def test_a_read_that_is_cancelled_loses_nothing_and_tasks_may_share_the_rest() -> None:
    async def main() -> list[int]:
        waiting = Failing(download, asyncio.CancelledError())
        results = AsyncProviderResults(waiting.later, result_of)
        with pytest.raises(asyncio.CancelledError):
            await anext(results)
        seen: list[int] = []

        async def read() -> None:
            async for result in results:
                seen.append(result.index)
                await asyncio.sleep(0)

        await asyncio.gather(read(), read())
        await results.aclose()
        assert [] == [result async for result in results]
        return seen

    assert [0, 1] == asyncio.run(main())


def test_threads_share_the_results_and_closing_waits_for_none_of_them() -> None:
    waits, goes_on = threading.Event(), threading.Event()

    def slow() -> ResultFiles:
        waits.set()
        assert goes_on.wait(PATIENCE)
        return download()

    def read() -> None:
        seen.extend(indexes(results))

    for is_closed, expected in ((False, [0, 1]), (True, [])):
        waits.clear()
        goes_on.clear()
        seen: list[int] = []
        results = ProviderResults(slow, result_of)
        threads = [threading.Thread(target=read, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert waits.wait(PATIENCE)
        if is_closed:
            results.close()
        goes_on.set()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert expected == sorted(seen)


def test_what_was_downloaded_is_dropped_where_the_results_are_closed_or_dropped() -> None:
    def kept() -> ResultFiles:
        opened.append(download())
        return opened[-1]

    opened: list[ResultFiles] = []
    results = ProviderResults(kept, result_of)
    next(results)
    results.close()
    assert [] == list(results)
    for _ in ProviderResults(kept, result_of):
        break

    def closing() -> ResultFiles:
        results.close()
        return kept()

    results = ProviderResults(closing, result_of)
    assert [] == list(results)
    assert [True] * 3 == [each._files[0]._file.closed for each in opened]


def test_whatever_a_schemas_own_function_raises_is_that_prompts_alone() -> None:
    def read(line: BatchLine) -> Reply:
        if line.id.index == 0:
            raise ZeroDivisionError
        assert isinstance(line.outcome, Reply)
        return line.outcome

    none: Any = None
    batch: ProviderBatch[str] = ProviderBatch(Api(), none, ["batch_1"], read, none)
    results = [batch._result_of(line) for line in (_line(0), _line(1))]
    assert [ZeroDivisionError, type(None)] == [type(each.error) for each in results]


def _line(index: int) -> BatchLine:
    return BatchLine(CustomId(index), Reply("Yes.", "a model", "groq"))
